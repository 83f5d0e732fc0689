"""Write records to Parquet shards that survive a crash, and read them back."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.lock import exclusive
from retouch.records.manifest import MANIFEST_NAME, Manifest, ShardEntry, read_manifest, write_manifest
from retouch.records.pair import JSON, PairRecord, Split
from retouch.records.schema import COLUMNS, REQUIRED_COLUMNS, Cell, cell_of, to_table
from retouch.records.store import Store, open_store

ROWS_PER_GROUP = 32
SHARD_PATTERN = "units-*.parquet"
# `atomic_write` names its temporary files after the file they become.
TEMPORARY_PATTERNS = (".units-*.tmp", f".{MANIFEST_NAME}.*.tmp")


class ShardWriter:
    """The one writer of a folder of records; made by `open_writer`, which holds the folder's lock."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    def has(self, first_unit: int, rows: int) -> bool:
        """Whether a finished shard starts at this unit and holds at least this many records."""
        return any(shard.first_unit == first_unit and shard.rows >= rows for shard in self.manifest.shards)

    def write(
        self,
        records: Sequence[PairRecord],
        *,
        first_unit: int,
        units: int,
        rejected: Mapping[str, int] | None = None,
        empty: int = 0,
    ) -> ShardEntry:
        """Write the records of `units` units as one shard, then enter it in the manifest with what was rejected.

        The shard appears whole or not at all; a crash in between leaves a file the next writer removes.
        """
        content = shard_bytes(records)
        entry = shard_entry(content, rows=len(records), first_unit=first_unit, units=units)
        entry = replace(entry, rejected=dict(rejected or {}), empty=empty)
        superseded = [s.file for s in self.manifest.shards if s.first_unit == first_unit and s.file != entry.file]
        atomic_write(self.folder / entry.file, content)
        self.manifest = self.manifest.with_shard(entry)
        write_manifest(self.folder, self.manifest)
        for file in superseded:
            (self.folder / file).unlink(missing_ok=True)
        return entry


@contextmanager
def open_writer(folder: Path, *, engine: str, settings: Mapping[str, JSON]) -> Iterator[ShardWriter]:
    """Open `folder` for writing records of one engine and settings, creating it or resuming what is there.

    Leftovers of a run that was killed are removed; shards that are gone or cut short are taken off the
    manifest. Raises DataError where another run holds the folder, where it was made with other settings, or
    where it holds shards but no manifest; OutputError where it cannot be written.
    """
    with exclusive(folder):
        manifest = _resume(folder, Manifest(engine=engine, settings=settings))
        yield ShardWriter(folder, manifest)


def shard_bytes(records: Sequence[PairRecord]) -> bytes:
    """The Parquet bytes of `records`: the same records give the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        to_table(records),
        sink,
        row_group_size=ROWS_PER_GROUP,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
        store_schema=True,
    )
    return sink.getvalue().to_pybytes()


def shard_entry(content: bytes, *, rows: int, first_unit: int, units: int) -> ShardEntry:
    """How a manifest names the shard of these bytes."""
    return ShardEntry(
        file=f"units-{first_unit:08d}-{first_unit + units:08d}.parquet",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        rows=rows,
        first_unit=first_unit,
        units=units,
    )


def read_records(
    folder: Path, columns: Sequence[str] | None = None, split: Split | None = None
) -> Iterator[PairRecord]:
    """Read the finished records of `folder` in order.

    `columns` names the optional fields to read (those every record must have are always read); the others
    come back empty. `split` keeps the records of one split. Raises DataError where a shard is broken.
    """
    wanted = COLUMNS if columns is None else tuple(dict.fromkeys((*REQUIRED_COLUMNS, *columns)))
    for row in read_columns(folder, wanted, split=split):
        yield PairRecord(**cast("dict[str, object]", row))  # type: ignore[arg-type]


def read_shard(folder: Path | Store, shard: ShardEntry) -> Iterator[PairRecord]:
    """Read the records of one finished shard whole. Raises DataError where it is broken."""
    store = open_store(folder) if isinstance(folder, Path) else folder
    for batch in _batches(store, shard.file, list(COLUMNS)):
        for row in batch.to_pylist():
            cells = {name: cell_of(name, row.get(name)) for name in COLUMNS}
            yield PairRecord(**cast("dict[str, object]", cells))  # type: ignore[arg-type]


def read_columns(folder: Path, columns: Sequence[str], split: Split | None = None) -> Iterator[Mapping[str, Cell]]:
    """Read some columns of the finished records of `folder`, one mapping a record: light without images.

    An optional column that older shards lack is empty. Raises DataError where a column does not exist, where
    there are no records, or where a shard is broken.
    """
    for name in columns:
        if name not in COLUMNS:
            raise DataError(f"Records have no column {name!r}; choose from {', '.join(COLUMNS)}.")
    stored, store = list(dict.fromkeys((*columns, "split"))), open_store(folder)
    for shard in _finished(folder).shards:
        for batch in _batches(store, shard.file, stored):
            kept = batch if split is None else _of_split(batch, split)
            for row in kept.to_pylist():
                yield {name: cell_of(name, row.get(name)) for name in columns}


def read_rows(folder: Path, rows: Sequence[int], columns: Sequence[str]) -> Iterator[Mapping[str, Cell]]:
    """Read some columns of the records at these places of the folder's order, which must rise.

    Only the parts of shards that hold them are read. Raises DataError where a shard is broken.
    """
    wanted, start = iter(rows), 0
    row = next(wanted, None)
    for shard in _finished(folder).shards:
        group, cells = -1, []
        while row is not None and row < start + shard.rows:
            if (row - start) // ROWS_PER_GROUP != group:
                group = (row - start) // ROWS_PER_GROUP
                cells = _group(folder / shard.file, group, list(columns))
            found = cells[(row - start) % ROWS_PER_GROUP]
            yield {name: cell_of(name, found.get(name)) for name in columns}
            row = next(wanted, None)
        start += shard.rows


def count_records(folder: Path, split: Split | None = None) -> int:
    """How many finished records `folder` holds, all of them or those of one split."""
    if split is None:
        return _finished(folder).rows
    return sum(1 for _ in read_columns(folder, ("split",), split=split))


def verify(folder: Path) -> int:
    """Check every finished shard of `folder` against its content hash and return the number of records.

    Raises DataError that names the first shard which is missing or whose bytes changed.
    """
    manifest = _finished(folder)
    for shard in manifest.shards:
        path = folder / shard.file
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != shard.sha256:
            raise DataError(_broken(path))
    return manifest.rows


def _finished(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} holds no records (no manifest.json); make some with `retouch data pairs`.")
    return manifest


def _batches(store: Store, shard: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    where = f"{store.name}/{shard}"
    try:
        with store.open(shard) as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
            stored = [name for name in columns if name in file.schema_arrow.names]
            missing = {*columns} & {*REQUIRED_COLUMNS} - {*stored}
            if missing:
                raise DataError(f"The shard {where} has no {', '.join(sorted(missing))}; make it anew.")
            yield from file.iter_batches(batch_size=ROWS_PER_GROUP, columns=stored)
    except (pa.ArrowException, OSError) as error:
        raise DataError(_broken(where)) from error


def _group(path: Path, group: int, columns: list[str]) -> list[dict[str, object]]:
    try:
        with pq.ParquetFile(path) as file:
            return file.read_row_group(group, columns=columns).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(_broken(path)) from error


def _of_split(batch: pa.RecordBatch, split: Split) -> pa.RecordBatch:
    return batch.filter(pa.array([found == split for found in batch.column("split").to_pylist()], pa.bool_()))


def _broken(path: Path | str) -> str:
    return f"The shard {path} is missing or broken; delete it and repeat the run that made it to mend the gap."


def _resume(folder: Path, fresh: Manifest) -> Manifest:
    found = read_manifest(folder)
    if found is None:
        _refuse_strangers(folder)
        _remove_leftovers(folder, fresh)
        write_manifest(folder, fresh)
        return fresh
    check_same(str(folder), found, fresh)
    sound = found
    for shard in found.shards:
        path = folder / shard.file
        if not path.is_file() or path.stat().st_size != shard.size:
            sound = sound.without(shard)
    if sound != found:
        write_manifest(folder, sound)
    _remove_leftovers(folder, sound)
    return sound


def _refuse_strangers(folder: Path) -> None:
    if any(folder.glob(SHARD_PATTERN)):
        raise DataError(f"{folder} holds shards but no manifest.json; choose an empty folder for the records.")


def check_same(place: str, found: Manifest, wanted: Manifest) -> None:
    """Raise DataError where records were made by another engine or with other settings than those wanted."""
    names = sorted(found.settings.keys() | wanted.settings.keys())
    differing = [name for name in names if found.settings.get(name) != wanted.settings.get(name)]
    if found.engine != wanted.engine:
        differing.insert(0, f"engine {found.engine}")
    if differing:
        raise DataError(
            f"{place} was made with other settings ({', '.join(differing)} differ); "
            "repeat them to resume, or choose another folder."
        )


def _remove_leftovers(folder: Path, manifest: Manifest) -> None:
    known = {shard.file for shard in manifest.shards}
    for pattern in (SHARD_PATTERN, *TEMPORARY_PATTERNS):
        for path in folder.glob(pattern):
            if path.name not in known:
                path.unlink(missing_ok=True)
