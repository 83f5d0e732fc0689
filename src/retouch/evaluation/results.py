"""What a run found, as one value and one file: every figure with its case, contestant, seed and protocol."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from retouch import __version__
from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.evaluation.measures import Column
from retouch.records.lines import json_object, read_text
from retouch.records.pair import JSON

FILE = "results.json"
FORMAT, VERSION = "retouch-evaluation", 1


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What was measured on: name and version of the benchmark, and how many of its cases were asked for."""

    name: str
    version: str
    cases: int


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A contestant as it took part; see `Contestant` for what its fields say."""

    name: str
    identity: Mapping[str, JSON]
    line: str | None = None
    baseline: bool = False

    @property
    def settings(self) -> Mapping[str, JSON]:
        """The settings it ran with, where it has any."""
        found = self.identity.get("settings")
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """What a reader is told of a case."""

    id: str
    digest: str
    kind: str
    instruction: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of one answer, by the name of their column; columns that its case does not tell are absent."""

    model: str
    case: str
    seed: int
    answer: str
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A figure of all of one contestant's answers together."""

    model: str
    metric: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Results:
    """All of it. `wholes` are figures of whole sets, whose columns are in `columns` too."""

    bench: Bench
    seeds: tuple[int, ...]
    columns: tuple[Column, ...]
    entrants: tuple[Entrant, ...]
    cases: tuple[CaseFacts, ...]
    rows: tuple[Row, ...]
    wholes: tuple[Whole, ...] = ()
    release: str = field(default=__version__)

    def column(self, name: str) -> Column | None:
        """The column of a name."""
        return next((column for column in self.columns if column.name == name), None)


def results_json(results: Results) -> dict[str, JSON]:
    """As JSON."""
    head: dict[str, JSON] = {"format": FORMAT, "version": VERSION}
    return head | json.loads(json.dumps(asdict(results)))


def write_results(folder: Path, results: Results) -> Path:
    """Write the file in `folder`, whole or not at all; raises OutputError."""
    return atomic_write(folder / FILE, (json.dumps(results_json(results), indent=1) + "\n").encode())


def read_results(place: Path) -> Results:
    """Read a folder of a run, its file, or the JSON that a report wrote.

    Raises DataError where there is none, or it is no such file.
    """
    path = place / FILE if place.is_dir() else place
    if not path.is_file():
        raise DataError(f"{place} holds no finished run (no {FILE}); finish it with `retouch eval run`.")
    content = json_object(read_text(path, form="results of a run"), str(path), form="results of a run")
    if content.get("format") != FORMAT or content.get("version") != VERSION:
        raise DataError(f"{path} is no {FORMAT} of version {VERSION}; run the evaluation again with this release.")
    try:
        return _results(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); run the evaluation again.") from error


def _results(content: Mapping[str, Any]) -> Results:
    return Results(
        bench=Bench(**content["bench"]),
        seeds=tuple(map(int, content["seeds"])),
        columns=tuple(Column(**one) for one in content["columns"]),
        entrants=tuple(Entrant(**one) for one in content["entrants"]),
        cases=tuple(CaseFacts(**one) for one in content["cases"]),
        rows=tuple(_row(one) for one in content["rows"]),
        wholes=tuple(Whole(**one) for one in content["wholes"]),
        release=str(content["release"]),
    )


def _row(content: Mapping[str, Any]) -> Row:
    values = {str(name): float(value) for name, value in content["values"].items()}
    return Row(**{**content, "values": values})


def of_model(results: Results, model: str) -> Sequence[Row]:
    """The rows of one contestant, in their order."""
    return [row for row in results.rows if row.model == model]
