"""How sure a share of wins is, and how far raters agree beyond chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_NORMAL = 1.959963984540054
"""Of the standard normal distribution, what 95% lie within."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of `count` and the ends of its 95% interval; None of nothing."""

    value: float | None
    low: float
    high: float
    count: int


def wilson(successes: int, count: int) -> Share:
    """The share `successes / count` with Wilson's score interval (1927); from 0 to 1 where nothing was counted."""
    if count == 0:
        return Share(value=None, low=0.0, high=1.0, count=0)
    share, square = successes / count, _NORMAL**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _NORMAL / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return Share(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half), count=count)


def sign_test(wins: int, losses: int) -> float:
    """The two-sided probability of a split at least as uneven where either side is as likely; ties are left out."""
    count, more = wins + losses, max(wins, losses)
    ways = sum(math.comb(count, each) for each in range(more, count + 1))
    return min(1.0, 2 * ways / 2**count)


def cohen_kappa(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Agreement of two raters on the same things beyond chance (Cohen 1960).

    None where there is nothing, or where both always say the same one thing, which chance would do too.
    """
    count = len(one)
    if count == 0:
        return None
    observed = sum(mine == yours for mine, yours in zip(one, other, strict=True)) / count
    said = set(one) | set(other)
    chance = sum(one.count(each) * other.count(each) for each in said) / count**2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def fleiss_kappa(items: Sequence[Sequence[str]]) -> float | None:
    """Agreement of any raters beyond chance (Fleiss 1971), an entry for each thing: what its raters said.

    Things of fewer than two raters are left out; where their numbers differ, each thing counts once in the observed
    agreement and each vote once in what chance gives. None where nothing is left or only one answer was ever given.
    """
    rated = [item for item in items if len(item) > 1]
    if not rated:
        return None
    votes = [said for item in rated for said in item]
    chance = sum((votes.count(said) / len(votes)) ** 2 for said in set(votes))
    observed = sum(_agreement(item) for item in rated) / len(rated)
    return None if chance == 1 else (observed - chance) / (1 - chance)


def _agreement(item: Sequence[str]) -> float:
    count = len(item)
    return sum(item.count(said) * (item.count(said) - 1) for said in set(item)) / (count * (count - 1))
