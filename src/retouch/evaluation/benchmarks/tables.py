"""Benchmarks that are published as tables: Parquet here, or on the hub and fetched from there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from retouch.core.errors import DataError
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.cases import checked, version_of, wanted
from retouch.records.layouts.places import on_hub
from retouch.records.layouts.tables import Table, Values, first_picture, open_tables
from retouch.records.pair import Split


@dataclass(frozen=True, kw_only=True)
class TableBench:
    """The rows of some tables as cases.

    tables: in their order; each can be read again and again.
    columns: what `case` reads of a row; `keeps` says by the columns in `told_by` which rows belong.
    case: makes a case of a row and the words that say where it is; raises DataError.
    """

    name: str
    metrics: tuple[str, ...]
    tables: tuple[Table, ...]
    columns: tuple[str, ...]
    case: Callable[[Values, str], BenchCase]
    told_by: tuple[str, ...] = ()
    keeps: Callable[[Values], bool] = lambda _values: True

    def __post_init__(self) -> None:
        for table in self.tables:
            missing = [name for name in self.columns if name not in table.columns]
            if missing:
                raise DataError(
                    f"{table.where} has no column {', '.join(missing)}, only {', '.join(table.columns)}; expected "
                    f"the tables of {self.name}."
                )

    @property
    def version(self) -> str:
        """See `Benchmark`."""
        return version_of(*(f"{Path(table.where).name}:{Path(table.where).stat().st_size}" for table in self.tables))

    @cached_property
    def count(self) -> int:
        """How many rows belong."""
        told_by = self.told_by or self.columns[:1]
        return sum(self.keeps(values) for table in self.tables for values in table.rows(told_by))

    def __len__(self) -> int:
        return self.count

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`."""
        number = wanted(limit, len(self))
        if not number:
            raise DataError(f"{', '.join(table.where for table in self.tables)}: no row belongs to {self.name}.")
        return checked(islice(self._cases(), number), self.name)

    def _cases(self) -> Iterator[BenchCase]:
        for table in self.tables:
            stored = tuple(name for name in (*self.columns, *self.told_by) if name in table.columns)
            for number, values in enumerate(table.rows(stored), 1):
                if self.keeps(values):
                    yield self.case(values, f"Row {number} of {table.where}")


def tables_of(source: Path | None, *, hub_id: str, pattern: str, split: Split) -> tuple[Table, ...]:
    """The tables of a benchmark's split at `source`, those with files named after other splits left out.

    `source` is a Parquet file, a folder of them, or a hub id; None is `hub_id`. Of the hub the files of `pattern`
    are fetched to the hub's cache.

    Raises DataError where there are none, or the hub cannot be reached.
    """
    place = _fetched(hub_id, pattern) if source is None else _here(source, pattern)
    tables = tuple(table for table in open_tables(str(place)) if table.split in (split, None))
    if not tables:
        raise DataError(f"'{place}' holds Parquet files of other splits alone; expected some of {pattern}.")
    return tables


def text(values: Values, column: str, where: str) -> str:
    """The text in a column. Raises DataError that names row and column where there is none."""
    value = values.get(column)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, column {column}: expected some text, came {_kind(value)}; get the file again.")
    return value.strip()


def number(values: Values, column: str, where: str) -> int:
    """The whole number in a column. Raises DataError that names row and column where there is none."""
    value = values.get(column)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"{where}, column {column}: expected a whole number, came {_kind(value)}; get the file again.")
    return value


def image(values: Values, column: str, where: str) -> bytes:
    """The bytes of the picture in a column. Raises DataError that names row and column where there is none."""
    found = first_picture(values, (column,))
    if found is None:
        came = _kind(values.get(column))
        raise DataError(f"{where}, column {column}: expected a picture, came {came}; get the file again.")
    return found


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return "an empty text" if isinstance(value, str) and not value.strip() else type(value).__name__


def _here(source: Path, pattern: str) -> Path:
    if source.exists() or not on_hub(str(source)):
        if not source.exists():
            raise DataError(f"There is no '{source}'; name a Parquet file, a folder of them, or a dataset's hub id.")
        return source
    return _fetched(str(source), pattern)


def _fetched(hub_id: str, pattern: str) -> Path:
    try:
        return Path(
            snapshot_download(
                hub_id, repo_type="dataset", allow_patterns=[pattern], local_files_only=constants.HF_HUB_OFFLINE
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"The dataset '{hub_id}' cannot be had from the hub ({reason}); try again, or download it elsewhere with "
            f"`hf download --repo-type dataset {hub_id} --local-dir FOLDER` and name FOLDER with --source."
        ) from error
