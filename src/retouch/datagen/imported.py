"""Bring pairs of another layout into records: row by row, so that a source may be larger than memory and disk."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from retouch.core.errors import Cancelled, DataError, ImageError, SettingsError
from retouch.datagen.skipped import Skipped
from retouch.records.layouts.diffusers import read_diffusers
from retouch.records.layouts.image_folder import read_image_folder
from retouch.records.layouts.instruct_pix2pix import read_instruct_pix2pix
from retouch.records.layouts.magicbrush import read_magicbrush
from retouch.records.layouts.open_images import read_open_images
from retouch.records.layouts.parquet import read_parquet
from retouch.records.layouts.pipe import read_pipe
from retouch.records.layouts.row import IMPORTED, Broken, Reader, ReadOptions, Reason, Row, Rows, to_record
from retouch.records.layouts.ultraedit import read_ultraedit
from retouch.records.layouts.webdataset import read_webdataset
from retouch.records.manifest import Manifest
from retouch.records.pair import JSON, PairRecord, Split, params_json
from retouch.records.shards import ShardWriter, open_writer

READERS: Mapping[str, Reader] = {
    "image-folder": read_image_folder,
    "instruct-pix2pix": read_instruct_pix2pix,
    "diffusers": read_diffusers,
    "magicbrush": read_magicbrush,
    "ultraedit": read_ultraedit,
    "pipe": read_pipe,
    "open-images": read_open_images,
    "webdataset": read_webdataset,
    "parquet": read_parquet,
}
"""How a source is read, by the name of its layout."""
OnError = Literal["stop", "skip"]
SHARD_ROWS = 32
_LOOKED_AT = 4096
"""Rows after which a shard ends though most of them were broken."""


@dataclass(frozen=True, kw_only=True)
class ImportSummary:
    """Pairs in the folder, those new to it, and the rows left out by reason, earlier runs included."""

    folder: Path
    pairs: int
    made: int
    skipped: Mapping[Reason, int]


def import_pairs(
    source: str,
    out: Path,
    *,
    layout: str,
    split: Split | None = None,
    options: ReadOptions | None = None,
    on_error: OnError = "stop",
    limit: int | None = None,
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda _rows: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ImportSummary:
    """Read a source row by row into the folder `out`, resuming what an earlier run left there.

    `split` is for all records; None leaves them in the source's own, or in train where it names none. A row that
    gives no pair stops the import, or with `on_error` "skip" is entered in `out`/skipped.jsonl. `limit` is the
    number of rows to look at; more of them extends a folder. Pictures are decoded by `workers` threads, 0 for none.
    `on_progress` gets the rows done; `cancelled` is asked between shards.

    Raises Cancelled when interrupted, DataError for a source that is none of the layout, a broken row or a folder
    made otherwise, SettingsError for an unknown layout or impossible numbers.
    """
    read, options = _reader(layout), options or ReadOptions()
    if workers < 0 or (limit is not None and limit < 1):
        raise SettingsError(f"workers is {workers} and limit {limit}; give at least 0 and 1.")
    settings = _settings(source, layout, split, options)
    with open_writer(out, engine=IMPORTED, settings=settings) as writer, ThreadPoolExecutor(workers or 1) as threads:
        before, (start, end) = writer.manifest.rows, _rows_done(writer.manifest)
        rows = islice(read(source, options), start, None if limit is None else max(limit, end))
        skipped = Skipped(out, below=start)
        make = partial(_made, split=split, tag=_tag(settings))
        for first, shard in _shards(rows, start):
            if cancelled():
                pairs = writer.manifest.rows
                raise Cancelled(f"Stopped: {pairs} pairs are saved; run the same command again to go on.")
            found = list((threads.map if workers else map)(make, enumerate(shard, first)))
            _write(found, first, writer=writer, skipped=skipped, stop=on_error == "stop")
            on_progress(first + len(shard))
        if not writer.manifest.shards:
            raise DataError(f"{source} lists no pairs; give a source that does.")
        pairs = writer.manifest.rows
    return ImportSummary(folder=out, pairs=pairs, made=max(0, pairs - before), skipped=dict(skipped.reasons))


def _write(found: list[PairRecord | Broken], first: int, *, writer: ShardWriter, skipped: Skipped, stop: bool) -> None:
    broken = [(first + place, one) for place, one in enumerate(found) if isinstance(one, Broken)]
    if broken and stop:
        raise DataError(_stopped(broken[0][1]))
    # Before the shard, which says that its rows are done with.
    skipped.add(broken)
    records = [one for one in found if isinstance(one, PairRecord)]
    writer.write(records, first_unit=first, units=len(found))


def _made(numbered: tuple[int, Row | Broken], split: Split | None, tag: str) -> PairRecord | Broken:
    number, row = numbered
    if isinstance(row, Broken):
        return row
    try:
        mine = row if split is None else replace(row, split=split)
        return to_record(mine, name=f"{IMPORTED}-{tag}-{number}", split="train")
    except (ImageError, DataError) as error:
        return Broken(where=row.where, reason="picture", problem=f"{row.where}: {error}")


def _stopped(broken: Broken) -> str:
    what = broken.problem.rstrip(".")
    return f"{what.rpartition('; ')[0] or what}; mend it, or leave such rows out with --on-error skip."


def _shards(rows: Rows, first: int) -> Iterator[tuple[int, list[Row | Broken]]]:
    """Rows in parts of as many as may become a shard's records, each with the number of its first row."""
    shard: list[Row | Broken] = []
    sound = 0
    for row in rows:
        shard.append(row)
        sound += isinstance(row, Row)
        if sound == SHARD_ROWS or len(shard) == _LOOKED_AT:
            yield first, shard
            first, shard, sound = first + len(shard), [], 0
    if shard:
        yield first, shard


def _rows_done(manifest: Manifest) -> tuple[int, int]:
    """Where the last shard of those without a gap starts and ends; it is made anew, as its source may go on."""
    start = end = 0
    for shard in manifest.shards:
        if shard.first_unit != end:
            break
        start, end = end, end + shard.units
    return start, end


def _reader(layout: str) -> Reader:
    if layout not in READERS:
        raise SettingsError(f"The layout '{layout}' is unknown; choose {', '.join(READERS)}.")
    return READERS[layout]


def _settings(source: str, layout: str, split: Split | None, options: ReadOptions) -> Mapping[str, JSON]:
    """All that changes the records; a place on this machine by its name and a digest of what it holds."""
    sources = {"source": source, "masks": options.masks, "boxes": options.boxes, "classes": options.classes}
    named: dict[str, JSON] = {name: _named(str(place)) for name, place in sources.items() if place is not None}
    return {"layout": layout, "split": split, "columns": dict(options.columns), "reference": options.reference, **named}


def _named(source: str) -> str:
    place = Path(source).expanduser()
    if not place.exists():
        return source
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    listed = "\n".join(f"{path.relative_to(place)}\0{path.stat().st_size}" for path in files)
    return f"{place.resolve().name}@{hashlib.sha256(listed.encode()).hexdigest()[:16]}"


def _tag(settings: Mapping[str, JSON]) -> str:
    return hashlib.sha256(params_json(settings).encode()).hexdigest()[:12]
