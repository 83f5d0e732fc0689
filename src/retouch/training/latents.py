"""Latents of captioned pictures: what the trainings of text-to-image and of its controls read at every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from retouch.conditioning.text import token_ids
from retouch.core.errors import DataError
from retouch.models.checkpoint import Checkpoint
from retouch.training.cache import Preparation, posteriors_of
from retouch.training.captioned import CaptionedPairs, captioned_pairs, held_back
from retouch.training.pictures import Fitted, Sizes, picture_size
from retouch.training.posteriors import Joined, Posteriors


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionedLatents:
    """The VAE posteriors of different pictures, each with all captions it has in the records."""

    posteriors: Posteriors
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.captions)

    def drawn(self, picked: Tensor, side: Tensor, generator: torch.Generator) -> Tensor:
        """Samples of the posteriors of pictures and their sides, (B,) each; (B, 4, h, w) float32, unscaled."""
        mean, spread = self.posteriors.of(picked, side)
        return mean + spread * torch.randn(mean.shape, generator=generator)

    def modes(self, picked: Tensor) -> Tensor:
        """The modes of pictures' posteriors, (B, 4, h, w) float32, unscaled."""
        return self.posteriors.of(picked, torch.zeros_like(picked))[0]


def read_folders(
    data: Sequence[Path], held_out: Sequence[Path], *, every: int
) -> tuple[list[CaptionedPairs[bytes]], list[CaptionedPairs[bytes]]]:
    """Read the pairs to train on and those to measure on, folder by folder.

    Without folders to measure on, the pairs of every `every`-th source picture are held back. Raises
    DataError where a folder has no pair with captions, or too few to hold some back.
    """
    read = [captioned_pairs([folder], split="train", keep=bytes) for folder in data]
    if held_out:
        return read, [captioned_pairs([folder], split="validation", keep=bytes) for folder in held_out]
    parts = [held_back(pairs, every=every) for pairs in read]
    return [part[0] for part in parts], [part[1] for part in parts]


def captioned_latents(preparation: Preparation, folders: Sequence[CaptionedPairs[bytes]]) -> CaptionedLatents:
    """Encode the pictures that the pairs of some folders show, or read what was encoded before.

    A folder's pictures are encoded in the order in which `pair_tables` encodes them, so that both share a cache.
    Raises DataError where pictures come to the model at different sizes.
    """
    _check_sizes(folders, preparation.sizes)
    done, total = 0, sum(len(shown(pairs)) for pairs in folders)
    parts: list[Posteriors] = []
    captions: list[tuple[str, ...]] = []
    for pairs in folders:
        used = shown(pairs)
        pictures = [_fitted(pairs.pictures[place], preparation.sizes) for place in used]
        parts.append(posteriors_of(preparation, pictures, done=done, total=total))
        captions += _captions(pairs, used)
        done += len(used)
    return CaptionedLatents(posteriors=Joined(parts=parts), captions=tuple(captions))


def shown(pairs: CaptionedPairs[bytes]) -> list[int]:
    """The pictures that pairs show, in the order in which `captioned_latents` keeps them."""
    return sorted(set(pairs.sides.flatten().tolist()))


def _fitted(picture: bytes, sizes: Sizes) -> Fitted:
    return Fitted.of(picture, sizes.fit(picture_size(picture)))


def _check_sizes(folders: Sequence[CaptionedPairs[bytes]], sizes: Sizes) -> None:
    found = {sizes.of(picture_size(picture)) for pairs in folders for picture in pairs.pictures}
    if len(found) > 1:
        named = " and ".join(f"{width} x {height}" for width, height in sorted(found)[:2])
        raise DataError(f"The data shows pictures of {named} pixels; make them, or name folders, of one size.")


def _captions(pairs: CaptionedPairs[bytes], used: Sequence[int]) -> list[tuple[str, ...]]:
    found: dict[int, dict[str, None]] = {picture: {} for picture in used}
    for sides, captions in zip(pairs.sides.tolist(), pairs.captions, strict=True):
        for picture, caption in zip(sides, captions, strict=True):
            found[picture][caption] = None
    return [tuple(found[picture]) for picture in used]


class CaptionTokens:
    """Token ids of all captions of all pictures, one of which is drawn when a picture is trained on."""

    def __init__(self, checkpoint: Checkpoint, captions: Sequence[Sequence[str]]) -> None:
        counts = torch.tensor([len(own) for own in captions])
        self._counts, self._starts = counts, counts.cumsum(0) - counts
        self._ids = token_ids(checkpoint, [caption for own in captions for caption in own])

    def first(self, picked: Tensor) -> Tensor:
        """(B, L) ids of each picture's first caption."""
        return self._ids[self._starts[picked]]

    def drawn(self, picked: Tensor, generator: torch.Generator) -> Tensor:
        """(B, L) ids of one caption of each picture, all equally likely."""
        draw = torch.rand(len(picked), generator=generator)
        return self._ids[self._starts[picked] + (draw * self._counts[picked]).long()]


def drawn_captions(
    tokens: CaptionTokens, mirrored: CaptionTokens, picked: Tensor, side: Tensor, generator: torch.Generator
) -> Tensor:
    """(B, L) ids of a caption drawn for each picture, in its mirrored form where `side`, (B,), is 1."""
    state = generator.get_state()
    plain = tokens.drawn(picked, generator)
    generator.set_state(state)
    return torch.where(side[:, None] == 1, mirrored.drawn(picked, generator), plain)
