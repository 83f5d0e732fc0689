"""Editing and generating beside pictures: references to what an IP-Adapter's layers read, and branches that hold it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.core.errors import SettingsError
from retouch.core.fit import Fit
from retouch.core.reference import Reference
from retouch.diffusion.blending import latent_mask
from retouch.diffusion.guidance import BOTH, TEXT
from retouch.diffusion.predictor import Branch
from retouch.models.ip_adapter import ImagePrompt, IPAdapter

MAXIMUM_SCALE = 2.0


@torch.no_grad()
def image_prompt(
    adapter: IPAdapter,
    references: Sequence[Sequence[Reference]],
    *,
    scale: float = 1.0,
    fits: Sequence[Fit] = (),
    factor: int = 8,
) -> ImagePrompt:
    """What an adapter reads of the references of B samples, which may be of different number.

    Args:
        adapter: with its image encoder.
        references: for each sample one or more; each counts by its weight, within its region.
        scale: how much the pictures count beside the text, 0 to 2.
        fits: how each sample's picture was brought to the model's size; needed where a reference has a region.
        factor: pixels of a latent cell's side.

    Raises:
        SettingsError: a sample has no reference, a region comes without its fit, or the scale is out of range.
        ImageError: a region is not of its picture's size.
        ModelError: the adapter came without an encoder.
    """
    _check(references, scale)
    most = max(map(len, references))
    squares = [adapter.reader().framed(each.squared()) for own in references for each in own]
    found = iter(adapter.project(adapter.embed(torch.stack(squares))))
    null = adapter.project(adapter.null_embedding())[0]
    tokens = [[next(found) for _ in own] + [null] * (most - len(own)) for own in references]
    return ImagePrompt(
        adapter=adapter,
        tokens=torch.stack([torch.cat(own) for own in tokens]),
        strength=_strengths(references, fits, factor),
        scale=scale,
    )


@torch.no_grad()
def embedded_prompt(
    adapter: IPAdapter, embeddings: Tensor, *, strength: Tensor | None = None, scale: float = 1.0
) -> ImagePrompt:
    """What an adapter reads of references whose embeddings were computed before.

    Args:
        adapter: with its image encoder or, for base adapters, without.
        embeddings: of the references alone, sample by sample: (B, R, P) for base adapters, `image_embeds` of CLIP,
            (B, R, 1 + patches, D) for plus adapters, `hidden_states[-2]`. There are no embeddings of "no picture"
            among them: the adapter knows them, and each branch gets its own, in whatever order branches are computed.
        strength: how much each counts, and where; see `ImagePrompt`.
        scale: how much the pictures count beside the text, 0 to 2.

    Raises:
        SettingsError: the scale is out of range.
        ModelError: the embeddings are of another shape.
    """
    _check_scale(scale)
    count, several = embeddings.shape[:2]
    tokens = adapter.project(embeddings.flatten(0, 1)).unflatten(0, (count, several)).flatten(1, 2)
    return ImagePrompt(
        adapter=adapter,
        tokens=tokens,
        strength=torch.ones(1, several, 1, 1) if strength is None else strength,
        scale=scale,
    )


def ip_adapter_branches(
    branches: Mapping[str, Branch], prompts: Sequence[ImagePrompt], *, into: Sequence[str] = (BOTH, TEXT)
) -> dict[str, Branch]:
    """The branches of any technique, those of the names `into` with the tokens of each prompt beside their text.

    The others read what stands for "no picture". A branch that had two names is two where one of them is of `into`;
    without prompts all stay as they are.
    The U-Net reads the tokens while `attention.image_tokens.ImageTokens` of the same prompts is over it.

    Raises:
        SettingsError: none of the branches is of `into`.
    """
    if not prompts:
        return dict(branches)
    if not any(name in into for name in branches):
        raise SettingsError(
            f"None of the branches {', '.join(branches)} is one that reads pictures ({', '.join(into)}); name one."
        )
    tokens = tuple(prompt.tokens for prompt in prompts)
    made: dict[int, Branch] = {}
    for name, branch in branches.items():
        if name in into and id(branch) not in made:
            made[id(branch)] = replace(branch, image_tokens=tokens)
    return {name: made[id(branch)] if name in into else branch for name, branch in branches.items()}


def _strengths(references: Sequence[Sequence[Reference]], fits: Sequence[Fit], factor: int) -> Tensor:
    """(B, R, h, w), or (B, R, 1, 1) where no reference has a region."""
    most = max(map(len, references))
    weights = torch.zeros(len(references), most, 1, 1)
    for row, own in enumerate(references):
        weights[row, : len(own), 0, 0] = torch.tensor([each.weight for each in own])
    if all(each.region is None for own in references for each in own):
        return weights
    if len(fits) != len(references):
        raise SettingsError(
            f"References have regions in {len(references)} pictures, and {len(fits)} say how they were fitted; give a "
            "fit for each."
        )
    width, height = fits[0].model_size
    places = torch.ones(len(references), most, height // factor, width // factor)
    for row, own in enumerate(references):
        for column, each in enumerate(own):
            if each.region is not None:
                each.region.check_size(fits[row].source_size)
                places[row, column] = _cells(fits[row].apply(each.region.mask), factor)
    return weights * places


def _cells(mask: Image.Image, factor: int) -> Tensor:
    """(h, w), the share of each latent cell."""
    levels = torch.from_numpy(np.asarray(mask, dtype=np.float32) / 255)
    return latent_mask(levels[None, None], factor)[0, 0]


def _check(references: Sequence[Sequence[Reference]], scale: float) -> None:
    _check_scale(scale)
    if not references or not all(references):
        raise SettingsError("A sample has no reference; give each at least one picture of an object.")


def _check_scale(scale: float) -> None:
    if not 0 <= scale <= MAXIMUM_SCALE:
        raise SettingsError(f"The scale of the IP-Adapter is {scale}; give a number from 0 to {MAXIMUM_SCALE:g}.")
