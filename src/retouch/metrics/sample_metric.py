"""One class for all metrics of single edits: it checks what came and what goes out, a function does the measuring."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import DataError
from retouch.metrics.metric import Mask, Metric, Part, Picture, Sample

Where = Literal["whole", "outside", "inside"]
"""Which pixels count: all, those that the edit may not change, or those that it may."""
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleMetric:
    """A `Metric` made of a function.

    score: what measures a batch that has been checked, (B,).
    where: which pixels count; a sample without any such pixel is refused.
    least_side: how many pixels a side needs.
    """

    name: str
    protocol: str
    better: Literal["higher", "lower"]
    needs: frozenset[Part]
    score: Callable[[Sequence[Sample]], Values]
    where: Where = "whole"
    least_side: int = 1

    def objection(self, sample: Sample) -> str | None:
        """Why this metric has no value for a sample, as the end of a sentence; None where it has one."""
        return lacking(sample, self.needs) or self._too_little(sample)

    def measure(self, samples: Sequence[Sample]) -> Values:
        """See `Metric.measure`.

        Raises:
            DataError: a sample lacks what is needed, its pictures are not of one size, or a value is no number.
        """
        refuse(self.name, map(self.objection, samples))
        if not samples:
            return np.zeros(0)
        return checked_values(self.score(samples), self.name)

    def _too_little(self, sample: Sample) -> str | None:
        if min(sample.output.shape[:2]) < self.least_side:
            height, width = sample.output.shape[:2]
            return f"is of {width} x {height} pixels, expected {self.least_side} or more a side"
        if self.where != "whole" and sample.mask is not None:
            counted = sample.mask if self.where == "inside" else ~sample.mask
            if not counted.any():
                return f"has no pixel {self.where} its mask; leave it out"
        return None


def compares_with_source(metric: Metric) -> bool:
    """Whether a metric compares the output with its source alone, whole or outside the mask: says what was kept."""
    inside = isinstance(metric, SampleMetric) and metric.where == "inside"
    return metric.needs - {"mask"} == {"source"} and not inside


def applies(metric: object, sample: Sample) -> bool:
    """Whether a metric of the registry has a value for this sample; another metric is taken to have one."""
    return not isinstance(metric, SampleMetric) or metric.objection(sample) is None


def refuse(name: str, objections: Iterable[str | None]) -> None:
    """Raises DataError for the first objection to a batch."""
    for place, objection in enumerate(objections):
        if objection is not None:
            raise DataError(f"The metric '{name}' cannot measure edit {place + 1}: it {objection}.")


def lacking(sample: Sample, needs: frozenset[Part]) -> str | None:
    """What a sample lacks, or has in another shape, as the end of a sentence; None where all is well."""
    for part in sorted(needs):
        if _is_missing(getattr(sample, part)):
            return f"has no {part.replace('_', ' ')}; give one or leave the metric out"
    return _ill_shaped(sample, needs)


def checked_values(values: Values, name: str) -> Values:
    """Values (B,) as float64. Raises DataError where one is not finite, as a broken encoder's are."""
    values = np.asarray(values, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise DataError(
            f"The metric '{name}' gave {values[wrong[0]]} for edit {wrong[0] + 1}, expected a finite number; the "
            "weights of its network may be broken, restore them."
        )
    return values


def pictures(samples: Sequence[Sample], part: Literal["output", "source", "target", "reference"]) -> list[Picture]:
    """One of the pictures of each sample, all of which have it."""
    return [present(getattr(sample, part)) for sample in samples]


def present(picture: Picture | None) -> Picture:
    """What `SampleMetric` has already found to be there."""
    if picture is None:
        raise DataError("A picture is missing; ask the metric's 'needs' first.")
    return picture


def _is_missing(part: object) -> bool:
    return part is None or (isinstance(part, str) and not part.strip())


def _ill_shaped(sample: Sample, needs: frozenset[Part]) -> str | None:
    """Pictures are (H, W, 3) uint8 of one size, but for the reference, which is of any."""
    compared: dict[str, Picture | Mask | None] = {"output": sample.output}
    compared |= {part: getattr(sample, part) for part in ("source", "target") if part in needs}
    references = {"reference": sample.reference} if "reference" in needs else {}
    for part, picture in (compared | references).items():
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            return f"has as its {part} {_described(picture)}, expected pixels (H, W, 3) of uint8"
        if 0 in picture.shape:
            return f"has an empty {part}, expected at least one pixel"
    size = sample.output.shape[:2]
    if "mask" in needs and sample.mask is not None:
        if sample.mask.dtype != np.bool_ or sample.mask.ndim != 2:
            return f"has as its mask {_described(sample.mask)}, expected (H, W) of bool"
        compared["mask"] = sample.mask
    for part, picture in compared.items():
        if picture is not None and picture.shape[:2] != size:
            sizes = " and ".join(f"{width} x {height}" for height, width in (size, picture.shape[:2]))
            return f"has an output and a {part} of different sizes ({sizes}); bring them to one size first"
    return None


def _described(value: object) -> str:
    return f"{value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
