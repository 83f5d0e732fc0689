"""From the figures of single answers to what a report says: means, intervals, differences and their tests."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import DataError
from retouch.core.seeds import derive_seed
from retouch.evaluation.measures import Column
from retouch.evaluation.reporting.statistics import RESAMPLES, Estimate, PairedTest, holm, mean_interval, paired_test
from retouch.evaluation.results import Results
from retouch.evaluation.verdicts import SUCCESS

Table = Mapping[tuple[str, str], Mapping[str, float]]
"""By contestant and column the value of each case."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What intervals and tests draw: how often, and from which seed."""

    seed: int = 0
    resamples: int = RESAMPLES

    def mean(self, values: Mapping[str, float], *names: str) -> Estimate:
        """The mean over cases with its interval."""
        return mean_interval(_array(values), seed=derive_seed(self.seed, *names), resamples=self.resamples)

    def test(self, one: Mapping[str, float], other: Mapping[str, float], *names: str) -> PairedTest | None:
        """The second's difference from the first on the cases that both have; None where they have none."""
        common = [case for case in one if case in other]
        if not common:
            return None
        first, second = (_array({case: values[case] for case in common}) for values in (one, other))
        return paired_test(first, second, seed=derive_seed(self.seed, "test", *names), resamples=self.resamples)


USUAL = Draws()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How one contestant differs from another in one column; `holm` is p among all tests of that column."""

    model: str
    against: str
    column: str
    test: PairedTest
    holm: float

    @property
    def sure(self) -> bool:
        """Whether it would come about by chance less than once in twenty times."""
        return self.holm < 0.05


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What is said of a run. `means` by contestant and column; `kinds` by kind of edit, contestant and column."""

    results: Results
    main: Column
    reference: str
    shown: tuple[Column, ...]
    means: Mapping[tuple[str, str], Estimate]
    kinds: Mapping[tuple[str, str, str], Estimate]
    differences: tuple[Difference, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The contestants in their order."""
        return tuple(entrant.name for entrant in self.results.entrants)

    @property
    def kind_names(self) -> tuple[str, ...]:
        """The kinds of edit in the order in which they come."""
        return tuple(dict.fromkeys(case.kind for case in self.results.cases))


def analysed(results: Results, *, reference: str | None = None, draws: Draws = USUAL) -> Analysis:
    """Work out everything; the same seed gives the same figures.

    `reference` is whom all others are tested against: the first that is no baseline, where nothing is said.
    Raises DataError where nobody is called so, or nothing was measured.
    """
    shown = tuple(column for column in results.columns if column.scale != "aside" and _measured(results, column))
    if not shown:
        raise DataError("Nothing was measured on these cases; choose other metrics.")
    chosen = reference or default_reference(results)
    if chosen not in {entrant.name for entrant in results.entrants}:
        known = ", ".join(entrant.name for entrant in results.entrants)
        raise DataError(f"Nobody is called '{chosen}'; choose {known}.")
    table = by_case(results)
    names = {column.name for column in shown}
    means = {key: draws.mean(values, *key) for key, values in table.items() if key[1] in names}
    return Analysis(
        results=results,
        main=next((column for column in shown if column.name == SUCCESS), shown[0]),
        reference=chosen,
        shown=shown,
        means=means,
        kinds=_by_kind(results, table, names, draws),
        differences=_differences(results, table, chosen, draws),
    )


def default_reference(results: Results) -> str:
    """The first contestant that is no baseline; where all are, the first of all."""
    models = [entrant.name for entrant in results.entrants if not entrant.baseline]
    return (models or [results.entrants[0].name])[0]


def by_case(results: Results) -> dict[tuple[str, str], dict[str, float]]:
    """By contestant and column the value of each case, the mean over its seeds."""
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in results.rows:
        for name, value in row.values.items():
            found[row.model, name][row.case].append(value)
    return {key: {case: float(np.mean(values)) for case, values in cases.items()} for key, cases in found.items()}


def corrected(found: Sequence[tuple[str, str, str, PairedTest]], *, by_column: bool = True) -> tuple[Difference, ...]:
    """Tests, each with contestant, the one against and column, corrected among those of one column, or among all."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, (_, _, column, _) in enumerate(found):
        groups[column if by_column else ""].append(place)
    after: dict[int, float] = {}
    for places in groups.values():
        after |= zip(places, holm([found[place][3].p for place in places]), strict=True)
    return tuple(
        Difference(model=model, against=against, column=column, test=test, holm=after[place])
        for place, (model, against, column, test) in enumerate(found)
    )


def _measured(results: Results, column: Column) -> bool:
    return any(column.name in row.values for row in results.rows)


def _array(values: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array(list(values.values()), dtype=np.float64)


def _by_kind(results: Results, table: Table, names: set[str], draws: Draws) -> dict[tuple[str, str, str], Estimate]:
    kinds = {case.id: case.kind for case in results.cases}
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for (model, name), values in table.items():
        for case, value in values.items() if name in names else ():
            found[kinds[case], model, name][case] = value
    return {key: draws.mean(values, *key) for key, values in found.items()}


def _differences(results: Results, table: Table, reference: str, draws: Draws) -> tuple[Difference, ...]:
    found = []
    for column in results.columns:
        first = table.get((reference, column.name))
        for entrant in results.entrants:
            second = table.get((entrant.name, column.name))
            if entrant.name == reference or column.scale == "aside" or first is None or second is None:
                continue
            test = draws.test(first, second, entrant.name, column.name)
            if test is not None:
                found.append((entrant.name, reference, column.name, test))
    return corrected(found)
