"""How different the results of several seeds are, against how well each does what was asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from retouch.core.errors import DataError
from retouch.metrics.metric import Metric, Sample

FEWEST = 4
"""Seeds that a spread needs."""


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """Of one edit under several seeds: the mean over pairs of their distance, and the mean fidelity.

    Variety without fidelity is noise, so neither is read without the other.
    """

    seeds: int
    diversity: float
    fidelity: float
    protocols: tuple[str, str]


def diversity(samples: Sequence[Sample], *, distance: Metric, fidelity: Metric) -> Diversity:
    """Measure one edit's results, a sample a seed, all of the same edit.

    Args:
        distance: a metric against the target that is better when lower, such as "perceptual" or "lpips"; of each pair
            one result is taken for the target of the other.
        fidelity: how well a result does what was asked, such as "clip-directional".

    Raises:
        DataError: there are fewer than `FEWEST` seeds, or a sample lacks what a metric needs.
    """
    if len(samples) < FEWEST:
        raise DataError(f"Diversity needs the results of {FEWEST} seeds or more; {len(samples)} came.")
    if distance.better != "lower" or "target" not in distance.needs:
        raise DataError(
            f"'{distance.name}' is no distance of two pictures; give a metric to the target that is better when lower, "
            "such as 'perceptual'."
        )
    pairs = [replace(one, target=other.output) for one, other in combinations(samples, 2)]
    return Diversity(
        seeds=len(samples),
        diversity=float(distance.measure(pairs).mean()),
        fidelity=float(fidelity.measure(samples).mean()),
        protocols=(distance.protocol, fidelity.protocol),
    )
