"""Published Paint-by-Example models: the folder in diffusers layout, and the single file of the original code."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from retouch.core.errors import ModelError
from retouch.models.checkpoint import Checkpoint
from retouch.models.clip import Framing
from retouch.models.exemplar_networks import ReferenceMapper, layers_in
from retouch.models.image_encoder import ImageEncoder
from retouch.models.load import load_unet, load_vae
from retouch.models.original import SCHEDULERS, build_unet, build_vae
from retouch.models.original_shape import Shapes
from retouch.models.own_code import refuse_own_code
from retouch.models.sources import read_index, read_scheduler
from retouch.models.spec import ConditioningSpec

PIPELINE = "PaintByExamplePipeline"
SPEC = ConditioningSpec(
    kind="inpaint",
    condition_scaled=True,
    condition_posterior="sample",
    channel_order=("latents", "masked-image", "mask"),
    mask_meaning="white-is-kept",
    steps=50,
    scheduler="pndm",
    text_guidance=5.0,
    image_guidance=1.0,
)
"""The published conventions (arXiv 2211.13227 and its code)."""

_CLIP_FRAMING = Framing(
    side=224, mean=(0.48145466, 0.4578275, 0.40821073), deviation=(0.26862954, 0.26130258, 0.27577711)
)
_VISION = "cond_stage_model.transformer.vision_model."
_MAPPER = "cond_stage_model."
_HEAD_WIDTH = 64
_LOAD_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError)

_ORIGINAL: tuple[tuple[str, str], ...] = (
    (r"^mapper\.resblocks\.", "mapper.blocks."),
    (r"\.attn\.c_proj\.", ".attn1.to_out.0."),
    (r"\.ln_1\.", ".norm1."),
    (r"\.ln_2\.", ".norm3."),
    (r"\.mlp\.c_fc\.", ".ff.net.0.proj."),
    (r"\.mlp\.c_proj\.", ".ff.net.2."),
    (r"^final_ln\.", "final_layer_norm."),
    (r"^learnable_vector$", "uncond_vector"),
)

Parts = tuple[Checkpoint, ImageEncoder, ReferenceMapper]


def is_paint_by_example(folder: Path, source: str) -> bool:
    """Whether a folder holds such a model, by its model_index.json."""
    return (folder / "model_index.json").is_file() and read_index(folder, source).get("_class_name") == PIPELINE


def read_folder(folder: Path, source: str) -> Parts:
    """The model in a folder in diffusers layout, on the CPU.

    Raises:
        ModelError: a part is missing, pickled, damaged or of another shape.
    """
    refuse_own_code(folder, source)
    checkpoint = Checkpoint(
        unet=load_unet(folder, source),
        vae=load_vae(folder, source),
        text=None,
        scheduler_config=read_scheduler(folder, source),
        spec=SPEC,
        source=source,
    )
    place = folder / "image_encoder"
    weights = place / "model.safetensors"
    if not weights.is_file():
        raise ModelError(
            f"'{source}' has no image_encoder/model.safetensors; convert the model once with "
            f"`retouch models convert {folder} OUT`, or get it again."
        )
    try:
        config = CLIPVisionConfig.from_pretrained(place, local_files_only=True)
        with safe_open(weights, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except _LOAD_ERRORS as error:
        raise _damaged(source, error) from error
    vision = {
        name.removeprefix("model.").removeprefix("vision_model."): tensor
        for name, tensor in tensors.items()
        if name.startswith("model.") and not name.endswith("position_ids")
    }
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith("model.")}
    framing = _framing(folder / "feature_extractor", int(_number(config.image_size)))
    return _joined(checkpoint, config, vision, rest, framing)


def read_file(file: Path) -> Parts:
    """The model in one .safetensors file under the names of the original code, on the CPU.

    Raises:
        ModelError: the file is damaged, or holds no such model.
    """
    name = str(file)
    try:
        with safe_open(file, framework="pt") as opened:
            shapes: Shapes = {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
            tensors = {key: opened.get_tensor(key) for key in shapes if key.startswith(_MAPPER) or "." not in key}
            tensors |= {key: opened.get_tensor(key) for key in shapes if key.startswith("proj_out.")}
        unet, vae = build_unet(file, shapes), build_vae(file, shapes)
        vision = {
            key.removeprefix(_VISION): tensor
            for key, tensor in tensors.items()
            if key.startswith(_VISION) and not key.endswith("position_ids")
        }
        config = _vision_config(vision)
        rest = renamed({key: tensor for key, tensor in tensors.items() if not key.startswith(_VISION)})
    except _LOAD_ERRORS as error:
        raise _damaged(name, error) from error
    checkpoint = Checkpoint(
        unet=unet, vae=vae, text=None, scheduler_config=SCHEDULERS["inpaint"], spec=SPEC, source=name
    )
    return _joined(checkpoint, config, vision, rest, _CLIP_FRAMING)


def is_original(file: Path) -> bool:
    """Whether a .safetensors file holds such a model under the names of the original code."""
    try:
        with safe_open(file, framework="pt") as opened:
            return any(name.startswith(f"{_MAPPER}mapper.resblocks.") for name in opened.keys())  # noqa: SIM118
    except (SafetensorError, OSError):
        return False


def _joined(
    checkpoint: Checkpoint,
    config: CLIPVisionConfig,
    vision: Mapping[str, Tensor],
    rest: Mapping[str, Tensor],
    framing: Framing,
) -> Parts:
    try:
        tower = CLIPVisionModel(config)
        tower.load_state_dict(dict(vision))
        width, context = int(_number(config.hidden_size)), rest["proj_out.weight"].shape[0]
        mapper = ReferenceMapper(width=width, layers=layers_in(rest), context=context)
        mapper.load_state_dict(dict(rest))
    except _LOAD_ERRORS as error:
        raise _damaged(checkpoint.source, error) from error
    for network in (tower, mapper, checkpoint.unet, checkpoint.vae):
        network.eval().requires_grad_(False).float()
    encoder = ImageEncoder(tower=tower, projection=nn.Identity(), framing=framing, source=checkpoint.source)
    return checkpoint, encoder, mapper


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mapper's weights under the names of diffusers; the queries, keys and values, joined there, parted."""
    found: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(_MAPPER)
        joined = re.fullmatch(r"mapper\.resblocks\.(\d+)\.attn\.c_qkv\.(weight|bias)", name)
        if joined:
            block, kind = joined.groups()
            parts = tensor.chunk(3, dim=0)
            found |= {f"mapper.blocks.{block}.attn1.to_{q}.{kind}": part for q, part in zip("qkv", parts, strict=True)}
            continue
        for pattern, replacement in _ORIGINAL:
            name = re.sub(pattern, replacement, name)
        if name == "uncond_vector" or name.startswith(("mapper.", "final_layer_norm.", "proj_out.")):
            found[name] = tensor
    return found


def _vision_config(tensors: Mapping[str, Tensor]) -> CLIPVisionConfig:
    """The tower's sizes, which its weights tell but for the width of a head, 64 as CLIP has it."""
    patches = tensors["embeddings.patch_embedding.weight"]
    width, patch = patches.shape[0], patches.shape[-1]
    side = round((tensors["embeddings.position_embedding.weight"].shape[0] - 1) ** 0.5) * patch
    sizes: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": tensors["encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": _count(tensors, r"encoder\.layers\.(\d+)\."),
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "image_size": side,
        "patch_size": patch,
    }
    return CLIPVisionConfig(**sizes)


def _count(names: Iterable[str], pattern: str) -> int:
    return 1 + max(int(found.group(1)) for found in (re.match(pattern, name) for name in names) if found)


def _framing(folder: Path, side: int) -> Framing:
    """As the folder's preprocessor says, or CLIP's own."""
    place = folder / "preprocessor_config.json"
    if not place.is_file():
        return Framing(side=side, mean=_CLIP_FRAMING.mean, deviation=_CLIP_FRAMING.deviation)
    content = json.loads(place.read_text(encoding="utf-8"))
    means, deviations = (tuple(map(float, content[name])) for name in ("image_mean", "image_std"))
    return Framing(side=side, mean=means, deviation=deviations)


def _number(value: object) -> int:
    return int(torch.as_tensor(value).item())


def _damaged(source: str, error: Exception) -> ModelError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
    return ModelError(f"'{source}' does not hold a whole Paint-by-Example model ({reason}); get it again.")
