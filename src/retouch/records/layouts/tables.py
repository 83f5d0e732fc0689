"""Pairs in tables: Parquet files or datasets on the hub, with a column for each part of a pair."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from retouch.core.errors import DataError
from retouch.records.layouts.hub import cached_dataset, first_and_all, streamed_splits
from retouch.records.layouts.places import local_files, on_hub
from retouch.records.layouts.row import (
    FIELDS,
    IMPORTED,
    Broken,
    ReadOptions,
    Row,
    Rows,
    first_text,
    opened,
    split_named,
)
from retouch.records.pair import JSON, Split

_BATCH = 16
Values = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Some rows of a source with their columns; `where` is what they lie in, `split` what it is named after."""

    where: str
    split: Split | None
    columns: tuple[str, ...]
    rows: Callable[[tuple[str, ...]], Iterator[Values]]


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """Which columns hold what: each under the names in use, the first that is there and filled being taken.

    `scores` gives columns of numbers the names of their protocols; `params` are kept as they are. `region` reads
    a mask that is no plain one.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    instruction: tuple[str, ...]
    source_caption: tuple[str, ...] = ()
    target_caption: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    object: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    scores: Mapping[str, str] = field(default_factory=dict)
    region: Callable[[Path | bytes], Image.Image] | None = None
    edit_kind: str = IMPORTED

    def told(self, options: ReadOptions) -> "TableLayout":
        """The layout with the columns that were given in place of the known ones."""
        return replace(self, **{name: (column,) for name, column in options.columns.items()})

    def wanted(self) -> tuple[str, ...]:
        """All columns that may be read."""
        named = [column for name in FIELDS for column in getattr(self, name)]
        return tuple(dict.fromkeys((*named, *self.params, *self.scores)))


def read_tables(source: str, options: ReadOptions, layout: TableLayout) -> Rows:
    """The rows of a source in this layout. Raises DataError where it cannot be read or lacks a column."""
    told = layout.told(options)
    for table in open_tables(source):
        yield from rows_of(table, told)


def rows_of(table: Table, layout: TableLayout) -> Rows:
    """The rows of one table. Raises DataError where it lacks a column that every pair needs."""
    _check_columns(table, layout)
    for number, values in enumerate(table.rows(layout.wanted()), 1):
        yield row_of(values, layout, where=f"Row {number} of {table.where}", split=table.split)


def row_of(values: Values, layout: TableLayout, *, where: str, split: Split | None) -> Row | Broken:
    """One row, or what it lacks."""
    source, target, mask = (first_picture(values, getattr(layout, name)) for name in ("source", "target", "mask"))
    instruction = first_text(values, layout.instruction)
    if source is None or target is None or not instruction:
        lacking = {"source": source, "target": target, "instruction": instruction}
        names = [getattr(layout, name)[0] for name, value in lacking.items() if not value]
        return Broken(where=where, reason="missing", problem=f"{where} has nothing under {', '.join(names)}")
    kind = first_text(values, layout.kind) or layout.edit_kind
    return Row(
        where=where,
        pictures=partial(opened, source, target, mask, layout.region),
        instruction=instruction,
        source_caption=first_text(values, layout.source_caption),
        target_caption=first_text(values, layout.target_caption),
        object=first_text(values, layout.object) or None,
        params={"kind": kind, **params_of(values, layout.params)},
        scores=_scores(values, layout.scores),
        split=split_named(first_text(values, layout.split)) or split,
    )


def open_tables(source: str) -> Iterator[Table]:
    """The tables of a Parquet file, a folder of them, or a dataset on the hub: a file or a split each.

    Raises DataError where there is no such source.
    """
    place = cached_dataset(source) if on_hub(source) else Path(source).expanduser()
    if place is None:
        for name, rows in streamed_splits(source):
            first, all_rows = first_and_all(rows)
            where = f"the split {name} of {source}"
            yield Table(where=where, split=split_named(name), columns=tuple(first), rows=partial(_all, all_rows))
        return
    for path in local_files(str(place), (".parquet",)):
        columns, rows = _columns(path), partial(_parquet_rows, path)
        yield Table(where=str(path), split=split_named(path.name), columns=columns, rows=rows)


def first_picture(values: Values, columns: tuple[str, ...]) -> bytes | None:
    """The bytes of the first filled picture: a struct as `datasets` writes it, or plain binary."""
    for column in columns:
        value = values.get(column)
        if isinstance(value, Mapping):
            value = value.get("bytes")
        if isinstance(value, bytes) and value:
            return value
    return None


def params_of(values: Values, columns: tuple[str, ...]) -> dict[str, JSON]:
    """The columns that hold text, numbers or truths, by their names."""
    plain = {name: values.get(name) for name in columns}
    return {name: value for name, value in plain.items() if isinstance(value, str | int | float | bool)}


def _check_columns(table: Table, layout: TableLayout) -> None:
    for name in ("source", "target", "instruction"):
        names = getattr(layout, name)
        if table.columns and not set(names) & set(table.columns):
            there = ", ".join(table.columns)
            raise DataError(
                f"{table.where} has no column {' or '.join(names)}, only {there}; "
                f"say which holds it with --column {name}=NAME, or name another layout."
            )


def _scores(values: Values, columns: Mapping[str, str]) -> dict[str, float]:
    numbers = {protocol: values.get(column) for column, protocol in columns.items()}
    return {name: float(value) for name, value in numbers.items() if isinstance(value, int | float) and isfinite(value)}


def _all(rows: Iterator[Values], _columns: tuple[str, ...]) -> Iterator[Values]:
    return rows


def _columns(path: Path) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Values]:
    try:
        with pq.ParquetFile(path) as file:
            stored = [name for name in columns if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                # Over several groups at once pyarrow keeps what it has read until the end of the file.
                for batch in file.iter_batches(batch_size=_BATCH, row_groups=[group], columns=stored):
                    yield from cast("list[Values]", batch.to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> DataError:
    return DataError(f"{path} is no Parquet file that can be read; restore it, or take it out.")
