"""How well masks found for phrases fit true ones, phrases without a target among them (GRES, arXiv 2306.00968)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from retouch.core.errors import DataError, SettingsError
from retouch.metrics.metric import Mask
from retouch.metrics.protocol import protocol_id

MaskMetricName = Literal["giou", "ciou", "no-target-accuracy", "target-accuracy"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskPair:
    """A mask found and the true one, (H, W) bool each; an empty one says that nothing is meant."""

    found: Mask
    true: Mask


@dataclass(kw_only=True, eq=False)
class MaskMetric:
    """One of four figures over masks, seen batch by batch in constant memory.

    giou: the mean of intersection over union, where a phrase without a target counts 1 if nothing was found, else 0.
    ciou: all intersections over all unions.
    no-target-accuracy: of phrases without a target, the share for which nothing was found.
    target-accuracy: of phrases with a target, the share for which something was found.

    least: pixels a found mask needs to count as something; ReLA's program asks 50.
    """

    name: MaskMetricName
    least: int = 1
    better: Literal["higher"] = "higher"
    _scores: list[float] = field(default_factory=lambda: [0.0, 0.0], init=False)

    @property
    def protocol(self) -> str:
        """See `retouch.metrics.metric.Metric.protocol`."""
        return protocol_id(
            self.name, encoder="masks", resize="native", pixels="bool", scaling=f"found-from-{self.least}-pixels"
        )

    def update(self, pairs: Sequence[MaskPair]) -> None:
        """Take a batch in. Raises DataError where masks are not bool or not of one size."""
        for place, pair in enumerate(pairs):
            _check(pair, place + 1)
        for pair in pairs:
            part, whole = self._counts(pair)
            self._scores = [self._scores[0] + part, self._scores[1] + whole]

    def value(self) -> float:
        """The figure in [0, 1]. Raises DataError where nothing came that it could be told from."""
        part, whole = self._scores
        if not whole:
            kinds = {
                "no-target-accuracy": " without a target",
                "target-accuracy": " with a target",
                "ciou": " with any",
            }
            raise DataError(f"The metric '{self.name}' needs a mask{kinds.get(self.name, '')}; none came.")
        return part / whole

    def _counts(self, pair: MaskPair) -> tuple[float, float]:
        found = pair.found if pair.found.sum() >= self.least else np.zeros_like(pair.found)
        something, meant = bool(found.any()), bool(pair.true.any())
        both, either = int((found & pair.true).sum()), int((found | pair.true).sum())
        if self.name == "giou":
            return (both / either if either else 1.0), 1
        if self.name == "ciou":
            return both, either
        if self.name == "no-target-accuracy":
            return float(not meant and not something), float(not meant)
        return float(meant and something), float(meant)


def mask_metric_names() -> tuple[MaskMetricName, ...]:
    """The metrics of masks."""
    return get_args(MaskMetricName)


def load_mask_metrics(names: Sequence[str], *, least: int = 1) -> tuple[MaskMetric, ...]:
    """The metrics of these names, new and empty. Raises SettingsError for an unknown name or `least` under 1."""
    if least < 1:
        raise SettingsError(f"A mask of {least} pixels cannot be asked for; give 1 or more.")
    known: dict[str, MaskMetricName] = {name: name for name in mask_metric_names()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(f"There is no metric of masks '{unknown[0]}'; known are {', '.join(known)}.")
    return tuple(MaskMetric(name=known[name], least=least) for name in names)


def _check(pair: MaskPair, number: int) -> None:
    for mask in (pair.found, pair.true):
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.ndim != 2:
            raise DataError(f"The masks of pair {number} are not (H, W) of bool; compare with a threshold first.")
    if pair.found.shape != pair.true.shape:
        sizes = " and ".join(f"{mask.shape[1]} x {mask.shape[0]}" for mask in (pair.found, pair.true))
        raise DataError(f"The masks of pair {number} are of different sizes ({sizes}); bring them to one size first.")
