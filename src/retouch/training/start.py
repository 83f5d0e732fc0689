"""What a training begins from where no checkpoint is given: random networks, a tokenizer learned from the words."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from diffusers import AutoencoderKL

from retouch.core.errors import DataError
from retouch.models.architecture import ZERO_TERMINAL_SCHEDULE, Architecture, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.spec import ConditioningSpec
from retouch.models.tokenizer import train_tokenizer
from retouch.records.shards import read_records


def fresh_checkpoint(
    architecture: Architecture,
    *,
    vae: Path,
    spec: ConditioningSpec,
    texts: Iterable[str],
    vocabulary: int,
    seed: int,
) -> Checkpoint:
    """A random checkpoint of `spec.kind` beside a trained autoencoder, its tokenizer learned from `texts`."""
    tokenizer = train_tokenizer(texts, vocabulary=vocabulary, length=architecture.text_length)
    fresh = random_checkpoint(
        architecture, tokenizer, kind=spec.kind, spec=spec, schedule=ZERO_TERMINAL_SCHEDULE, seed=seed
    )
    trained = AutoencoderKL.from_pretrained(vae, torch_dtype=fresh.unet.dtype).eval().requires_grad_(False)
    return replace(fresh, vae=trained, source="recipe")


def words_of(folders: Sequence[Path]) -> list[str]:
    """Every instruction and caption of the train split. Raises DataError where there is none."""
    words = [
        text
        for folder in folders
        for record in read_records(folder, columns=("source_caption", "target_caption"), split="train")
        for text in (record.edit_prompt, record.source_caption, record.target_caption)
    ]
    if not words:
        raise DataError("The records hold no words to learn a tokenizer from; make pairs first.")
    return words
