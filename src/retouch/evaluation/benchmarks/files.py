"""The files of a published benchmark, in a folder or still in its zip."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from retouch.core.errors import DataError
from retouch.evaluation.benchmarks.cases import version_of


class Files(Protocol):
    """Named files that are read one by one; names are paths with slashes below the benchmark's own folder."""

    name: str

    def read(self, file: str) -> bytes:
        """The bytes of `file`. Raises DataError where it is missing or damaged."""
        ...

    def has(self, file: str) -> bool:
        """Whether there is a `file`."""
        ...

    def size(self, file: str) -> int:
        """How many bytes `file` has. Raises DataError where it is missing."""
        ...


def open_files(source: Path, marker: str) -> Files:
    """The folder or zip `source`, from the folder in it on that holds the file `marker`.

    Raises DataError where there is no such source, it is a damaged zip, or it holds no `marker`.
    """
    if source.is_dir():
        return _folder(source, marker)
    if not source.is_file():
        raise DataError(f"There is no '{source}'; name the folder or zip that holds {marker}.")
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"'{source}' is no zip that can be read ({error}); get it again.") from error
    return ZipFiles(archive, str(source), _root(archive.namelist(), marker, source))


def files_version(files: Files, marker: str, names: Iterable[str]) -> str:
    """What changes with the words in `marker` or the size of any of the files named, wherever they lie."""
    digest = hashlib.sha256(files.read(marker)).hexdigest()
    return version_of(digest, *(f"{name}:{files.size(name)}" for name in names))


def below(name: str, where: str) -> str:
    """A file's name that a layout tells. Raises DataError for one that leads out of the benchmark's folder."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise DataError(f"{where} names the file '{name}', which is not inside the benchmark; get it again.")
    return name


class FolderFiles:
    """See `Files`: those of a folder."""

    def __init__(self, folder: Path) -> None:
        self.name, self._folder = str(folder), folder

    def read(self, file: str) -> bytes:
        """See `Files`."""
        try:
            return (self._folder / file).read_bytes()
        except OSError as error:
            raise _lacking(self.name, file, str(error.strerror)) from error

    def has(self, file: str) -> bool:
        """See `Files`."""
        return (self._folder / file).is_file()

    def size(self, file: str) -> int:
        """See `Files`."""
        try:
            return (self._folder / file).stat().st_size
        except OSError as error:
            raise _lacking(self.name, file, str(error.strerror)) from error


class ZipFiles:
    """See `Files`: those of a zip below `root`, "" or a folder's name with a slash behind it."""

    def __init__(self, archive: zipfile.ZipFile, name: str, root: str) -> None:
        self.name, self._archive, self._root = name, archive, root

    def read(self, file: str) -> bytes:
        """See `Files`."""
        try:
            return self._archive.read(self._root + file)
        except KeyError as error:
            raise _lacking(self.name, file, "not in the zip") from error
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
            raise _lacking(self.name, file, str(error)) from error
        except (RuntimeError, NotImplementedError) as error:
            raise DataError(
                f"'{self.name}' cannot be read as it is ({error}); unzip it and name the folder."
            ) from error

    def has(self, file: str) -> bool:
        """See `Files`."""
        return self._root + file in self._archive.namelist()

    def size(self, file: str) -> int:
        """See `Files`."""
        try:
            return self._archive.getinfo(self._root + file).file_size
        except KeyError as error:
            raise _lacking(self.name, file, "not in the zip") from error


def _folder(source: Path, marker: str) -> FolderFiles:
    found = [source / marker, *sorted(source.glob(f"*/{marker}"))]
    place = next((path for path in found if path.is_file()), None)
    if place is None:
        raise DataError(f"'{source}' holds no {marker}; name the folder or zip of the benchmark that does.")
    return FolderFiles(place.parent)


def _root(names: Iterable[str], marker: str, source: Path) -> str:
    found = [name for name in names if PurePosixPath(name).name == marker and "__MACOSX" not in name]
    if not found:
        raise DataError(f"The zip '{source}' holds no {marker}; name the folder or zip of the benchmark that does.")
    return min(found, key=len).removesuffix(marker)


def _lacking(place: str, file: str, reason: str) -> DataError:
    return DataError(f"'{file}' of '{place}' is missing or damaged ({reason}); get the benchmark whole.")
