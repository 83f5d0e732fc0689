"""Load a checkpoint: every component from safetensors, complete, in evaluation mode, on its device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError
from transformers import CLIPTextModel

from retouch.core.errors import ModelError
from retouch.core.lora import Lora
from retouch.models.adapter import adapter_kind, is_adapter, read_adapter
from retouch.models.checkpoint import Checkpoint, TextTower, kind_of
from retouch.models.lora import fuse_loras
from retouch.models.original import read_original
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import check_components, check_weights, find_model, read_scheduler
from retouch.models.spec import read_spec
from retouch.models.vocabulary import read_tokenizer

# What the libraries raise for damaged or mismatched files; a full disk or memory error passes through.
_LOAD_ERRORS = (SafetensorError, ValueError, RuntimeError, KeyError, TypeError, EOFError)

Network = TypeVar("Network", UNet2DConditionModel, AutoencoderKL, CLIPTextModel)


def load(
    source: str | Path,
    *,
    revision: str | None = None,
    variant: str | None = None,
    tokenizer: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> Checkpoint:
    """Load the model that `source` names.

    Args:
        source: `pocket`, `pocket/MEMBER`, a folder in diffusers layout, a hub id `OWNER/NAME`, or a .safetensors
            file with a whole model under the names of the original Stable Diffusion code (`read_original`); or a
            student in low-rank updates (`save_student`), which is loaded with the model it changes.
        revision: branch, tag or commit, for hub ids.
        variant: the variant of the weight files, such as `fp16`.
        tokenizer: for such a file, which holds none: a folder with a vocabulary, or a model that has one
            (default: see `find_tokenizer`).
        dtype: the type the weights are brought to, whatever they are stored as.
        vae_dtype: the type of the VAE's weights where it differs.
        device: where the networks go.

    Raises:
        ModelError: the model is unknown, unreachable, incomplete, pickled, damaged, of another family, or
            its weights and its spec do not belong together.
    """
    name = str(source)
    file = Path(name).expanduser()
    if file.suffix == ".safetensors" and file.is_file():
        checkpoint = read_original(file, tokenizer=tokenizer)
    elif tokenizer is None:
        options = _Options(source=name, dtype=dtype, variant=variant)
        folder = find_model(name, revision=revision, variant=variant)
        student = is_adapter(folder) and adapter_kind(folder) == "student"
        opened = _load_student if student else _load_folder
        checkpoint = opened(folder, options, vae_dtype or dtype)
    else:
        raise ModelError(f"'{name}' has a tokenizer of its own; name another with a single .safetensors file only.")
    _check_widths(checkpoint)
    with quiet_libraries():
        for part, module in checkpoint.modules.items():
            wanted = vae_dtype or dtype if part == "vae" else dtype
            module.eval().requires_grad_(False).to(device=device, dtype=wanted)
    return checkpoint


@dataclass(frozen=True, kw_only=True)
class _Options:
    source: str
    dtype: torch.dtype = torch.float32
    variant: str | None = None


def _load_folder(folder: Path, options: _Options, vae_dtype: torch.dtype) -> Checkpoint:
    name = options.source
    check_components(folder, name, variant=options.variant)
    with quiet_libraries():
        unet = _load_network(UNet2DConditionModel, folder / "unet", options)
        vae = _load_network(AutoencoderKL, folder / "vae", replace(options, dtype=vae_dtype))
        text_encoder = _load_network(CLIPTextModel, folder / "text_encoder", options)
        tokenizer = read_tokenizer(folder / "tokenizer", name)
    return Checkpoint(
        unet=unet,
        vae=vae,
        text=TextTower(encoder=text_encoder, tokenizer=tokenizer),
        scheduler_config=read_scheduler(folder, name),
        spec=read_spec(folder, kind_of(unet, name)),
        source=name,
    )


def _load_student(folder: Path, options: _Options, vae_dtype: torch.dtype) -> Checkpoint:
    """The model that a student changes, with the changes added to its weights, and the student's own spec."""
    student = read_adapter(options.source, kind="student")
    base = load(student.facts.base, dtype=options.dtype, vae_dtype=vae_dtype)
    fuse_loras(base, [Lora(source=str(student.path))])
    return replace(base, spec=read_spec(folder, base.kind), source=options.source)


def load_unet(folder: Path, source: str) -> UNet2DConditionModel:
    """The U-Net in a model's folder, float32 on the CPU; raises ModelError where it is missing, pickled or damaged."""
    check_weights(folder / "unet", source)
    return _load_network(
        UNet2DConditionModel, folder / "unet", _Options(source=source, dtype=torch.float32, variant=None)
    )


def load_vae(folder: Path, source: str) -> AutoencoderKL:
    """The VAE in a model's folder, float32 on the CPU; raises ModelError where it is missing, pickled or damaged."""
    check_weights(folder / "vae", source)
    return _load_network(AutoencoderKL, folder / "vae", _Options(source=source))


def _load_network(network: type[Network], folder: Path, options: _Options) -> Network:
    try:
        loaded: Any = network.from_pretrained(
            folder,
            dtype=options.dtype,
            variant=options.variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (*_LOAD_ERRORS, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"The {folder.name} of '{options.source}' cannot be loaded ({reason}); restore it from the original model."
        ) from error
    module, report = loaded
    _check_report(report, folder.name, options.source)
    return module


def _check_report(report: Mapping[str, object], component: str, source: str) -> None:
    for problem in ("missing_keys", "mismatched_keys"):
        keys = sorted(str(key) for key in report.get(problem) or ())  # pyright: ignore[reportGeneralTypeIssues]
        if keys:
            word = problem.removesuffix("_keys")
            raise ModelError(
                f"The weights of the {component} of '{source}' do not fit its config.json "
                f"({len(keys)} {word}, the first '{keys[0]}'); restore both from the original model."
            )


def _check_widths(checkpoint: Checkpoint) -> None:
    """The components must have been made for each other."""
    text, cross = checkpoint.text_encoder.config.hidden_size, checkpoint.unet.config["cross_attention_dim"]
    if text != cross:
        raise ModelError(
            f"The text encoder of '{checkpoint.source}' writes {text} features, but its U-Net reads {cross}; "
            "the components do not belong together."
        )
    words, known = len(checkpoint.tokenizer), checkpoint.text_encoder.config.vocab_size
    if words > known:
        raise ModelError(
            f"The tokenizer of '{checkpoint.source}' has {words} pieces, but its text encoder knows {known}; "
            "the components do not belong together."
        )
    latent, out = checkpoint.latent_channels, checkpoint.unet.config["out_channels"]
    if latent != out:
        raise ModelError(
            f"The VAE of '{checkpoint.source}' has {latent} latent channels, but its U-Net writes {out}; "
            "the components do not belong together."
        )
