"""Read a whole Stable-Diffusion-1 model from one .safetensors file under the names of the original code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from retouch.core.errors import ModelError
from retouch.models.architecture import SCHEDULE
from retouch.models.checkpoint import Checkpoint, TextTower, kind_of
from retouch.models.original_shape import (
    TEXT_PREFIX,
    UNET_PREFIX,
    VAE_PREFIX,
    NetworkConfigs,
    Shapes,
    read_configs,
    text_name,
    unet_config,
    vae_config,
)
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import find_model, read_scheduler
from retouch.models.spec import PUBLISHED, Kind, read_spec
from retouch.models.vocabulary import find_tokenizer, read_tokenizer

_BUILD_ERRORS = (ValueError, KeyError, TypeError, IndexError, ArithmeticError, OSError)

_PARTS = {UNET_PREFIX: "U-Net", VAE_PREFIX: "VAE", TEXT_PREFIX: "text encoder"}

SCHEDULERS: dict[Kind, dict[str, object]] = {
    "generate": {"_class_name": "PNDMScheduler", **SCHEDULE, "skip_prk_steps": True},
    "instruct": {"_class_name": "EulerAncestralDiscreteScheduler", **SCHEDULE},
    "inpaint": {"_class_name": "PNDMScheduler", **SCHEDULE, "skip_prk_steps": True},
}
"""The schedulers that the published models are saved with."""

Network = TypeVar("Network", bound=nn.Module)


def read_original(
    file: Path, *, tokenizer: str | Path | None = None, like: str | None = None, origin: Path | None = None
) -> Checkpoint:
    """The model in `file`, on the CPU, with weights of the types they are stored in.

    Where the file keeps a moving average of the U-Net's weights (`model_ema.…`), that is the U-Net.

    Args:
        file: a .safetensors file with U-Net, VAE and text encoder.
        tokenizer: see `find_tokenizer`.
        like: a folder or hub id of a model of the same shape, whose configuration, conventions and tokenizer are
            used; without it the shapes of the weights say what the model is, and the published conventions hold.
        origin: where `file` was made from another, that one: named in errors, and its folder may hold the tokenizer.

    Raises:
        ModelError: the file is damaged, holds no such model, or no tokenizer for it is to be had.
    """
    name = origin or file
    shapes = _read_shapes(file, name)
    _check_whole(shapes, name)
    folder = find_model(like, weights=False) if like else None
    try:
        with quiet_libraries():
            configs = _folder_configs(folder) if folder else read_configs(shapes)
            unet = _unet(file, shapes, configs.unet)
            vae = _vae(file, shapes, configs.vae)
            text_encoder = _text_encoder(file, shapes, configs.text_encoder)
    except _BUILD_ERRORS as error:
        raise _misshapen(name, like, error) from error
    kind = kind_of(unet, str(name))
    checkpoint = Checkpoint(
        unet=unet,
        vae=vae,
        text=TextTower(
            encoder=text_encoder, tokenizer=read_tokenizer(find_tokenizer(name, tokenizer or folder), str(name))
        ),
        scheduler_config=read_scheduler(folder, str(like)) if folder else SCHEDULERS[kind],
        spec=read_spec(folder, kind) if folder else PUBLISHED[kind],
        source=str(name),
    )
    if not like:
        _check_vocabulary(checkpoint)
    return checkpoint


def build_unet(file: Path, shapes: Shapes) -> UNet2DConditionModel:
    """The U-Net in a file, by the shapes of its weights; raises ValueError or KeyError where it is no whole one."""
    return _unet(file, shapes, unet_config(shapes))


def build_vae(file: Path, shapes: Shapes) -> AutoencoderKL:
    """The VAE in a file, by the shapes of its weights; raises ValueError or KeyError where it is no whole one."""
    return _vae(file, shapes, vae_config(shapes))


def _unet(file: Path, shapes: Shapes, config: Mapping[str, object]) -> UNet2DConditionModel:
    return _build(UNet2DConditionModel, config, _unet_tensors(file, shapes), convert_ldm_unet_checkpoint)


def _vae(file: Path, shapes: Shapes, config: Mapping[str, object]) -> AutoencoderKL:
    return _build(AutoencoderKL, config, _tensors(file, shapes, VAE_PREFIX), convert_ldm_vae_checkpoint)


def _read_shapes(file: Path, name: Path) -> Shapes:
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"'{name}' is no valid safetensors file ({error}); get it again.") from error


def _check_whole(shapes: Shapes, file: Path) -> None:
    if any("lora_" in name or ".lora." in name for name in shapes):
        raise ModelError(f"'{file}' is a LoRA, which changes another model; give it with `--lora {file}`.")
    for prefix, family in {"conditioner.": "SDXL", "cond_stage_model.model.": "Stable Diffusion 2"}.items():
        if any(name.startswith(prefix) for name in shapes):
            raise ModelError(f"'{file}' is of the {family} family; expected Stable Diffusion 1.")
    for prefix, part in _PARTS.items():
        if not any(name.startswith(prefix) for name in shapes):
            raise ModelError(
                f"'{file}' does not hold a whole Stable-Diffusion-1 model (no {part}, '{prefix}…'); "
                "get the whole model, or give a folder in diffusers layout."
            )


def _folder_configs(folder: Path) -> NetworkConfigs:
    unet: Any = UNet2DConditionModel.load_config(folder / "unet", local_files_only=True)
    vae: Any = AutoencoderKL.load_config(folder / "vae", local_files_only=True)
    return NetworkConfigs(
        unet=unet,
        vae=vae,
        text_encoder=CLIPTextConfig.from_pretrained(folder / "text_encoder", local_files_only=True).to_dict(),
    )


def _tensors(file: Path, shapes: Shapes, prefix: str) -> dict[str, Tensor]:
    with safe_open(file, framework="pt") as tensors:
        return {name: tensors.get_tensor(name) for name in shapes if name.startswith(prefix)}


def _unet_tensors(file: Path, shapes: Shapes) -> dict[str, Tensor]:
    """The U-Net's weights under their plain names, from the moving average where there is one."""
    averaged = {name: _averaged_name(name) for name in shapes if name.startswith(UNET_PREFIX)}
    present = [name for name in averaged.values() if name in shapes]
    if not present:
        return _tensors(file, shapes, UNET_PREFIX)
    if len(present) < len(averaged):
        raise ValueError(f"it has a moving average of {len(present)} of the U-Net's {len(averaged)} weights")
    with safe_open(file, framework="pt") as tensors:
        return {name: tensors.get_tensor(stored) for name, stored in averaged.items()}


def _averaged_name(name: str) -> str:
    return "model_ema." + name.removeprefix("model.").replace(".", "")


def _build(
    network: type[Network],
    config: Mapping[str, object],
    tensors: dict[str, Tensor],
    rename: Callable[..., dict[str, Tensor]],
) -> Network:
    builder: Any = network
    with init_empty_weights():
        built = builder.from_config(dict(config))
    _fill(built, rename(tensors, config))
    return built


def _text_encoder(file: Path, shapes: Shapes, config: Mapping[str, object]) -> CLIPTextModel:
    encoder = CLIPTextModel(CLIPTextConfig.from_dict(dict(config)))
    tensors = {
        text_name(name.removeprefix(TEXT_PREFIX)): tensor
        for name, tensor in _tensors(file, shapes, TEXT_PREFIX).items()
        if not name.endswith("position_ids")
    }
    _fill(encoder, tensors)
    return encoder


def _fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give `network` its weights; raises ValueError where one is missing, left over or of another shape."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    for problem, names in {
        "lacks": expected.keys() - found.keys(),
        "has no place for": found.keys() - expected.keys(),
    }.items():
        if names:
            raise ValueError(f"{type(network).__name__} {problem} {len(names)} weights, the first '{min(names)}'")
    for name, shape in expected.items():
        if found[name] != shape:
            raise ValueError(f"'{name}' of {type(network).__name__} is {found[name]}, expected {shape}")
    network.load_state_dict(tensors, assign=True)


def _misshapen(file: Path, like: str | None, error: Exception) -> ModelError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    reason = f"it lacks {reason}" if isinstance(error, KeyError) else reason
    if like:
        return ModelError(
            f"'{file}' does not have the shape of '{like}' ({reason}); name a model of its shape with `--like`."
        )
    return ModelError(
        f"'{file}' does not have the shape of a Stable-Diffusion-1 model ({reason}); get it again, or convert it "
        f"with `retouch models convert {file} OUT --like MODEL`, where MODEL has its shape."
    )


def _check_vocabulary(checkpoint: Checkpoint) -> None:
    pieces, known = len(checkpoint.tokenizer), checkpoint.text_encoder.config.vocab_size
    if pieces != known:
        raise ModelError(
            f"The tokenizer found for '{checkpoint.source}' has {pieces} pieces, but its text encoder knows {known}; "
            "name the folder of its own tokenizer with `--tokenizer`."
        )
