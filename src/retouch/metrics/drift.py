"""How far a picture drifts over edits one after another, where none of them was to touch it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from retouch.core.errors import DataError
from retouch.metrics.metric import Mask, Metric, Picture, Sample

LONGEST = 8
"""Edits in a row that are measured."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Of a chain: after each edit the value to the first picture, to the one before, and the slope of the former.

    slope: by how much the value to the first picture changes an edit, the least squares' line; 0 for a single edit.
    """

    to_first: tuple[float, ...]
    to_previous: tuple[float, ...]
    slope: float
    protocol: str


def drift(chain: Sequence[Picture], metric: Metric, *, masks: Sequence[Mask] | None = None) -> Drift:
    """Measure a chain: the picture before any edit, then that after each of 1 to 8.

    Args:
        metric: one that compares the output with its source, such as "psnr-source", "perceptual-source" or, with
            masks, "psnr-outside".
        masks: where each edit may change pixels. To the first picture all masks so far count.

    Raises:
        DataError: the chain is too short or too long, masks are not one an edit, a picture is missing or of another
            size, or every pixel has been edited.
    """
    edits = len(chain) - 1
    if not 1 <= edits <= LONGEST:
        raise DataError(
            f"A chain of {len(chain)} pictures came, expected the picture before and those after 1 to {LONGEST} edits."
        )
    if masks is not None and len(masks) != edits:
        raise DataError(f"{len(masks)} masks came for {edits} edits; give one an edit.")
    if metric.needs - {"mask"} != {"source"}:
        raise DataError(
            f"'{metric.name}' does not compare an output with its source alone; give a metric such as 'psnr-source'."
        )
    so_far = None if masks is None else list(np.logical_or.accumulate(_of_one_size(masks)))
    first = metric.measure([_sample(chain[0], after, so_far, place) for place, after in enumerate(chain[1:])])
    steps = pairwise(chain)
    previous = metric.measure([_sample(before, after, masks, place) for place, (before, after) in enumerate(steps)])
    return Drift(
        to_first=tuple(map(float, first)),
        to_previous=tuple(map(float, previous)),
        slope=float(np.polyfit(np.arange(edits), first, 1)[0]) if edits > 1 else 0.0,
        protocol=metric.protocol,
    )


def _sample(source: Picture, output: Picture, masks: Sequence[Mask] | None, place: int) -> Sample:
    return Sample(output=output, source=source, mask=None if masks is None else masks[place])


def _of_one_size(masks: Sequence[Mask]) -> Sequence[Mask]:
    if len({mask.shape for mask in masks}) > 1:
        raise DataError("The masks of the chain are of different sizes; bring them to one size first.")
    return masks
