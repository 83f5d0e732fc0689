"""How different the results of several seeds are, by any distance of two pictures."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from retouch.core.errors import DataError
from retouch.metrics.metric import Metric, Sample

FEWEST = 4
"""Seeds that a spread needs."""


def diversity(samples: Sequence[Sample], distance: Metric) -> float:
    """The mean distance over all pairs of one edit's results, a sample a seed.

    Variety without fidelity is noise, so it is to be read beside a measure of that.

    Args:
        distance: see `check_distance`; of each pair one result is taken for the target of the other.

    Raises:
        DataError: there are fewer than `FEWEST` seeds, a sample lacks what the metric needs, or it is no distance.
    """
    if len(samples) < FEWEST:
        raise DataError(f"Diversity needs the results of {FEWEST} seeds or more; {len(samples)} came.")
    check_distance(distance)
    pairs = [replace(one, target=other.output) for one, other in combinations(samples, 2)]
    return float(distance.measure(pairs).mean())


def check_distance(metric: Metric) -> None:
    """Raises DataError where a metric is no distance of two pictures: better when lower, to a target, masked or not."""
    if metric.better != "lower" or metric.needs - {"mask"} != {"target"}:
        raise DataError(
            f"'{metric.name}' is no distance of two pictures; give a metric to the target that is better when lower, "
            "such as 'perceptual-inside'."
        )
