"""A folder of pictures as a source of pairs: found by content, split by hash, broken files left out."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import DataError, ImageError
from retouch.core.images import load_image
from retouch.records.pair import Split

# Shares of a hundred; the split of a picture depends on its bytes alone, wherever it lies.
VALIDATION_SHARE = 5
BENCH_SHARE = 5


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A picture that opens: its path, the sha256 of its bytes and the name of its folder."""

    path: Path
    sha256: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class PhotoLibrary:
    """The pictures of one split in the order of their hashes, and how many files would not open."""

    photos: tuple[Photo, ...]
    skipped: int

    def digest(self) -> str:
        """A hash that changes whenever a picture or its folder's name does."""
        lines = "\n".join(f"{photo.sha256} {photo.folder}" for photo in self.photos)
        return hashlib.sha256(lines.encode()).hexdigest()


def scan_photos(source: Path, split: Split) -> PhotoLibrary:
    """Find the pictures of one split in `source` and the folders below it.

    PNG, JPEG and WEBP are recognised by content; other files are passed over, pictures that do not open are
    counted in `skipped`, and of identical files the first is taken. Raises DataError where none is left.
    """
    if not source.is_dir():
        raise DataError(f"There is no folder {source}; give a folder of PNG, JPEG or WEBP pictures.")
    photos: dict[str, Photo] = {}
    skipped = 0
    for path in _pictures(source):
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if split_of(sha256) != split or sha256 in photos:
            continue
        try:
            load_image(content, base_name=path.name)
        except ImageError:
            skipped += 1
            continue
        photos[sha256] = Photo(path=path, sha256=sha256, folder=path.parent.name)
    if not photos:
        raise DataError(f"{source} holds no picture for the {split} split; add pictures or choose another split.")
    return PhotoLibrary(photos=tuple(photos[name] for name in sorted(photos)), skipped=skipped)


def split_of(sha256: str) -> Split:
    """The split of the picture whose bytes have this sha256 (hex)."""
    position = int(sha256[:12], 16) % 100
    if position < BENCH_SHARE:
        return "bench"
    return "validation" if position < BENCH_SHARE + VALIDATION_SHARE else "train"


def _pictures(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                start = file.read(12)
            if _is_picture(start):
                yield path


def _is_picture(start: bytes) -> bool:
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return webp or start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
