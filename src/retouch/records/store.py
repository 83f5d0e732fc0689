"""Where a folder of records lies: on this machine, or wherever fsspec reaches (S3, Google, Azure, HDFS, SFTP, …)."""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

import fsspec

from retouch.core.errors import DataError, OutputError
from retouch.core.files import atomic_write
from retouch.records.lock import LOCK_NAME, exclusive

_RENAMING = frozenset({"sftp", "ssh", "hdfs", "arrow_hdfs", "webhdfs", "smb", "ftp", "dbfs", "file", "local"})
"""Protocols whose files grow as they are written; the others' objects appear whole."""


class Store(Protocol):
    """A flat folder of files that appear whole or not at all."""

    name: str

    def read(self, file: str) -> bytes:
        """The bytes of `file`. Raises FileNotFoundError where there is none."""
        ...

    def write(self, file: str, content: bytes) -> None:
        """Put `content` under the name `file`, in place of what was there. Raises OutputError."""
        ...

    def open(self, file: str) -> BinaryIO:
        """`file` to read from and to seek in. Raises FileNotFoundError where there is none."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """The files of the folder and their bytes."""
        ...

    def remove(self, file: str) -> None:
        """Take `file` away, if it is there."""
        ...

    def locked(self) -> Any:
        """A context in which no other run may write here. Raises DataError where one does."""
        ...


def open_store(place: str | Path) -> Store:
    """The store at a path, or at a URL that fsspec knows, such as s3://bucket/folder.

    Raises DataError where the URL's protocol is unknown, or needs a package that is not there.
    """
    text = str(place)
    if "://" not in text or text.startswith("file://"):
        return LocalStore(Path(text.removeprefix("file://")).expanduser())
    try:
        files, root = fsspec.url_to_fs(text)
    except (ValueError, ImportError) as error:
        raise DataError(f"{text} cannot be reached ({error}); give a path, or a URL that fsspec knows.") from error
    return RemoteStore(text, files, root)


class LocalStore:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = str(folder), folder

    def read(self, file: str) -> bytes:
        """See `Store`."""
        return (self.folder / file).read_bytes()

    def write(self, file: str, content: bytes) -> None:
        """See `Store`."""
        atomic_write(self.folder / file, content)

    def open(self, file: str) -> BinaryIO:
        """See `Store`."""
        return (self.folder / file).open("rb")

    def sizes(self) -> Mapping[str, int]:
        """See `Store`."""
        if not self.folder.is_dir():
            return {}
        return {path.name: path.stat().st_size for path in self.folder.iterdir() if path.is_file()}

    def remove(self, file: str) -> None:
        """See `Store`."""
        (self.folder / file).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See `Store`."""
        with exclusive(self.folder):
            yield


class RemoteStore:
    """A folder of a file system of fsspec's."""

    def __init__(self, name: str, files: Any, root: str) -> None:
        self.name, self._files, self._root = name, files, PurePosixPath(root)

    def read(self, file: str) -> bytes:
        """See `Store`."""
        return cast(bytes, self._files.cat_file(self._path(file)))

    def write(self, file: str, content: bytes) -> None:
        """See `Store`."""
        path = self._path(file)
        try:
            self._files.makedirs(str(self._root), exist_ok=True)
            if _RENAMING.isdisjoint(self._protocols()):
                self._files.pipe_file(path, content)
                return
            growing = self._path(f".{file}.{os.getpid()}.tmp")
            self._files.pipe_file(growing, content)
            self._files.mv(growing, path)
        except OSError as error:
            raise OutputError(
                f"{self.name}/{file} cannot be written ({error}); check the place and its rights."
            ) from error

    def open(self, file: str) -> BinaryIO:
        """See `Store`."""
        return cast(BinaryIO, self._files.open(self._path(file), "rb"))

    def sizes(self) -> Mapping[str, int]:
        """See `Store`."""
        self._files.invalidate_cache()
        try:
            found = self._files.ls(str(self._root), detail=True)
        except FileNotFoundError:
            return {}
        return {PurePosixPath(one["name"]).name: int(one["size"] or 0) for one in found if one["type"] == "file"}

    def remove(self, file: str) -> None:
        """See `Store`."""
        if self._files.exists(self._path(file)):
            self._files.rm_file(self._path(file))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See `Store`; a run that was killed leaves its lock, and the error says how to break it."""
        path = self._path(LOCK_NAME)
        claim = {"host": socket.gethostname(), "process": os.getpid(), "since": time.strftime("%F %T %z")}
        try:
            self._files.makedirs(str(self._root), exist_ok=True)
            if self._files.exists(path):
                raise FileExistsError(path)
            self._files.pipe_file(path, json.dumps(claim).encode())
        except FileExistsError as error:
            holder = self.read(LOCK_NAME).decode(errors="replace")
            raise DataError(
                f"Another run writes to {self.name} ({holder}); wait for it to end, or remove {LOCK_NAME} there if it "
                "no longer runs."
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            self.remove(LOCK_NAME)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"{self.name} cannot be written ({error}); check the place and its rights.")

    def _path(self, file: str) -> str:
        return str(self._root / file)

    def _protocols(self) -> set[str]:
        named = self._files.protocol
        return {named} if isinstance(named, str) else set(named)
