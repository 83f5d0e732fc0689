"""Randomly initialised networks of the real classes, small, in folders as the published ones are laid out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPTokenizer,
    Florence2Config,
    Florence2ForConditionalGeneration,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Sam2Config,
    Sam2Model,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam3Config,
    Sam3Model,
    Sam3TrackerVideoConfig,
    Sam3VideoConfig,
    Sam3VideoModel,
    SamConfig,
    SamModel,
    SwinConfig,
)

WORDS = ("red", "blue", "green", "square", "circle", "lamp", "table", "the", "a", "on", "left", "right", "of", "to")
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def _fresh(network: type[PreTrainedModel], config: object) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Any = network
        return made(config).eval()


def _saved(folder: Path, network: PreTrainedModel, tokenizer: Any = None, **preprocessing: object) -> Path:
    network.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return folder


def clipseg(folder: Path, tokenizer: CLIPTokenizer) -> Path:
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPSegConfig(
        text_config=dict(text, vocab_size=len(tokenizer), max_position_embeddings=16, **marks),
        vision_config=dict(text, num_hidden_layers=3, image_size=32, patch_size=8),
        projection_dim=16,
        reduce_dim=16,
        extract_layers=[0, 1, 2],
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
    )
    size = {"height": 48, "width": 48}
    return _saved(folder, _fresh(CLIPSegForImageSegmentation, config), tokenizer, size=size, resample=2)


def bert_words() -> BertTokenizer:
    marks = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS)
    return BertTokenizer(vocab={word: number for number, word in enumerate(marks)})


def grounding_dino(folder: Path, *, retrained: bool = False) -> Path:
    tokenizer = bert_words()
    swin: Any = SwinConfig
    backbone = swin(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=2,
        out_features=["stage2", "stage3", "stage4"],
    )
    text = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    config_class = MMGroundingDinoConfig if retrained else GroundingDinoConfig
    config = config_class(
        backbone_config=backbone,
        text_config=text,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        num_queries=9,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
    )
    network = MMGroundingDinoForObjectDetection if retrained else GroundingDinoForObjectDetection
    size = {"shortest_edge": 256, "longest_edge": 427}
    return _saved(folder, _fresh(network, config), tokenizer, size=size)


_PROMPTS = {"hidden_size": 32, "image_size": 64, "mask_input_channels": 8}
_DECODER = {
    "hidden_size": 32,
    "mlp_dim": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "iou_head_depth": 2,
    "iou_head_hidden_dim": 16,
}


def sam(folder: Path) -> Path:
    vision = {
        "hidden_size": 32,
        "output_channels": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
        "mlp_dim": 32,
        "window_size": 2,
        "global_attn_indexes": [1],
        "num_pos_feats": 16,
    }
    config = SamConfig(vision_config=vision, prompt_encoder_config=_PROMPTS, mask_decoder_config=_DECODER)
    return _saved(folder, _fresh(SamModel, config), size={"longest_edge": 64})


def _hiera() -> dict[str, object]:
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 2],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [2, 2],
    }
    return {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }


def sam2(folder: Path) -> Path:
    config = Sam2Config(vision_config=_hiera(), prompt_encoder_config=_PROMPTS, mask_decoder_config=_DECODER)
    return _saved(folder, _fresh(Sam2Model, config), size={"height": 64, "width": 64})


def sam2_video(folder: Path) -> Path:
    """SAM 2 with its memory of earlier frames, as the published folders hold it."""
    made: Any = Sam2VideoConfig
    config = made(
        vision_config=_hiera(),
        prompt_encoder_config=_PROMPTS,
        mask_decoder_config=_DECODER,
        image_size=64,
        memory_attention_hidden_size=32,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_num_layers=1,
        memory_attention_num_attention_heads=1,
        memory_attention_downsample_rate=1,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16,
        mask_downsampler_embed_dim=32,
        memory_fuser_num_layers=1,
        memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=32,
    )
    return _saved(folder, _fresh(Sam2VideoModel, config), size={"height": 64, "width": 64})


def sam3_config(tokenizer: CLIPTokenizer) -> Sam3Config:
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    d = {"hidden_size": 32, "num_attention_heads": 2}
    layer = dict(d, num_layers=1, intermediate_size=32)
    backbone = dict(
        d,
        model_type="sam3_vit_model",
        intermediate_size=64,
        num_hidden_layers=2,
        image_size=56,
        patch_size=14,
        window_size=2,
        global_attn_indexes=[1],
        pretrain_image_size=28,
    )
    return Sam3Config(
        vision_config={
            "backbone_config": backbone,
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config=dict(
            d,
            model_type="clip_text_model",
            vocab_size=len(tokenizer),
            **marks,
            intermediate_size=64,
            projection_dim=32,
            num_hidden_layers=1,
            max_position_embeddings=32,
        ),
        geometry_encoder_config=layer,
        detr_encoder_config=layer,
        detr_decoder_config=dict(layer, num_queries=5),
        mask_decoder_config=d,
    )


def sam3(folder: Path, tokenizer: CLIPTokenizer) -> Path:
    size = {"height": 56, "width": 56}
    return _saved(folder, _fresh(Sam3Model, sam3_config(tokenizer)), tokenizer, size=size, **HALF)


def sam3_video(folder: Path, tokenizer: CLIPTokenizer) -> Path:
    """The detector with its tracker, under the keys of the published file: the library writes others when it saves."""
    detector: Any = sam3_config(tokenizer)
    side = {"height": 56, "width": 56}
    memory = {f"memory_attention_{name}": 32 for name in ("hidden_size", "feed_forward_hidden_size")}
    tracker_config: Any = Sam3TrackerVideoConfig
    tracker = tracker_config(
        vision_config=detector.vision_config.to_dict(),
        prompt_encoder_config={"hidden_size": 32, "image_size": 56, "patch_size": 14, "mask_input_channels": 8},
        mask_decoder_config=_DECODER,
        image_size=56,
        **memory,
        memory_attention_num_layers=1,
        memory_attention_num_attention_heads=1,
        memory_attention_downsample_rate=1,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16,
        mask_downsampler_embed_dim=32,
        memory_fuser_num_layers=1,
        memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=32,
    )
    config = Sam3VideoConfig(detector_config=detector.to_dict(), tracker_config=tracker.to_dict())
    _saved(folder, _fresh(Sam3VideoModel, config), tokenizer, size=side, **HALF)
    weights = {name: value.clone() for name, value in _fresh(Sam3VideoModel, config).state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def florence(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers

    marks = ["<s>", "<pad>", "</s>", "<unk>", "<image>", "<sep>", "<poly>", "</poly>"]
    places = [f"<loc_{number}>" for number in range(1000)]
    words = {word: number for number, word in enumerate((*marks, *WORDS, "Locate", "in", "image", "with", "mask"))}
    fast = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    tokenizer.add_tokens([*marks[5:], *places])
    config = Florence2Config(
        vision_config={
            "depths": (1, 1, 1, 1),
            "embed_dim": (8, 16, 16, 32),
            "num_heads": (1, 2, 2, 2),
            "num_groups": (1, 2, 2, 2),
            "window_size": 2,
            "projection_dim": 16,
        },
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            "d_model": 16,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
            "bos_token_id": 0,
            "pad_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 2,
            "forced_eos_token_id": 2,
        },
        image_token_id=4,
    )
    size = {"height": 64, "width": 64}
    return _saved(folder, _fresh(Florence2ForConditionalGeneration, config), tokenizer, size=size, resample=3)


def makers(tokenizer: CLIPTokenizer) -> dict[str, Callable[[Path], Path]]:
    """What makes each network, by its short name."""
    return {
        "clipseg": lambda folder: clipseg(folder, tokenizer),
        "grounding-dino": grounding_dino,
        "mm-grounding-dino": lambda folder: grounding_dino(folder, retrained=True),
        "sam": sam,
        "sam2": sam2,
        "sam2-video": sam2_video,
        "sam3": lambda folder: sam3(folder, tokenizer),
        "sam3-video": lambda folder: sam3_video(folder, tokenizer),
        "florence": florence,
    }
