"""Successive halving: poor settings are dropped after few cases, good ones are put to all of them.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (2016), here with two
objectives: fronts are kept in their order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retouch.core.errors import SettingsError
from retouch.evaluation.calibration.pareto import survivors
from retouch.evaluation.calibration.values import Point, Score, Setting, mean_point

FINALISTS = 4
"""At least so many settings are put to all cases, where there are as many."""
LEAST_CASES = 4


@dataclass(frozen=True, kw_only=True)
class Round:
    """So many settings are put to the first `cases` cases; what earlier rounds measured counts."""

    settings: int
    cases: int


def plan_rounds(settings: int, cases: int) -> tuple[Round, ...]:
    """Halve the settings down to `FINALISTS` while the cases double up to `cases`."""
    counts = [settings]
    while counts[-1] > FINALISTS:
        counts.append(max(FINALISTS, -(-counts[-1] // 2)))
    last = len(counts) - 1
    return tuple(
        Round(settings=count, cases=min(cases, max(LEAST_CASES, -(-cases // 2 ** (last - number)))))
        for number, count in enumerate(counts)
    )


def cost(rounds: Sequence[Round]) -> int:
    """How many edits the rounds take."""
    before = (0, *(each.cases for each in rounds))
    return sum(each.settings * (each.cases - done) for each, done in zip(rounds, before, strict=False))


def within_budget(settings: int, cases: int, *, test_cases: int, budget: int | None) -> tuple[Round, ...]:
    """Rounds over as many of the tuning cases as the budget lets, after two settings on every test case.

    Raises:
        SettingsError: there are too few cases, or the budget does not reach.
    """
    if cases < LEAST_CASES or test_cases < 1:
        raise SettingsError(f"There are {cases + test_cases} cases; calibration needs at least {2 * LEAST_CASES}.")
    left = None if budget is None else budget - 2 * test_cases
    for taken in range(cases, LEAST_CASES - 1, -1):
        rounds = plan_rounds(settings, taken)
        if left is None or cost(rounds) <= left:
            return rounds
    least = cost(plan_rounds(settings, LEAST_CASES)) + 2 * test_cases
    raise SettingsError(
        f"The budget is {budget} edits; {settings} settings and {test_cases} test cases take at least {least}: raise "
        "--budget, lower --limit, or try fewer values."
    )


def halve(
    settings: Sequence[Setting], default: Setting, rounds: Sequence[Round], measure: Callable[[Setting, int], Score]
) -> tuple[Point, ...]:
    """Every setting in the mean of all that was measured of it, in the order given.

    `measure` scores a setting on the case of that number; it is asked for nothing twice.
    """
    scores: dict[Setting, list[Score]] = {setting: [] for setting in settings}
    points: dict[Setting, Point] = {}
    alive: Sequence[Setting] = tuple(settings)
    for number, each in enumerate(rounds, start=1):
        if number > 1:
            alive = survivors([points[setting] for setting in alive], each.settings, always=default)
        for setting in alive:
            known = scores[setting]
            known += [measure(setting, case) for case in range(len(known), each.cases)]
            points[setting] = mean_point(setting, known, rounds=number)
    return tuple(points[setting] for setting in settings)
