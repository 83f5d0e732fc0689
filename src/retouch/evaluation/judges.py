"""What counts as a success, by kind of edit: one small judge each, with the bar it is held to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retouch.metrics.clip import Encoder
from retouch.metrics.colour import mean_colour_difference, pixel_difference
from retouch.metrics.fidelity import nearer_to, psnr
from retouch.metrics.material import MaterialJudge
from retouch.metrics.region_clip import region_likeness

_VISIBLE = 8.0
"""Mean ΔE2000 of a region that changed: above what a round trip through an autoencoder does, below any addition."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One edit to judge: all pictures (H, W, 3) uint8; masks (H, W) bool, maybe empty.

    `round_trip` is the source through the model's autoencoder and back.
    """

    kind: str
    params: Mapping[str, object]
    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    output: NDArray[np.uint8]
    round_trip: NDArray[np.uint8]
    changed: NDArray[np.bool_]
    object_mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the edit succeeded, and the figure it was judged by."""

    success: bool
    figure: float


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How one kind of edit is judged: `measure` in words, and the share of successes aimed at."""

    measure: str
    goal: float | None
    judge: Callable[[Case], Verdict]


def judges(materials: MaterialJudge | None, encoder: Encoder | None = None) -> dict[str, Judge]:
    """Return the judges by kind of edit; what has no judge or encoder of its own is judged as removals are."""
    table = {
        "recolour": Judge(measure="ΔE2000 of mean colour in the object < 12", goal=0.80, judge=_colour(12)),
        "remove": replace(_NEARER, goal=0.80),
        "add": _NEARER,
        "replace": _NEARER,
        "walls": Judge(measure="ΔE2000 of mean colour in the walls < 12", goal=None, judge=_colour(12)),
        "floor": Judge(measure="ΔE2000 of mean colour in the floor < 12", goal=None, judge=_colour(12)),
        "light": Judge(measure="mean ΔE2000 over all pixels < 10", goal=None, judge=_whole(10)),
        "compound": _NEARER,
        "material": _NEARER,
        "null": Judge(measure="PSNR to the source or its round trip ≥ 34 dB", goal=None, judge=_unchanged),
        "look": Judge(measure="mean ΔE2000 over all pixels < 10", goal=0.80, judge=_whole(10)),
        "garment_recolour": Judge(measure="ΔE2000 of mean colour in the mask < 14", goal=0.70, judge=_colour(14)),
        "garment_pattern": _NEARER,
    }
    if materials is not None:
        table["material"] = Judge(
            measure="the classifier names the asked material", goal=0.70, judge=_material(materials)
        )
    if encoder is not None:
        table["add"] = table["replace"] = Judge(
            measure="nearer to the target by CLIP, and the region changed", goal=0.70, judge=_seen(encoder)
        )
    return table


def psnr_outside(case: Case) -> float | None:
    """Return the PSNR in dB between output and source outside the changed region; None where nothing is outside."""
    outside = ~case.changed
    return psnr(case.output, case.source, outside) if outside.mean() > 0.02 else None


def _region(case: Case) -> NDArray[np.bool_]:
    return case.object_mask if case.object_mask.any() else case.changed


def _colour(limit: float) -> Callable[[Case], Verdict]:
    def judge(case: Case) -> Verdict:
        figure = mean_colour_difference(case.output, case.target, _region(case))
        return Verdict(success=figure < limit, figure=figure)

    return judge


def _whole(limit: float) -> Callable[[Case], Verdict]:
    def judge(case: Case) -> Verdict:
        figure = pixel_difference(case.output, case.target)
        return Verdict(success=figure < limit, figure=figure)

    return judge


def _nearer(case: Case) -> Verdict:
    return Verdict(
        success=nearer_to(case.output, case.target, case.source, case.changed),
        figure=psnr(case.output, case.target, case.changed),
    )


_NEARER = Judge(measure="nearer to the target than to the source", goal=None, judge=_nearer)


def _seen(encoder: Encoder) -> Callable[[Case], Verdict]:
    """As `_nearer`, of what CLIP sees in the region, whose pixels must have changed by more than blur does."""

    def judge(case: Case) -> Verdict:
        wanted, given, between = region_likeness(case.output, case.target, case.source, case.changed, encoder)
        changed = pixel_difference(case.output, case.source, case.changed) >= _VISIBLE
        return Verdict(success=changed and wanted > max(given, between), figure=wanted - given)

    return judge


def _unchanged(case: Case) -> Verdict:
    figure = max(psnr(case.output, case.round_trip), psnr(case.output, case.source))
    return Verdict(success=figure >= 34, figure=min(figure, 99.0))


def _material(materials: MaterialJudge) -> Callable[[Case], Verdict]:
    def judge(case: Case) -> Verdict:
        asked = str(case.params["material"])
        shares = materials.probabilities(case.output, _region(case))
        return Verdict(success=max(shares, key=lambda name: shares[name]) == asked, figure=shares[asked])

    return judge
