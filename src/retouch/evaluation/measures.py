"""The seam between answers and figures: what fills columns with values, and the book that keeps them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from retouch.core.errors import DataError
from retouch.evaluation.answers import Answer, case_digest
from retouch.evaluation.benchmark import BenchCase, Picture
from retouch.metrics.metric import Metric, Part, Sample, SetMetric
from retouch.metrics.registry import applies
from retouch.records.journal import Journal
from retouch.records.pair import JSON

VALUES = "values.jsonl"
BATCH = 16
"""Answers measured together."""

Scale = Literal["share", "figure", "aside"]
"""What a column holds: successes, 0 or 1; figures; or what is written down and not set side by side."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """Values under one name and one protocol, and which direction is the better one."""

    name: str
    protocol: str
    better: Literal["higher", "lower"]
    scale: Scale = "figure"


class Measure(Protocol):
    """Fills one column or several with a value for each answer."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What it fills, in order."""
        ...

    def measure(self, answers: Sequence[Answer]) -> Sequence[tuple[float | None, ...]]:
        """Return for each answer a value a column; None where the case does not tell what a column needs."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """A metric as a measure."""

    metric: Metric

    @property
    def columns(self) -> tuple[Column, ...]:
        """The metric's own."""
        return (_column(self.metric),)

    def measure(self, answers: Sequence[Answer]) -> Sequence[tuple[float | None, ...]]:
        """See `Measure`."""
        given = {place: sample for place, answer in enumerate(answers) if (sample := told(answer, self.metric))}
        found = dict(zip(given, map(float, self.metric.measure([*given.values()])), strict=True)) if given else {}
        return [(found.get(place),) for place in range(len(answers))]


def _column(metric: Metric | SetMetric) -> Column:
    return Column(name=metric.name, protocol=metric.protocol, better=metric.better)


def told(answer: Answer, metric: Metric | SetMetric) -> Sample | None:
    """An answer with what a metric needs of its case; None where the case does not tell it."""
    return sample_of(answer.case, answer.output, metric)


def sample_of(case: BenchCase, output: Picture, metric: Metric | SetMetric) -> Sample | None:
    """An output with what a metric needs of its case; None where the case does not tell it."""
    parts = {name: _part(case, name) for name in metric.needs}
    if any(_missing(part) for part in parts.values()):
        return None
    sample = Sample(output=output, instruction=case.instruction, **parts)  # type: ignore[arg-type]
    return sample if applies(metric, sample) else None


def _missing(part: object) -> bool:
    return part is None or (isinstance(part, str) and not part)


def _part(case: BenchCase, name: Part) -> object:
    if name == "reference":
        return case.references[0] if case.references else None
    return getattr(case, name)


class ValueBook:
    """The values kept in `folder` by answer, case and protocol, so that another metric asks for no other edit.

    Figures of whole sets are kept beside them, under keys that whoever asks for them makes.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / VALUES
        self._journal = Journal(self._path)
        self._values: dict[str, float | None] = {}
        for entry in self._journal.entries:
            key, value = entry.get("key"), entry.get("value")
            if not isinstance(key, str) or not isinstance(value, int | float | None):
                raise DataError(f"A line of {self._path} is no value of a metric; choose another folder.")
            self._values[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> float | None:
        return self._values[key]

    def note(self, key: str, column: Column, value: float | None) -> None:
        """Keep a value of a column, None where there is none, under its key."""
        self._values[key] = value
        self._journal.add([_line(key, column, value)])

    def measure(self, measures: Sequence[Measure], answers: Sequence[Answer]) -> list[dict[str, float]]:
        """A mapping from columns to values for each answer, without what its case does not tell."""
        places = [f"{answer.key}:{case_digest(answer.case)}" for answer in answers]
        for measure in measures:
            self._fill(measure, answers, places)
        columns = [column for measure in measures for column in measure.columns]
        kept = [{column.name: self._values[_key(place, column)] for column in columns} for place in places]
        return [{name: value for name, value in row.items() if value is not None} for row in kept]

    def _fill(self, measure: Measure, answers: Sequence[Answer], places: Sequence[str]) -> None:
        keys = [[_key(place, column) for column in measure.columns] for place in places]
        open_ = [place for place, row in enumerate(keys) if any(key not in self._values for key in row)]
        for start in range(0, len(open_), BATCH):
            batch = open_[start : start + BATCH]
            found = measure.measure([answers[place] for place in batch])
            entries: list[Mapping[str, JSON]] = []
            for place, values in zip(batch, found, strict=True):
                for key, column, value in zip(keys[place], measure.columns, values, strict=True):
                    self._values[key] = value
                    entries.append(_line(key, column, value))
            self._journal.add(entries)


def _line(key: str, column: Column, value: float | None) -> Mapping[str, JSON]:
    return {"key": key, "metric": column.name, "protocol": column.protocol, "value": value}


def _key(place: str, column: Column) -> str:
    return hashlib.sha256(f"{place}:{column.name}:{column.protocol}".encode()).hexdigest()
