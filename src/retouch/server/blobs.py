"""The pictures' bytes, by their digests, on any file system that fsspec knows; what a reader sees is whole."""

import io
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from retouch.core.errors import ServerError
from retouch.core.files import atomic_write
from retouch.server.pictures import StoredPicture

Size = Literal["thumbnail", "screen"]
SIDES: dict[Size, int] = {"thumbnail": 320, "screen": 1600}
"""The longer side of a smaller copy, in pixels; no copy is larger than its picture."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_QUALITY = 85


@dataclass(frozen=True, kw_only=True)
class Blobs:
    """A place for pictures. A picture is written once and never changes; smaller copies are made when first asked for.

    Raises ServerError wherever the place cannot be read or written.
    """

    files: AbstractFileSystem
    root: str

    def put(self, picture: StoredPicture) -> None:
        """Keep a picture; nothing where it is there."""
        place = self._place(picture.sha256)
        if not self._exists(place):
            self._write(place, picture.data)

    def has(self, sha256: str) -> bool:
        """Whether a picture is there."""
        return self._exists(self._place(sha256))

    def read(self, sha256: str) -> bytes:
        """The PNG of a picture; raises ServerError where it is not there."""
        return self._read(self._place(sha256))

    def smaller(self, sha256: str, size: Size) -> bytes:
        """A smaller copy of a picture as WebP; raises ServerError where the picture is not there."""
        place = self._copy(sha256, size)
        if self._exists(place):
            return self._read(place)
        with Image.open(io.BytesIO(self.read(sha256)), formats=("PNG",)) as image:
            image.thumbnail((SIDES[size], SIDES[size]), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, format="WEBP", quality=_QUALITY, method=4)
        self._write(place, buffer.getvalue())
        return buffer.getvalue()

    def remove(self, sha256: str) -> None:
        """Remove a picture and its copies, where they are there."""
        for place in (self._place(sha256), *(self._copy(sha256, size) for size in SIDES)):
            self._removed(place)

    def older(self, before: datetime) -> Iterator[str]:
        """The digests of pictures of which something was written before a time: themselves or smaller copies."""
        seen: set[str] = set()
        for folder in ("pictures", "copies"):
            for place in self._listed(folder):
                digest = place.rpartition("/")[2][:64]
                if _DIGEST.fullmatch(digest) and digest not in seen and self._written(place) < before:
                    seen.add(digest)
                    yield digest

    def remove_unfinished(self, before: datetime) -> int:
        """Remove what writes left behind that were killed before a time; how many files."""
        count = 0
        for folder in ("pictures", "copies", "unfinished"):
            for place in self._listed(folder):
                left = folder == "unfinished" or place.endswith(".tmp")
                if left and self._written(place) < before:
                    self._removed(place)
                    count += 1
        return count

    def _listed(self, folder: str) -> list[str]:
        try:
            return list(self.files.find(f"{self.root}/{folder}"))
        except OSError as problem:
            raise ServerError(f"The pictures at {self.root} cannot be reached ({problem}).") from problem

    def _written(self, place: str) -> datetime:
        """When a file was written; now, where it is gone meanwhile."""
        try:
            at = self.files.modified(place)
        except FileNotFoundError:
            return datetime.now(UTC)
        except OSError as problem:
            raise ServerError(f"The pictures at {self.root} cannot be reached ({problem}).") from problem
        assert isinstance(at, datetime)
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    def _removed(self, place: str) -> None:
        try:
            self.files.rm_file(place)
        except FileNotFoundError:
            return
        except OSError as problem:
            raise ServerError(f"A picture cannot be removed from {self.root} ({problem}).") from problem

    def _place(self, sha256: str) -> str:
        if not _DIGEST.fullmatch(sha256):
            raise ServerError(f"{sha256!r:.80} is no digest of a picture.")
        return f"{self.root}/pictures/{sha256[:2]}/{sha256}.png"

    def _copy(self, sha256: str, size: Size) -> str:
        self._place(sha256)
        return f"{self.root}/copies/{sha256[:2]}/{sha256}-{SIDES[size]}.webp"

    def _exists(self, place: str) -> bool:
        try:
            return bool(self.files.exists(place))
        except OSError as problem:
            raise ServerError(f"The pictures at {self.root} cannot be reached ({problem}).") from problem

    def _read(self, place: str) -> bytes:
        try:
            data = self.files.cat_file(place)
        except OSError as problem:
            raise ServerError(f"A picture of {self.root} cannot be read ({problem}).") from problem
        assert isinstance(data, bytes)
        return data

    def _write(self, place: str, data: bytes) -> None:
        if isinstance(self.files, LocalFileSystem):
            atomic_write(Path(place), data)
            return
        temporary = f"{self.root}/unfinished/{secrets.token_hex(16)}"
        try:
            for path in (temporary, place):
                self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.files.pipe_file(temporary, data)
            self.files.mv(temporary, place)
        except OSError as problem:
            raise ServerError(f"A picture cannot be written to {self.root} ({problem}).") from problem


def open_blobs(address: str) -> Blobs:
    """Open a folder, or an address that fsspec knows; raises ServerError for one it does not."""
    try:
        files, root = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError, OSError) as problem:
        raise ServerError(f"'{address}' is no place for pictures ({problem}); give a folder.") from problem
    return Blobs(files=files, root=str(root).rstrip("/"))
