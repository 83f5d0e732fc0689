"""Networks in OpenVINO's form on disk: by content, whole or not at all, the longest unused removed first."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from retouch.core.cache import cache_folder
from retouch.core.errors import OutputError
from retouch.core.files import atomic_folder

NETWORK = "network.xml"
FACTS = "facts.json"
COMPILED = "compiled"
FORMAT = 3
"""Counts up whenever forms of before may not be used."""
LIMIT = 16 * 2**30
"""Bytes that all networks together may take on disk, the newest aside."""


def kept_folder() -> Path:
    """Where networks are kept."""
    return cache_folder() / "openvino"


@contextmanager
def kept_network(key: str, write: Callable[[Path], None]) -> Iterator[Path]:
    """The folder with the network called `key`, made by `write` into an empty one where it is not there or damaged.

    It stays while the block runs; of two processes that want the same one makes it and the other waits. Raises
    OutputError where the folder cannot be written.
    """
    place = kept_folder() / key
    with _alone(place):
        if not _is_whole(place):
            _remove(place)
            with atomic_folder(place) as partial:
                write(partial)
                (partial / FACTS).write_text(json.dumps(_facts(partial)), encoding="utf-8")
            _shrink(besides=place)
        _used(place)
        yield place


def clear_kept() -> int:
    """Remove all kept networks but those that a process is reading or making; the bytes that were freed."""
    return sum(_removed(place) for place in _places())


@contextmanager
def _alone(place: Path, *, waits: bool = True) -> Iterator[None]:
    """Hold what other processes wait for, which a killed one lets go of; without `waits` BlockingIOError where one
    holds it."""
    lock = place.parent / f"{place.name}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        # Created and opened at once: of two that come together both hold the same file.
        handle = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as problem:
        raise OutputError(
            f"{lock} cannot be written ({problem.strerror}); set RETOUCH_CACHE to a folder that can."
        ) from problem
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _is_whole(place: Path) -> bool:
    try:
        found = json.loads((place / FACTS).read_text(encoding="utf-8"))
        return bool(found) and found == _facts(place)
    except (OSError, ValueError):
        return False


def _facts(place: Path) -> dict[str, str]:
    """The digest of each file but this one."""
    facts: dict[str, str] = {}
    for path in sorted(place.iterdir()):
        if path.is_file() and path.name != FACTS:
            with path.open("rb") as stream:
                facts[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return facts


def _used(place: Path) -> None:
    try:
        os.utime(place / FACTS)
    except OSError:
        return


def _shrink(*, besides: Path) -> None:
    others = [place for place in _places() if place != besides]
    others.sort(key=_last_used)
    total = sum(map(_size, others))
    for place in others:
        if total <= LIMIT:
            return
        total -= _removed(place)


def _places() -> list[Path]:
    folder = kept_folder()
    return [place for place in folder.iterdir() if place.is_dir()] if folder.is_dir() else []


def _last_used(place: Path) -> float:
    try:
        return (place / FACTS).stat().st_mtime
    except OSError:
        return 0.0


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def _removed(place: Path) -> int:
    """Remove a network, and say how many bytes it took; 0 where somebody is at it."""
    try:
        with _alone(place, waits=False):
            size = _size(place)
            _remove(place)
            return size
    except (BlockingIOError, OutputError):
        return 0


def _remove(place: Path) -> None:
    """Remove what is there, of which another process may still read an open file."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
