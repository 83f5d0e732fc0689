"""A whole design as one .zip that any place can read: `design.json`, `images/` and `uploads/` by their digests."""

import hashlib
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from retouch.core.errors import DesignError
from retouch.core.images import MAXIMUM_BYTES
from retouch.designs.design import Design
from retouch.designs.written import MAXIMUM_NODES, read_design, write_design

DESIGN = "design.json"
MAXIMUM_JSON = 64 * 2**20
MAXIMUM_TOTAL = 2**32 - 2**26
"""Bytes that all files of an archive may have together: what fits into a .zip without extensions."""
_MAXIMUM_ENTRIES = 3 * MAXIMUM_NODES
_MAXIMUM_LISTING = 16 * 2**20
_MAXIMUM_RATIO = 300
_LISTED = re.compile(r"design\.json|(images|uploads)/[0-9a-f]{64}\.png")
_TIME = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive that is open: its title, its design, whose requests name uploads by their digests, and its pictures.

    `picture` gives the bytes of a PNG by its digest, `upload` those of an upload; both raise DesignError where the file
    is not what its name says.
    """

    title: str
    design: Design
    picture: Callable[[str], bytes]
    upload: Callable[[str], bytes]


def write_archive(stream: BinaryIO, *, title: str, design: Design, read: Callable[[str], bytes]) -> None:
    """Write a design whose requests name uploads by their digests; `read` gives a picture's PNG by its digest.

    The same design gives the same bytes. Raises DesignError where all pictures together are too many bytes.
    """
    total = 0
    with zipfile.ZipFile(stream, "w") as archive:
        text = json.dumps(write_design(title, design), indent=1, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(DESIGN, _TIME), text, zipfile.ZIP_DEFLATED)
        for folder, digests in (("images", design.pictures), ("uploads", design.uploads)):
            for digest in digests:
                data = read(digest)
                total += len(data)
                if total > MAXIMUM_TOTAL:
                    raise DesignError(
                        f"The design has more than {MAXIMUM_TOTAL // 2**20} MB of pictures, too much for a .zip."
                    )
                archive.writestr(zipfile.ZipInfo(f"{folder}/{digest}.png", _TIME), data, zipfile.ZIP_STORED)


@contextmanager
def open_archive(stream: BinaryIO) -> Iterator[Archive]:
    """Open an archive that `write_archive` wrote, in this version or an older one; nothing is written anywhere.

    Raises:
        DesignError: it is no such archive, is damaged or too large when unpacked, lacks a picture that its design
            names, or is of a format that this version does not know.
    """
    _check_listing(stream)
    try:
        opened = zipfile.ZipFile(stream)
    except _DAMAGE as problem:
        _refuse("it is damaged or no .zip", problem)
    with opened:
        entries = _entries(opened)
        title, design = read_design(_json(opened, entries))
        for folder, digests in (("images", design.pictures), ("uploads", design.uploads)):
            missing = [digest for digest in digests if f"{folder}/{digest}.png" not in entries]
            if missing:
                _refuse(f"{len(missing)} of its pictures are missing, such as {folder}/{missing[0]}.png")
        yield Archive(
            title=title,
            design=design,
            picture=lambda digest: _picture(opened, entries, "images", digest),
            upload=lambda digest: _picture(opened, entries, "uploads", digest),
        )


def _check_listing(stream: BinaryIO) -> None:
    # Python reads the whole list of entries before anybody can count them; its size stands at the archive's end.
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 65_557))
    tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    stream.seek(0)
    if place < 0 or len(tail) < place + 22:
        _refuse("it is damaged or no .zip")
    (listing,) = struct.unpack_from("<I", tail, place + 12)
    if listing > _MAXIMUM_LISTING or tail[: max(0, place)][-20:].startswith(b"PK\x06\x07"):
        _refuse("it lists more files than a design has")


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if not _LISTED.fullmatch(entry.filename) or entry.filename in found:
            _refuse(f"{entry.filename!r:.80} does not belong into it, or is there twice")
        limit = MAXIMUM_JSON if entry.filename == DESIGN else MAXIMUM_BYTES
        if entry.file_size > limit:
            _refuse(f"{entry.filename} has more than {limit // 2**20} MB")
        if entry.file_size > 2**20 and entry.file_size > _MAXIMUM_RATIO * max(1, entry.compress_size):
            _refuse(f"{entry.filename} unpacks to more than {_MAXIMUM_RATIO} times its size")
        found[entry.filename] = entry
    if len(found) > _MAXIMUM_ENTRIES or sum(entry.file_size for entry in found.values()) > MAXIMUM_TOTAL:
        _refuse("it is too large when unpacked")
    if DESIGN not in found:
        _refuse(f"it has no {DESIGN}")
    return found


def _json(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> object:
    data = _read(archive, entries[DESIGN])
    try:
        return json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        _refuse(f"its {DESIGN} is no JSON that can be read", problem)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _picture(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], folder: str, digest: str) -> bytes:
    entry = entries.get(f"{folder}/{digest}.png")
    if entry is None:
        _refuse(f"{folder}/{digest:.64}.png is missing")
    data = _read(archive, entry)
    if hashlib.sha256(data).hexdigest() != digest:
        _refuse(f"{entry.filename} does not have the contents that its name says")
    return data


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(entry) as stream:
            data = stream.read(entry.file_size + 1)
    except _DAMAGE as problem:
        _refuse(f"{entry.filename} is damaged", problem)
    if len(data) != entry.file_size:
        _refuse(f"{entry.filename} does not have the size that it is listed with")
    return data


def _refuse(reason: str, cause: BaseException | None = None) -> NoReturn:
    raise DesignError(f"The archive cannot be read: {reason}; give a .zip that Retouch exported.") from cause
