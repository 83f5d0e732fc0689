"""WebDataset: tar files whose members share a number, `0000000.source.png`, `0000000.target.png`, `0000000.json`."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from retouch.core.errors import DataError
from retouch.records.layouts.hub import cached_dataset, first_and_all, streamed_splits
from retouch.records.layouts.places import local_files, on_hub
from retouch.records.layouts.row import ReadOptions, Rows, split_named
from retouch.records.layouts.tables import Table, TableLayout, Values, rows_of
from retouch.records.pair import SPLITS, PairRecord, Split, params_json
from retouch.records.shards import count_records, read_records

FILE_BYTES = 256 * 2**20
_WORDS = ("id", "edit_prompt", "source_caption", "target_caption", "object", "engine", "seed", "split")
_SUFFIXES = ("png", "jpg", "jpeg", "webp")


def _parts(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.{suffix}" for name in names for suffix in _SUFFIXES)


LAYOUT = TableLayout(
    source=_parts("source", "source_image", "input", "input_image", "original", "original_image"),
    target=_parts("target", "target_image", "output", "output_image", "edited", "edited_image"),
    instruction=("edit_prompt", "instruction", "edit", "edit_prompt.txt", "instruction.txt", "txt"),
    source_caption=("source_caption", "original_prompt", "input_caption"),
    target_caption=("target_caption", "edited_prompt", "output_caption"),
    mask=_parts("mask", "mask_image"),
    object=("object",),
    kind=("kind",),
    split=("split",),
)
"""Members by what they hold; texts are keys of the member `json`, or members of their own."""


def read_webdataset(source: str, options: ReadOptions) -> Rows:
    """The samples of tar files, or of a dataset of them on the hub. Raises DataError where there are none."""
    layout = LAYOUT.told(options)
    for table in _tables(source):
        yield from rows_of(table, layout)


def write_webdataset(
    records: Path, out: Path, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Write a folder of records as `data/SPLIT-NNNNN.tar`; return how many pairs.

    `datasets` learns the parts from a split's first samples, so those with the most parts come first, in files of
    their own. Raises DataError where there are no records.
    """
    total, number = count_records(records), 0
    (out / "data").mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        wanted = partial(read_records, records, split=split)
        fullest = max((tuple(_members(record)) for record in wanted()), key=len, default=())
        files = _Tars(out / "data", split)
        for first in (True, False):
            for record in wanted():
                members = _members(record)
                if (tuple(members) == fullest) is first:
                    files.add(number, {name: members[name] for name in fullest if name in members})
                    number += 1
                    on_progress(number, total)
            files.close()
    return number


class _Tars:
    """The growing tar files of one split."""

    def __init__(self, folder: Path, split: Split) -> None:
        self.folder, self.split, self.number = folder, split, 0
        self.file: tarfile.TarFile | None = None

    def add(self, sample: int, members: Mapping[str, bytes]) -> None:
        if self.file is None:
            self.file = tarfile.TarFile(self.folder / f"{self.split}-{self.number:05d}.tar", "w")
            self.number += 1
        for name, data in members.items():
            entry = tarfile.TarInfo(f"{sample:07d}.{name}")
            entry.size = len(data)
            self.file.addfile(entry, io.BytesIO(data))
        if self.file.offset >= FILE_BYTES:
            self.close()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


def _members(record: PairRecord) -> Mapping[str, bytes]:
    pictures = {"source": record.source_image, "target": record.target_image, "mask": record.mask}
    pictures |= {f"reference-{number}": png for number, png in enumerate(record.reference_images)}
    words = {name: getattr(record, name) for name in _WORDS}
    # Texts, since all samples must have the same keys.
    words |= {"kind": record.kind, "params": params_json(record.params), "scores": params_json(record.scores)}
    members = {f"{name}.png": png for name, png in pictures.items() if png is not None}
    return {**members, "json": json.dumps(words, ensure_ascii=False).encode()}


def _tables(source: str) -> Iterator[Table]:
    place = cached_dataset(source) if on_hub(source) else Path(source).expanduser()
    if place is None:
        for name, rows in streamed_splits(source):
            first, all_rows = first_and_all(map(_flat, rows))
            yield _table(f"the split {name} of {source}", name, first, all_rows)
        return
    for path in local_files(str(place), (".tar",)):
        first, all_rows = first_and_all(_samples(path))
        yield _table(str(path), path.name, first, all_rows)


def _table(where: str, name: str, first: Values, rows: Iterator[Values]) -> Table:
    return Table(where=where, split=split_named(name), columns=tuple(first), rows=lambda _columns: rows)


def _samples(path: Path) -> Iterator[Values]:
    """The samples of a tar file, read once from start to end: members of one sample lie side by side."""
    try:
        with tarfile.open(path, "r|") as file:
            members = (_member(file, entry) for entry in file if entry.isfile())
            for _, sample in groupby(members, key=itemgetter(0)):
                yield _flat({part: content for _, part, content in sample})
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path} is no tar file that can be read ({error}); restore it, or take it out.") from error


def _member(file: tarfile.TarFile, entry: tarfile.TarInfo) -> tuple[str, str, bytes]:
    """The sample that a member belongs to, which part of it this is, and its bytes."""
    folder, _, name = entry.name.rpartition("/")
    key, _, part = name.partition(".")
    stream = file.extractfile(entry)
    return f"{folder}/{key}", part.lower(), b"" if stream is None else stream.read()


def _flat(values: Values) -> Values:
    """Members with the keys of their `json` beside them, and texts decoded."""
    flat = {name: _decoded(name, value) for name, value in values.items()}
    told = flat.pop("json", None)
    if isinstance(told, bytes):
        try:
            told = json.loads(told)
        except ValueError:
            told = {}
    return {**flat, **told} if isinstance(told, Mapping) else flat


def _decoded(name: str, value: object) -> object:
    if isinstance(value, bytes) and (name == "txt" or name.endswith(".txt")):
        return value.decode("utf-8", errors="replace")
    return value
