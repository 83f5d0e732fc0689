"""Tiny pipelines of the real classes with random weights, and tokenizers made of nothing but bytes; no download."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from tokenizers import pre_tokenizers

# Their annotations say one tuple of one for whatever takes a tuple.
diffusers: Any = importlib.import_module("diffusers")
transformers: Any = importlib.import_module("transformers")

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def qwen_tokenizer() -> Any:
    """Qwen's tokenizer class over single bytes."""
    vocabulary = {token: number for number, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    tokenizer = transformers.Qwen2Tokenizer(vocab=vocabulary, merges=[], extra_special_tokens=SPECIAL)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def flow() -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)


def klein(*, is_distilled: bool = True) -> Any:
    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=27, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=1024,
    )  # fmt: skip
    return diffusers.Flux2KleinPipeline(
        scheduler=flow(),
        vae=klein_vae(),
        text_encoder=transformers.Qwen3ForCausalLM(config).eval(),
        tokenizer=tokenizer,
        transformer=diffusers.Flux2Transformer2DModel(
            in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=48, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
        ).eval(),
        is_distilled=is_distilled,
    )  # fmt: skip


def klein_vae() -> Any:
    """One whose batch norm has statistics of its own, which latents are normalised by."""
    vae = diffusers.AutoencoderKLFlux2(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=1, latent_channels=4, norm_num_groups=2,
    ).eval()  # fmt: skip
    vae.bn.running_mean.copy_(torch.linspace(-0.5, 0.5, 16))
    vae.bn.running_var.copy_(torch.linspace(0.05, 0.4, 16))
    return vae


def kontext(clip_tokenizer: Any) -> Any:
    torch.manual_seed(0)
    clip = transformers.CLIPTextConfig(
        vocab_size=len(clip_tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, projection_dim=32, max_position_embeddings=77,
    )  # fmt: skip
    letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -1.0)]
    letters += [(chr(code), -2.0) for code in range(33, 127)]
    t5_tokenizer = transformers.T5Tokenizer(vocab=letters, extra_ids=0)
    t5 = transformers.T5Config(
        vocab_size=len(t5_tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return diffusers.FluxKontextPipeline(
        scheduler=flow(),
        vae=small_vae(latent_channels=4),
        text_encoder=transformers.CLIPTextModel(clip).eval(),
        tokenizer=clip_tokenizer,
        text_encoder_2=transformers.T5EncoderModel(t5).eval(),
        tokenizer_2=t5_tokenizer,
        transformer=diffusers.FluxTransformer2DModel(
            in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
        ).eval(),
    )  # fmt: skip


def small_vae(*, latent_channels: int) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=1, latent_channels=latent_channels,
        norm_num_groups=2, shift_factor=0.1, scaling_factor=0.7, use_quant_conv=False, use_post_quant_conv=False,
    ).eval()  # fmt: skip


class Qwen2VLProcessor(transformers.Qwen2VLProcessor):
    """Stands in for the processor of this name, which without torchvision fails for the films that it can also read.

    It reads texts and pictures by the very same code. Its name and module are those of the original, so that a saved
    pipeline names that one; whoever loads such a pipeline lets this be loaded (see `stand_in`).
    """

    model_input_names = ["input_ids", "attention_mask", "pixel_values", "image_grid_thw", "mm_token_type_ids"]

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **rest: Any):
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id, self.video_token_id = map(
            tokenizer.convert_tokens_to_ids, (self.image_token, self.video_token)
        )
        transformers.ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    @staticmethod
    def from_pretrained(folder: Any, **rest: Any) -> Any:
        parts = (transformers.Qwen2VLImageProcessorPil, transformers.Qwen2Tokenizer)
        return Qwen2VLProcessor(*(part.from_pretrained(folder, local_files_only=True) for part in parts))


Qwen2VLProcessor.__module__ = transformers.Qwen2VLProcessor.__module__


def vision_parts() -> dict[str, Any]:
    """Tokenizer, processor and Qwen2.5-VL with a hidden size of 16."""
    tokenizer = qwen_tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
        },
        vision_config={
            "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "window_size": 56,
            "fullatt_block_indexes": [1], "out_hidden_size": 16,
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    pictures = transformers.Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=112 * 112)
    return {
        "tokenizer": tokenizer,
        "processor": Qwen2VLProcessor(pictures, tokenizer),
        "text_encoder": transformers.Qwen2_5_VLForConditionalGeneration(config).eval(),
    }


def qwen(name: str = "QwenImageEditPipeline") -> Any:
    torch.manual_seed(0)
    return getattr(diffusers, name)(
        scheduler=flow(),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=8, z_dim=4, num_res_blocks=1, latents_mean=[-0.3, 0.2, 0.1, 0.0], latents_std=[0.5, 0.7, 1.5, 0.9]
        ).eval(),
        transformer=diffusers.QwenImageTransformer2DModel(
            in_channels=16, out_channels=4, num_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=16, axes_dims_rope=(4, 6, 6),
        ).eval(),
        **vision_parts(),
    )  # fmt: skip


def longcat() -> Any:
    torch.manual_seed(0)
    parts = vision_parts()
    return diffusers.LongCatImageEditPipeline(
        scheduler=flow(),
        vae=small_vae(latent_channels=16),
        text_encoder=parts["text_encoder"],
        tokenizer=parts["tokenizer"],
        text_processor=parts["processor"],
        transformer=diffusers.LongCatImageTransformer2DModel(
            in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8),
        ).eval(),
    )  # fmt: skip


def sdxl(clip_tokenizer: Any, *, cosxl: bool = False) -> Any:
    torch.manual_seed(0)
    clip = transformers.CLIPTextConfig(
        vocab_size=len(clip_tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, projection_dim=32, max_position_embeddings=77,
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        sample_size=64, in_channels=8, out_channels=4, layers_per_block=1, block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32, attention_head_dim=8, norm_num_groups=8, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=32 + 6 * 8,
    )  # fmt: skip
    scheduler = (
        diffusers.EDMEulerScheduler(sigma_max=120.0, prediction_type="v_prediction")
        if cosxl
        else diffusers.EulerDiscreteScheduler()
    )
    return diffusers.StableDiffusionXLInstructPix2PixPipeline(
        vae=small_vae(latent_channels=4),
        text_encoder=transformers.CLIPTextModel(clip).eval(),
        text_encoder_2=transformers.CLIPTextModelWithProjection(clip).eval(),
        tokenizer=clip_tokenizer,
        tokenizer_2=clip_tokenizer,
        unet=unet.eval(),
        scheduler=scheduler,
        add_watermarker=False,
        is_cosxl_edit=cosxl,
    )


CLASSES = (
    "Flux2KleinPipeline",
    "FluxKontextPipeline",
    "QwenImageEditPipeline",
    "QwenImageEditPlusPipeline",
    "LongCatImageEditPipeline",
    "StableDiffusionXLInstructPix2PixPipeline",
)
CHOOSING = {
    "QwenImageEditPipeline": "qwenimage.pipeline_qwenimage_edit",
    "QwenImageEditInpaintPipeline": "qwenimage.pipeline_qwenimage_edit_inpaint",
    "QwenImageEditPlusPipeline": "qwenimage.pipeline_qwenimage_edit_plus",
    "LongCatImageEditPipeline": "longcat_image.pipeline_longcat_image_edit",
}
"""Classes that bring every picture to 1024² pixels by a function of their module."""
SIDE = 128


def pipeline(name: str, clip_tokenizer: Any) -> Any:
    """A tiny pipeline of a class."""
    if name.startswith("Qwen"):
        return qwen(name)
    made = {"Flux2KleinPipeline": klein, "LongCatImageEditPipeline": longcat}
    if name in made:
        return made[name]()
    return kontext(clip_tokenizer) if name.startswith("Flux") else sdxl(clip_tokenizer)


def side(name: str) -> int | None:
    """What to ask an editor for, so that a picture is small; FLUX.2 wants 64 pixels of the shorter side."""
    if name in CHOOSING:
        return None
    return SIDE if name.startswith("Flux2") else SIDE // 2


@contextmanager
def small_sizes() -> Iterator[None]:
    """Make the classes that choose 1024² pixels choose 128² by the same rule: on a CPU the rest would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        for path in CHOOSING.values():
            module = importlib.import_module(f"diffusers.pipelines.{path}")
            patch.setattr(module, "calculate_dimensions", _smaller(module.calculate_dimensions))
        yield


def _smaller(original: Callable[[int, float], tuple[int, ...]]) -> Callable[[int, float], tuple[int, ...]]:
    return lambda area, ratio: original(area * SIDE * SIDE // 1024**2, ratio)


@contextmanager
def stand_in() -> Iterator[None]:
    """Load the processor of this file in place of the one that wants torchvision; nothing else is replaced."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Qwen2VLProcessor.__base__, "from_pretrained", Qwen2VLProcessor.from_pretrained)
        yield
