"""Regions proposed for an object from its pictures alone: where it may go, as edits take regions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.core.errors import NotFoundError, SettingsError
from retouch.core.fit import Fit
from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.core.seeds import derive_seed
from retouch.editing.protocol import RegionFinder
from retouch.grounding.shapes import dilated
from retouch.models.placement import PlacementModel
from retouch.models.proposals import MAXIMUM_PROPOSALS, Proposal, proposals
from retouch.models.segmenter_network import COARSE


@dataclass(frozen=True, kw_only=True, eq=False)
class ProposedRegion:
    """A place for an object, and how likely its middle is there or close by, 0…1."""

    region: Region
    likelihood: float


def proposed_regions(
    model: PlacementModel,
    picture: Image.Image,
    references: Sequence[Reference],
    *,
    count: int = 1,
    seed: int = 0,
    margin: bool = True,
) -> list[ProposedRegion]:
    """At most `count` places in a picture for one object, of which `references` are views.

    The first is the likeliest, whatever the seed; the others are drawn by it and overlap little. With `margin` each
    is dilated as regions found by words are.

    Raises:
        NotFoundError: nothing in the picture stands out as a place for it.
        SettingsError: the count is not 1…32, or no reference has any weight.
    """
    if isinstance(count, bool) or not 1 <= count <= MAXIMUM_PROPOSALS:
        raise SettingsError(f"{count!r} places were asked for; expected 1 to {MAXIMUM_PROPOSALS}.")
    places = model.places(picture, references)
    fit = model.fit(picture.size)
    wide, high = fit.model_size
    generator = torch.Generator().manual_seed(derive_seed(seed, "places"))
    found = proposals(places.on_cpu(), (high, wide), count=count, generator=generator, inner=_inner(fit))
    if not found or found[0].likelihood < model.least:
        surest = found[0].likelihood if found else 0.0
        raise NotFoundError(
            f"No place in the picture stands out for '{references[0].name}': the likeliest has {surest:.2f}, of the "
            f"{model.least:.2f} that a place must have; say where it goes by --region."
        )
    return [_proposed(proposal, fit, model.source, margin=margin) for proposal in found]


def region_by_placement(
    model: PlacementModel, references: Sequence[Reference], *, number: int = 0, seed: int = 0
) -> RegionFinder:
    """What looks for a place for an object in the picture that an edit is applied to; see `proposed_regions`.

    `number` says which of the places drawn by the seed is taken, 0 being the likeliest whatever the seed; where the
    picture has fewer places it is the last. Raises SettingsError for a number that is not 0…31.
    """
    if isinstance(number, bool) or not 0 <= number < MAXIMUM_PROPOSALS:
        raise SettingsError(f"The place's number is {number!r}; expected 0 to {MAXIMUM_PROPOSALS - 1}.")

    def find(picture: Image.Image, _: str) -> Region:
        return proposed_regions(model, picture, references, count=number + 1, seed=seed)[-1].region

    return find


def _inner(fit: Fit) -> Tensor:
    """The cells whose middle shows the picture and no reflected margin, (h, w) bool."""
    left, top, width, height = fit.inner
    wide, high = fit.model_size
    across, down = (torch.arange(size // COARSE) * COARSE + COARSE / 2 for size in (wide, high))
    rows, columns = (down >= top) & (down < top + height), (across >= left) & (across < left + width)
    return rows[:, None] & columns[None, :]


def _proposed(proposal: Proposal, fit: Fit, source: str, *, margin: bool) -> ProposedRegion:
    levels = Image.fromarray((255 * proposal.mask.numpy()).round().astype(np.uint8))
    shape = np.asarray(fit.invert(levels)) >= 128
    mask = Image.fromarray(np.uint8(255) * (dilated(shape) if margin else shape))
    region = Region(mask=mask, origin=f"placement ({source}, {proposal.likelihood:.2f})")
    return ProposedRegion(region=region, likelihood=proposal.likelihood)
