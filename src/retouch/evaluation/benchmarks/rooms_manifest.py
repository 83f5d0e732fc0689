"""What RoomsBench was published as: of every case its words, digests of its pixels and small thumbnails."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.evaluation.benchmark import BenchCase

MANIFEST = Path(__file__).parent / "rooms.parquet"
CELLS = {"source": 8, "target": 8, "masks": 8, "references": 4}
"""The thumbnail of each part of a case has so many cells a side, each the mean of its pixels."""
TOLERANCE = 1.0
"""Of 255: the mean difference that another platform's rendering may have."""
PARTS = tuple(CELLS)
_DIGEST_BYTES = 8
_LEVEL = 19

Agreement = Literal["the same pixels", "within 1/255"]
"""How a rendered case agrees with the published one."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published case: its words, and by part the digest of its pixels and its thumbnail.

    digests: the first 8 bytes of the SHA-256 of the part's shape and bytes.
    thumbnails: means of cells in 0…255 as bytes: RGB of source and target, of the mask and the object's mask one behind
        the other, and RGB of all references side by side; empty where a case has none.
    """

    id: str
    kind: str
    instruction: str
    digests: Mapping[str, bytes]
    thumbnails: Mapping[str, bytes]


def entry_of(case: BenchCase) -> Entry:
    """What is published of a case."""
    parts = {name: _pixels(case, name) for name in PARTS}
    return Entry(
        id=case.id,
        kind=case.kind,
        instruction=case.instruction,
        digests={name: _digest(arrays) for name, arrays in parts.items()},
        thumbnails={name: _thumbnails(arrays, CELLS[name]) for name, arrays in parts.items()},
    )


def compare(case: BenchCase, published: Entry) -> Agreement:
    """How a case agrees with the published one; the pixels of each part by digest, else by thumbnail.

    Raises DataError that names the case and what of it differs.
    """
    found = entry_of(case)
    for name in ("id", "kind", "instruction"):
        ours, theirs = getattr(found, name), getattr(published, name)
        if ours != theirs:
            raise DataError(
                f"The {name} of case {published.id} of RoomsBench is '{ours}', published is '{theirs}'; {_ADVICE}."
            )
    differing = [name for name in PARTS if found.digests[name] != published.digests[name]]
    for name in differing:
        off = _difference(found.thumbnails[name], published.thumbnails[name])
        if off is None or off > TOLERANCE:
            by = "another number of pictures than" if off is None else f"{off:.1f}/255 off"
            raise DataError(f"The {name} of case {published.id} of RoomsBench: {by} what was published; {_ADVICE}.")
    return "within 1/255" if differing else "the same pixels"


_ADVICE = "take the folder away and render it again with `retouch eval benches make rooms`"


def save_entries(entries: Sequence[Entry], place: Path) -> None:
    """Write the entries as a Parquet file; targets as their difference from the source, which is mostly nothing."""
    rows = [_row(entry) for entry in entries]
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_pylist(rows), sink, compression="zstd", compression_level=_LEVEL, write_statistics=False
    )
    atomic_write(place, sink.getvalue().to_pybytes())


@lru_cache(maxsize=2)
def load_entries(place: Path = MANIFEST) -> tuple[Entry, ...]:
    """The published cases in their order. Raises DataError where the file is missing or damaged."""
    try:
        rows = pq.read_table(place).to_pylist()
        return tuple(_entry(row) for row in rows)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataError(f"{place} is missing or damaged ({error}); install Retouch again.") from error


def _pixels(case: BenchCase, part: str) -> list[NDArray[np.uint8]]:
    match part:
        case "source":
            return [case.source]
        case "target":
            return [] if case.target is None else [case.target]
        case "masks":
            return [np.uint8(255) * one for one in (case.mask, case.object_mask) if one is not None]
        case _:
            return [np.hstack(case.references)] if case.references else []


def _digest(arrays: Iterable[NDArray[np.uint8]]) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()[:_DIGEST_BYTES]


def _thumbnails(arrays: Iterable[NDArray[np.uint8]], cells: int) -> bytes:
    return b"".join(_means(array, cells).tobytes() for array in arrays)


def _means(array: NDArray[np.uint8], cells: int) -> NDArray[np.uint8]:
    """The means of `cells` x `cells` parts, (cells, cells, …), rounded once."""
    bands = np.stack([band.mean(axis=0) for band in np.array_split(array, cells, axis=0)])
    return np.rint(np.stack([part.mean(axis=1) for part in np.array_split(bands, cells, axis=1)], axis=1)).astype(
        np.uint8
    )


def _difference(one: bytes, other: bytes) -> float | None:
    """The mean absolute difference; None where the two are not of one length."""
    if len(one) != len(other):
        return None
    return float(np.abs(_levels(one).astype(np.int16) - _levels(other)).mean()) if one else 0.0


def _levels(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)


def _row(entry: Entry) -> dict[str, str | bytes]:
    facts = asdict(entry)
    row = {name: facts[name] for name in ("id", "kind", "instruction")}
    row |= {f"{name}_digest": entry.digests[name] for name in PARTS}
    row |= {f"{name}_thumbnail": entry.thumbnails[name] for name in PARTS}
    row["target_thumbnail"] = (_levels(entry.thumbnails["target"]) - _levels(entry.thumbnails["source"])).tobytes()
    return row


def _entry(row: Mapping[str, str | bytes]) -> Entry:
    thumbnails = {name: bytes(row[f"{name}_thumbnail"]) for name in PARTS}  # type: ignore[arg-type]
    thumbnails["target"] = (_levels(thumbnails["target"]) + _levels(thumbnails["source"])).tobytes()
    return Entry(
        id=str(row["id"]),
        kind=str(row["kind"]),
        instruction=str(row["instruction"]),
        digests={name: bytes(row[f"{name}_digest"]) for name in PARTS},  # type: ignore[arg-type]
        thumbnails=thumbnails,
    )
