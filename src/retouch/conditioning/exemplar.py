"""Filling a region by example: the channels of a hole, the tokens of a reference, and the branches they make."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional

from retouch.conditioning.image import encode_source
from retouch.core.errors import SettingsError
from retouch.core.reference import Reference
from retouch.diffusion.guidance import DETAIL, NONE, REFERENCE
from retouch.diffusion.predictor import Branch
from retouch.models.checkpoint import Checkpoint
from retouch.models.exemplar import Exemplar
from retouch.models.image_encoder import Features


@torch.no_grad()
def hole_channels(
    checkpoint: Checkpoint, pixels: Tensor, holes: Tensor, generators: Sequence[Generator] | None = None
) -> Tensor:
    """What stands beside the noisy latents, (B, 5, h, w): the masked picture's latents and the mask.

    Both in the order and meaning that the checkpoint's spec says. Of the picture, what lies in the hole is grey.

    Args:
        checkpoint: of kind `inpaint`.
        pixels: (B, 3, H, W) from −1 to 1.
        holes: (B, 1, H, W) from 0 to 1; what is at least half inside is the hole.
        generators: one a picture, needed where the condition is a sample.

    Raises:
        ModelError: the checkpoint wants a sample and no generators were given.
    """
    keep = (holes < 0.5).to(pixels)
    masked = encode_source(checkpoint, pixels * keep, generators)
    return joined_channels(checkpoint, masked, keep.to(masked))


def joined_channels(checkpoint: Checkpoint, masked: Tensor, keep: Tensor) -> Tensor:
    """(B, 5, h, w) from latents of the masked picture, (B, 4, h, w) as `encode_source` has them, and (B, 1, H, W),
    1 where it stays."""
    spec = checkpoint.spec
    mask = keep if spec.mask_meaning == "white-is-kept" else 1 - keep
    cells = functional.interpolate(mask, size=masked.shape[-2:], mode="nearest")
    parts = {"masked-image": masked, "mask": cells}
    return torch.cat([parts[name] for name in spec.channel_order if name != "latents"], dim=1)


def reference_tokens(exemplar: Exemplar, features: Features) -> Tensor:
    """The token of each reference as a whole, (R, 1, C)."""
    return exemplar.mapper(features.pooled)


def detail_tokens(exemplar: Exemplar, features: Features) -> Tensor | None:
    """The tokens of each reference's details, (R, T, C); None where the model reads none."""
    return None if exemplar.detail is None else exemplar.detail(features.last[:, 1:])


@torch.no_grad()
def exemplar_branches(exemplar: Exemplar, channels: Tensor, references: Sequence[Reference]) -> dict[str, Branch]:
    """The branches `none`, `reference` and `detail` for B holes that are filled with one object.

    Several references are views of that object: their tokens count by weight, in no order. Where the model reads no
    details, `detail` is the very branch `reference`.

    Args:
        exemplar: the model.
        channels: (B, 5, h, w), from `hole_channels`.
        references: at least one whose weight is not 0.

    Raises:
        SettingsError: no reference counts.
    """
    counted = sorted((each for each in references if each.weight > 0), key=lambda each: (each.sha256, each.name))
    if not counted:
        raise SettingsError("No reference counts; give at least one picture of the object with a weight above 0.")
    encoder = exemplar.encoder
    features = encoder(torch.stack([encoder.framed(each.squared()) for each in counted]))
    weights = torch.tensor([each.weight for each in counted], device=features.pooled.device).view(-1, 1, 1)
    weights = (weights / weights.sum()).to(features.pooled.dtype)
    whole = (reference_tokens(exemplar, features) * weights).sum(dim=0, keepdim=True)
    details = detail_tokens(exemplar, features)
    tokens = whole if details is None else torch.cat([whole, details.flatten(0, 1)[None]], dim=1)
    length, count = tokens.shape[1], len(channels)
    # A token said several times is attended to as one is, so that all branches have contexts of one length.
    none = Branch(channels=channels, context=exemplar.mapper.uncond_vector.expand(count, length, -1))
    reference = Branch(channels=channels, context=whole.expand(count, length, -1))
    if details is None:
        return {NONE: none, REFERENCE: reference, DETAIL: reference}
    return {NONE: none, REFERENCE: reference, DETAIL: Branch(channels=channels, context=tokens.expand(count, -1, -1))}
