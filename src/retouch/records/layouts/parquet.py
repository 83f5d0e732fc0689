"""Records as one table a split, in Parquet files that `datasets` opens with pictures as pictures: nothing is lost."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from retouch.core.errors import DataError
from retouch.core.images import load_image
from retouch.records.layouts.row import Broken, Pictures, ReadOptions, Row, Rows
from retouch.records.layouts.tables import Table, Values, open_tables
from retouch.records.pair import JSON, PairRecord, Split
from retouch.records.schema import COLUMNS, IMAGE_COLUMNS, REQUIRED_COLUMNS, cell_of, record_schema, to_row
from retouch.records.shards import count_records, read_records

FILE_BYTES = 256 * 2**20
_GROUP = 32


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns that hold pictures and of those that hold texts."""

    images: tuple[str, ...]
    texts: tuple[str, ...]

    def schema(self) -> pa.Schema:
        """The Arrow schema, with the metadata that `datasets` reads features from."""
        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        fields = [pa.field(name, image) for name in self.images] + [pa.field(name, pa.string()) for name in self.texts]
        features: dict[str, JSON] = {name: {"_type": "Image"} for name in self.images}
        features |= {name: {"dtype": "string", "_type": "Value"} for name in self.texts}
        return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def read_parquet(source: str, options: ReadOptions) -> Rows:
    """The records that `write_parquet` wrote, as they were. Raises DataError where the source holds no records."""
    if options.columns:
        raise DataError("The layout parquet has the columns of records; for others use diffusers with --column.")
    for table in open_tables(source):
        missing = set(REQUIRED_COLUMNS) - set(table.columns)
        if missing:
            lacking = ", ".join(sorted(missing))
            raise DataError(f"{table.where} lacks {lacking}, so it holds no records; try the layout diffusers.")
        yield from _rows(table)


def write_parquet(
    records: Path, out: Path, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Write a folder of records as `data/SPLIT-NNNNN.parquet`; return how many pairs.

    Raises DataError where there are no records.
    """
    return write_tables(records, out, schema=record_schema(), row=to_row, on_progress=on_progress)


def write_tables(
    records: Path,
    out: Path,
    *,
    schema: pa.Schema,
    row: Callable[[PairRecord], dict[str, object]],
    on_progress: Callable[[int, int], None],
) -> int:
    """Write records as rows of `schema`, to files of a split each and of limited size; return how many."""
    total, number = count_records(records), 0
    (out / "data").mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        writers: dict[Split, _Files] = {}
        for number, record in enumerate(read_records(records), 1):
            if record.split not in writers:
                writers[record.split] = _Files(folder=out / "data", split=record.split, schema=schema)
                files.callback(writers[record.split].close)
            writers[record.split].add(row(record))
            on_progress(number, total)
    return number


@dataclass(kw_only=True)
class _Files:
    """The growing files of one split."""

    folder: Path
    split: Split
    schema: pa.Schema
    writer: pq.ParquetWriter | None = None
    number: int = 0
    size: int = 0
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, row: dict[str, object]) -> None:
        self.rows.append(row)
        if len(self.rows) == _GROUP:
            self._flush()

    def close(self) -> None:
        if self.rows:
            self._flush()
        if self.writer is not None:
            self.writer.close()

    def _flush(self) -> None:
        table = pa.Table.from_pylist(self.rows, schema=self.schema)
        if self.writer is None:
            path = self.folder / f"{self.split}-{self.number:05d}.parquet"
            self.writer = pq.ParquetWriter(path, self.schema, compression="none", use_dictionary=False)
        self.writer.write_table(table)
        self.size += table.nbytes
        self.rows = []
        if self.size >= FILE_BYTES:
            self.writer.close()
            self.writer, self.number, self.size = None, self.number + 1, 0


def _rows(table: Table) -> Iterator[Row | Broken]:
    for number, values in enumerate(table.rows(COLUMNS), 1):
        where = f"Row {number} of {table.where}"
        try:
            yield _row(where, values)
        except (ValueError, TypeError, KeyError) as error:
            yield Broken(where=where, reason="line", problem=f"{where} is no record ({error})")


def _row(where: str, values: Values) -> Row:
    cells = cast("Mapping[str, Any]", {name: cell_of(name, values.get(name)) for name in COLUMNS})
    return Row(
        where=where,
        pictures=partial(_pictures, {name: cells[name] for name in (*IMAGE_COLUMNS, "reference_images")}),
        instruction=cells["edit_prompt"] or "",
        source_caption=cells["source_caption"] or "",
        target_caption=cells["target_caption"] or "",
        object=cells["object"],
        params=cells["params"],
        scores=cells["scores"],
        split=cells["split"],
        name=cells["id"],
        engine=cells["engine"] or "",
        seed=cells["seed"],
    )


def _pictures(cells: Mapping[str, Any]) -> Pictures:
    one_channel = {name: cells[name] and _opened(cells[name], name).convert("L") for name in IMAGE_COLUMNS[2:]}
    return Pictures(
        source=_opened(cells["source_image"], "source_image"),
        target=_opened(cells["target_image"], "target_image"),
        references=tuple(_opened(data, "reference") for data in cells["reference_images"]),
        **one_channel,
    )


def _opened(data: bytes | None, name: str) -> Any:
    if data is None:
        raise DataError(f"it has no {name}")
    return load_image(data, base_name=name).pixels
