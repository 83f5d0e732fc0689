"""What the training of a denoiser begins with: its networks on their device, or random ones, and how pictures come."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel, CLIPTokenizer

from retouch.core.errors import DataError, ModelError
from retouch.models.architecture import ZERO_TERMINAL_SCHEDULE, Architecture, random_checkpoint
from retouch.models.checkpoint import Checkpoint, TextTower
from retouch.models.own_code import refuse_own_code
from retouch.models.quiet import quiet_libraries
from retouch.models.spec import ConditioningSpec
from retouch.models.tokenizer import train_tokenizer
from retouch.records.shards import read_columns
from retouch.training.attending import AttendByLength
from retouch.training.cache import OnPrepared, Preparation
from retouch.training.optimiser import resolved
from retouch.training.pictures import Sizes
from retouch.training.posteriors import Encoding
from retouch.training.settings import Precision

Part = TypeVar("Part", CLIPTokenizer, CLIPTextModel)

CAPTIONS = ("source_caption", "target_caption")
INSTRUCTIONS = ("edit_prompt", *CAPTIONS)


def fresh_checkpoint(
    architecture: Architecture,
    *,
    vae: Path | None,
    spec: ConditioningSpec | None,
    texts: Iterable[str],
    vocabulary: int,
    seed: int,
    text_encoder: Path | None = None,
) -> Checkpoint:
    """A random checkpoint of `spec.kind` beside a trained autoencoder, its tokenizer learned from `texts`.

    Text encoder and tokenizer are those of the folder `text_encoder` where it is given: a reader's or a CLIP
    model's. Raises ModelError where the autoencoder's folder or the spec is not given, or where that folder does
    not hold both, or not of the architecture's width.
    """
    if vae is None or spec is None:
        raise ModelError(
            "The recipe names no checkpoint to start from, and not both an autoencoder and a spec to begin anew; "
            "give a base, or vae and spec."
        )
    encoder = None
    if text_encoder is None:
        tokenizer = train_tokenizer(texts, vocabulary=vocabulary, length=architecture.text_length)
    else:
        tokenizer = _opened(CLIPTokenizer, text_encoder, "tokenizer")
        encoder = _opened(CLIPTextModel, text_encoder, "text_encoder").float()
        _check_width(encoder, architecture, text_encoder)
    fresh = random_checkpoint(
        architecture, tokenizer, kind=spec.kind, spec=spec, schedule=ZERO_TERMINAL_SCHEDULE, seed=seed
    )
    trained = AutoencoderKL.from_pretrained(vae, torch_dtype=fresh.unet.dtype).eval().requires_grad_(False)
    text = TextTower(encoder=encoder or fresh.text_encoder, tokenizer=tokenizer)
    return replace(fresh, vae=trained, text=text, source="recipe")


def _opened(part: type[Part], folder: Path, name: str) -> Part:
    """The tokenizer or the text encoder of a reader's folder, which has one for each, or of a CLIP model's."""
    found: Any = part
    place = folder / name if (folder / name).is_dir() else folder
    refuse_own_code(place, str(folder))
    try:
        with quiet_libraries():
            return found.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no {name}; train a reader or a CLIP there first, or name none.") from error


def _check_width(encoder: CLIPTextModel, architecture: Architecture, folder: Path) -> None:
    width = encoder.config.hidden_size
    if width != architecture.text_width:
        raise ModelError(
            f"The text encoder of {folder} is {width} wide, and the U-Net to be reads {architecture.text_width}; "
            "give an architecture of that text width."
        )


def on_device(checkpoint: Checkpoint, device: torch.device) -> None:
    """Bring a checkpoint's networks to `device`, the autoencoder with its channels last, which is faster.

    On a CPU the U-Net attends by plain matrix products over few tokens (see `AttendByLength`).
    """
    for module in checkpoint.modules.values():
        module.to(device)
    if device.type == "cpu":
        processor: Any = AttendByLength()
        checkpoint.unet.set_attn_processor(processor)
    vae: Any = checkpoint.vae
    vae.to(memory_format=torch.channels_last)


def preparation_of(
    checkpoint: Checkpoint,
    *,
    cache: Path | None,
    mirrored: bool,
    precision: Precision,
    on_prepared: OnPrepared,
    size: int | None = None,
) -> Preparation:
    """How pictures become latents for a checkpoint, at its own sizes or with a longest side of `size` pixels."""
    spec = checkpoint.spec
    return Preparation(
        vae=checkpoint.vae,
        cache=cache,
        encoding=Encoding(mirrored=mirrored, precision=resolved(precision, checkpoint.device)),
        sizes=Sizes(native=size or spec.native_size, multiple=spec.size_multiple),
        on_progress=on_prepared,
    )


def words_of(folders: Sequence[Path], columns: Sequence[str]) -> list[str]:
    """Every text of some columns of the train split. Raises DataError where there is none."""
    rows = (row for folder in folders for row in read_columns(folder, columns, split="train"))
    words = [str(row[name]) for row in rows for name in columns]
    if not words:
        raise DataError("The records hold no words to learn a tokenizer from; make pairs first.")
    return words
