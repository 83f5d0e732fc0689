"""How sure a figure is: bootstrap intervals over cases, paired tests, and their correction for many at once.

A case is the unit: the values of its seeds are averaged first, since two answers to one case are not two cases.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import DataError

RESAMPLES = 5_000
CONFIDENCE = 0.95
_CHUNK = 1 << 22
"""Drawn numbers held at once at the most."""

Values = NDArray[np.float64]
Test = Literal["mcnemar", "sign-flip"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over `count` cases and the interval, `low` to `high`, that a bootstrap gives it."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """How two contestants differ on the same cases.

    `difference` is the mean of the second less the first; `p` that of so large a difference, either way, where the
    two are alike; `test` says by which test.
    """

    difference: Estimate
    p: float
    test: Test


def mean_interval(
    values: Values, *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Estimate:
    """The mean of values, one a case, (N,), with its percentile bootstrap interval (Efron 1979).

    The same seed gives the same interval. Raises DataError where there is no value or one that is not finite.
    """
    given = _checked(values)
    means = np.concatenate([part.mean(axis=1) for part in _resampled(given, resamples, np.random.default_rng(seed))])
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value=float(given.mean()), low=float(low), high=float(high), count=len(given))


def paired_test(
    first: Values, second: Values, *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> PairedTest:
    """Compare two contestants' values on the same cases, (N,) each, in the same order.

    The difference's interval is a bootstrap over cases. Where all values are 0 or 1 the test is McNemar's exact one
    (1947), else the signs of the differences are flipped at random (Fisher 1935), all ways where there are few.

    Raises:
        DataError: there is no case, a value is not finite, or the numbers of cases differ.
    """
    one, other = _checked(first), _checked(second)
    if len(one) != len(other):
        raise DataError(f"There are {len(one)} values and {len(other)}; a paired test needs the same cases in both.")
    difference = other - one
    binary = bool(np.isin(one, (0, 1)).all() and np.isin(other, (0, 1)).all())
    return PairedTest(
        difference=mean_interval(difference, seed=seed, resamples=resamples, confidence=confidence),
        p=_mcnemar(difference) if binary else _sign_flip(difference, resamples, np.random.default_rng(seed)),
        test="mcnemar" if binary else "sign-flip",
    )


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values of several tests, each as it stands among all of them (Holm 1979), in the same order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return tuple(corrected)


def _checked(values: Values) -> Values:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not len(given):
        raise DataError("There is no case to take a mean over; a figure needs at least one.")
    if not np.isfinite(given).all():
        raise DataError("A value is not a finite number; leave its case out.")
    return given


def _resampled(values: Values, resamples: int, generator: np.random.Generator) -> Iterator[Values]:
    """The values drawn with replacement, (some, N) at a time, `resamples` rows in all."""
    rows = max(1, _CHUNK // len(values))
    for start in range(0, resamples, rows):
        yield values[generator.integers(0, len(values), (min(rows, resamples - start), len(values)))]


def _mcnemar(difference: Values) -> float:
    """The exact two-sided binomial test of as many gains as losses among the cases where one side alone succeeds."""
    gains, losses = int((difference > 0).sum()), int((difference < 0).sum())
    changed, fewer = gains + losses, min(gains, losses)
    ways = sum(math.exp(_log_choose(changed, count) - changed * math.log(2)) for count in range(fewer + 1))
    return min(1.0, 2 * ways)


def _log_choose(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)


def _sign_flip(difference: Values, resamples: int, generator: np.random.Generator) -> float:
    """The share of sign patterns whose sum lies as far from 0; the one observed counts among those drawn."""
    moved = difference[difference != 0]
    if not len(moved):
        return 1.0
    observed = abs(float(moved.sum()))
    least = observed - 1e-9 * float(np.abs(moved).sum())
    if 2 ** len(moved) <= resamples:
        places = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))
        return float((np.abs((1 - 2 * (places & 1)) @ moved) >= least).mean())
    rows, reached = max(1, _CHUNK // len(moved)), 0
    for start in range(0, resamples, rows):
        signs = 1 - 2 * generator.integers(0, 2, (min(rows, resamples - start), len(moved)), dtype=np.int8)
        reached += int((np.abs(signs @ moved) >= least).sum())
    return (reached + 1) / (resamples + 1)
