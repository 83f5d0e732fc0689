"""Published Paint-by-Example models, in both layouts, beside diffusers' own pipeline on the same random weights."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from diffusers.pipelines.deprecated.paint_by_example import PaintByExamplePipeline
from diffusers.pipelines.deprecated.paint_by_example.image_encoder import PaintByExampleImageEncoder
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.models.original_layout import ORIGINAL_TINY, original_layout
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPTokenizer, CLIPVisionConfig

from retouch.conditioning.exemplar import exemplar_branches, hole_channels
from retouch.conditioning.image import decode_latents, to_pixels
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError
from retouch.core.reference import Reference
from retouch.diffusion.guidance import DETAIL, REFERENCE, ExemplarGuidance
from retouch.diffusion.loop import denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler
from retouch.editing.editor import Editor
from retouch.editing.filling import Filling
from retouch.models.architecture import random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.convert import convert
from retouch.models.exemplar import Exemplar, is_published, load_exemplar

SIDE, STEPS, SCALE = 64, 5, 5.0


@pytest.fixture(scope="module")
def pipeline() -> PaintByExamplePipeline:
    torch.manual_seed(0)
    make_unet: Any = UNet2DConditionModel
    make_vae: Any = AutoencoderKL
    make_pipeline: Any = PaintByExamplePipeline
    unet = make_unet(
        sample_size=8,
        in_channels=9,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=48,
        attention_head_dim=8,
    )
    vae = make_vae(
        block_out_channels=(32,) * 4,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )
    with torch.no_grad():
        # A posterior as narrow as can be: a sample of it is its mode.
        vae.quant_conv.bias[4:] = -60
        vae.quant_conv.weight[4:] = 0
    config = CLIPVisionConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=9,
        num_attention_heads=1,
        image_size=32,
        patch_size=8,
        projection_dim=48,
    )
    encoder = PaintByExampleImageEncoder(config)
    made = make_pipeline(
        vae=vae.eval(),
        image_encoder=encoder.eval(),
        unet=unet.eval(),
        scheduler=PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def folder(pipeline: PaintByExamplePipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("published") / "paint-by-example"
    pipeline.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def whole(tiny_tokenizer: CLIPTokenizer) -> Checkpoint:
    return random_checkpoint(ORIGINAL_TINY, tiny_tokenizer, kind="inpaint", seed=3)


@pytest.fixture(scope="module")
def original(pipeline: PaintByExamplePipeline, whole: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file under the names of the original code: the encoder of the pipeline, another U-Net and VAE."""
    place = tmp_path_factory.mktemp("original") / "model.safetensors"
    networks = {name: part for name, part in original_layout(whole).items() if not name.startswith("cond_stage_model.")}
    save_file({**networks, **_original_names(pipeline.image_encoder.state_dict())}, place)
    return place


_NAMES = {
    "mapper.blocks": "cond_stage_model.mapper.resblocks",
    "attn1.to_out.0": "attn.c_proj",
    "norm1": "ln_1",
    "norm3": "ln_2",
    "ff.net.0.proj": "mlp.c_fc",
    "ff.net.2": "mlp.c_proj",
    "final_layer_norm": "cond_stage_model.final_ln",
    "uncond_vector": "learnable_vector",
}
"""Names of diffusers and those of the original code."""


def _original_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    joined: dict[str, list[Tensor]] = {}
    for key, tensor in weights.items():
        name = key
        if name.startswith("model."):
            found[f"cond_stage_model.transformer.vision_model.{name.removeprefix('model.')}"] = tensor.clone()
        elif ".attn1.to_q" in name or ".attn1.to_k" in name or ".attn1.to_v" in name:
            stem, _, kind = name.rpartition(".")
            joined.setdefault(f"{stem[:-5]}.{kind}", []).append(tensor)
        else:
            new = name.replace("mapper.blocks", "cond_stage_model.mapper.resblocks").replace(
                "attn1.to_out.0", "attn.c_proj"
            )
            new = new.replace("norm1", "ln_1").replace("norm3", "ln_2").replace("ff.net.0.proj", "mlp.c_fc")
            new = new.replace("ff.net.2", "mlp.c_proj").replace("final_layer_norm", "cond_stage_model.final_ln")
            found[new.replace("uncond_vector", "learnable_vector")] = tensor.clone()
    for name, parts in joined.items():
        block, kind = name.split(".")[2], name.rpartition(".")[2]
        found[f"cond_stage_model.mapper.resblocks.{block}.attn.c_qkv.{kind}"] = torch.cat(parts)
    return found


def picture(seed: int, size: int = SIDE) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((size, size))


def mask() -> Image.Image:
    made = Image.new("L", (SIDE, SIDE), 0)
    made.paste(255, (16, 24, 48, 56))
    return made


def ours(exemplar: Exemplar) -> Tensor:
    """Pixels from 0 to 1, (3, H, W), with the settings below."""
    holes = torch.from_numpy(np.asarray(mask(), dtype=np.float32) / 255)[None, None]
    generator = torch.Generator().manual_seed(7)
    channels = hole_channels(exemplar.checkpoint, to_pixels([picture(0)]), holes, [torch.Generator().manual_seed(0)])
    branches = exemplar_branches(exemplar, channels, [Reference(picture=picture(1, 32))])
    latents = denoise(
        unet_predictor(exemplar.checkpoint, branches),
        make_scheduler("pndm", exemplar.checkpoint.scheduler_config),
        ExemplarGuidance(scale=SCALE),
        unit_noise((4, SIDE // 8, SIDE // 8), [generator], torch.device("cpu")),
        steps=STEPS,
        generator=[generator],
    )
    return ((decode_latents(exemplar.checkpoint.vae, latents)[0] + 1) / 2).clamp(0, 1)


def test_the_folder_gives_what_the_pipeline_gives(pipeline: PaintByExamplePipeline, folder: Path) -> None:
    arguments: dict[str, Any] = {"example_image": picture(1, 32), "image": picture(0), "mask_image": mask()}
    made: Any = pipeline(
        **arguments,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
        height=SIDE,
        width=SIDE,
    )
    wanted = torch.from_numpy(made.images[0]).permute(2, 0, 1)
    assert is_published(folder)
    torch.testing.assert_close(ours(load_exemplar(folder)), wanted, atol=2e-4, rtol=0)


def test_the_published_model_loads_by_its_hub_id(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for owner, name in (("Fantasy-Studio", "Paint-by-Example"), ("someone", "fills")):
        repository = tmp_path / "hub" / f"models--{owner}--{name}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0" * 40)
        shutil.copytree(folder, repository / "snapshots" / ("0" * 40))
        editor = Editor.load(f"{owner}/{name}", precision="float32")
        assert isinstance(editor.technique, Filling)
        assert editor.name == f"{owner}/{name}"
        torch.testing.assert_close(
            editor.technique.exemplar.mapper.state_dict(), load_exemplar(folder).mapper.state_dict()
        )


def test_the_original_file_is_the_same_model(original: Path, folder: Path, whole: Checkpoint) -> None:
    assert is_published(original)
    found, encoder = load_exemplar(original), load_exemplar(folder)
    for ours_, wanted in (
        (found.mapper, encoder.mapper),
        (found.encoder.tower, encoder.encoder.tower),
        (found.checkpoint.unet, whole.unet),
        (found.checkpoint.vae, whole.vae),
    ):
        torch.testing.assert_close(ours_.state_dict(), wanted.state_dict())


def test_a_file_without_its_mapper_is_refused(original: Path, tmp_path: Path) -> None:
    tensors = load_file(original)
    del tensors["cond_stage_model.mapper.resblocks.0.ln_1.weight"]
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(ModelError, match="does not hold a whole Paint-by-Example model"):
        load_exemplar(tmp_path / "broken.safetensors")


def test_a_model_without_details_has_one_branch_for_both(folder: Path) -> None:
    exemplar = load_exemplar(folder)
    channels = torch.zeros(1, 5, 8, 8)
    branches = exemplar_branches(exemplar, channels, [Reference(picture=picture(1, 32))])
    assert branches[DETAIL] is branches[REFERENCE]


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "image_encoder" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no image_encoder/model\.safetensors"):
        load_exemplar(broken)


def test_a_pickled_folder_is_converted_with_its_encoder(folder: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    weights = pickled / "image_encoder" / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    found = load_exemplar(convert(pickled, tmp_path / "converted"))
    torch.testing.assert_close(found.mapper.state_dict(), load_exemplar(folder).mapper.state_dict())
