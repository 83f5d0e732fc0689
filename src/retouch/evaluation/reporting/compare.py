"""Set two runs side by side: the same benchmark, the same protocols, the cases that both answered."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean

from retouch.core.errors import DataError
from retouch.evaluation.reporting.analysis import USUAL, Difference, Draws, by_case, corrected, default_reference
from retouch.evaluation.reporting.protocols import check_comparable
from retouch.evaluation.reporting.statistics import PairedTest
from retouch.evaluation.reporting.wording import arrow, chance, figure, signed, title
from retouch.evaluation.results import Results
from retouch.records.pair import JSON


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How `second` of the second run differs from `first` of the first, in every column that both have."""

    first: str
    second: str
    means: tuple[tuple[float, float], ...]
    differences: tuple[Difference, ...]
    results: Results

    def rows(self) -> list[tuple[str, ...]]:
        """The table: metric, both means, the difference with its interval, p corrected, cases."""
        return [self._row(one, means) for one, means in zip(self.differences, self.means, strict=True)]

    def facts(self) -> dict[str, JSON]:
        """The same as JSON."""
        told: list[JSON] = [
            {"metric": one.column, "first": first, "second": second, "p": one.test.p, "holm": one.holm,
             "test": one.test.test, **asdict(one.test.difference)}
            for one, (first, second) in zip(self.differences, self.means, strict=True)
        ]  # fmt: skip
        return {"first": self.first, "second": self.second, "differences": told}

    def _row(self, one: Difference, means: tuple[float, float]) -> tuple[str, ...]:
        column = next(column for column in self.results.columns if column.name == one.column)
        found = one.test.difference
        between = f"{signed(column, found.low)} … {signed(column, found.high)}"
        first, second = (figure(column, value) for value in means)
        head = f"{title(column)} {arrow(column)}"
        return (head, first, second, signed(column, found.value), between, chance(one.holm), str(found.count))


HEADS = ("metric", "first", "second", "difference", "95% interval", "p (Holm)", "cases")
"""Of the table."""


def compared(
    one: Results, other: Results, *, first: str | None = None, second: str | None = None, draws: Draws = USUAL
) -> Comparison:
    """Compare a contestant of each run, its first model where none is named, on the cases that both answered.

    p is corrected by Holm among all columns. Raises DataError that names every difference of benchmark and protocols,
    or where nobody is called so or the two share no case.
    """
    check_comparable([one, other])
    names = _named(one, first), _named(other, second)
    tables = by_case(one), by_case(other)
    found: list[tuple[str, str, str, PairedTest]] = []
    means: list[tuple[float, float]] = []
    for column in one.columns:
        ours, theirs = tables[0].get((names[0], column.name)), tables[1].get((names[1], column.name))
        if column.scale == "aside" or ours is None or theirs is None:
            continue
        test = draws.test(ours, theirs, column.name)
        if test is not None:
            found.append((names[1], names[0], column.name, test))
            common = [case for case in ours if case in theirs]
            means.append((mean(ours[case] for case in common), mean(theirs[case] for case in common)))
    if not found:
        raise DataError(f"'{names[0]}' and '{names[1]}' answered no case that both have figures of; nothing compares.")
    return Comparison(
        first=names[0], second=names[1], means=tuple(means), differences=corrected(found, by_column=False), results=one
    )


def _named(results: Results, name: str | None) -> str:
    names: Sequence[str] = [entrant.name for entrant in results.entrants]
    if name is None:
        return default_reference(results)
    if name not in names:
        raise DataError(f"Nobody in the run is called '{name}'; choose {', '.join(names)}.")
    return name
