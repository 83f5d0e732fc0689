"""Files and folders that appear whole or not at all."""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from retouch.core.errors import OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "your disk quota is used up; free some space or write elsewhere",
    errno.EROFS: "it lies on a read-only file system; write elsewhere",
    errno.EACCES: "you may not write there; choose another folder or change its permissions",
    errno.EPERM: "you may not write there; choose another folder or change its permissions",
    errno.EFBIG: "the file would be larger than allowed there; write elsewhere",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOTDIR: "a part of its path is a file, not a folder; choose another path",
}


def atomic_write(path: str | Path, data: bytes) -> Path:
    """Write `data` so that a reader sees the old file or the new one, never a part; return the final path.

    Missing folders are created and a symbolic link keeps pointing where it did. Raises OutputError
    when the place cannot be written; nothing is left behind then, nor after an interrupt.
    """
    target = _regular_target(Path(path))
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_and_sync(temporary, data)
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as problem:
        _remove_quietly(temporary)
        raise _output_error(path, problem) from problem
    except BaseException:
        _remove_quietly(temporary)
        raise
    return target


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `path` that becomes `path` when the block ends well, and goes when it does not.

    What a killed run left there is removed first. Raises OutputError where `path` holds something, where another
    run is writing it, or where it cannot be written.
    """
    target = path.resolve()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise OutputError(f"{path} is not empty; choose a new folder.")
    partial = target.with_name(f".{target.name[:200]}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = os.open(partial, os.O_RDONLY)
    except OSError as problem:
        raise _output_error(path, problem) from problem
    try:
        _claim(lock, path)
        yield from _filled(partial, target, path)
    finally:
        os.close(lock)


def remove_leftovers(folder: Path, names: Sequence[str]) -> None:
    """Remove what a killed process left of `atomic_write`s of these files, where no other process writes them."""
    for name in names:
        for path in folder.glob(f".{name}.*.tmp"):
            path.unlink(missing_ok=True)


def check_writable(path: str | Path, *, suffixes: Sequence[str] = ()) -> Path:
    """Find out, without writing, whether `atomic_write` can be expected to succeed; return the path.

    Meant to be asked before hours or seconds of work. `suffixes` such as (".png",) are the accepted
    ones, in any case. Raises OutputError.
    """
    asked = Path(path)
    if suffixes and asked.suffix.lower() not in suffixes:
        expected = " or ".join(suffixes)
        if asked.is_dir():
            raise OutputError(f'The output "{asked}" is a folder; name a file in it that ends in {expected}.')
        raise OutputError(f'The output "{asked}" must end in {expected}; rename it.')
    try:
        target = _regular_target(asked)
        folder = _nearest_folder(target.parent)
        if not os.access(folder, os.W_OK | os.X_OK):
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
            raise OSError(errno.EROFS if read_only else errno.EACCES, "not writable")
        space = os.statvfs(folder)
        # Where nothing is counted, as over some networks, nothing is known.
        if space.f_blocks and space.f_bavail == 0:
            raise OSError(errno.ENOSPC, "full")
    except OSError as problem:
        raise _output_error(path, problem) from problem
    return asked


def _claim(lock: int, asked: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        raise OutputError(f"Another run is writing {asked}; wait for it to end or choose another folder.") from problem


def _filled(partial: Path, target: Path, asked: Path) -> Iterator[Path]:
    try:
        for place in partial.iterdir():
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        yield partial
        partial.replace(target)
        _sync_folder(target.parent)
    except OSError as problem:
        shutil.rmtree(partial, ignore_errors=True)
        raise _output_error(asked, problem) from problem
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _regular_target(path: Path) -> Path:
    target = path.resolve()
    try:
        exists, regular = target.exists(), target.is_file()
    except OSError as problem:
        raise _output_error(path, problem) from problem
    if exists and not regular:
        what = "a folder" if target.is_dir() else "a device, not a regular file"
        raise OutputError(f'Cannot write to "{path}": it is {what}; give the name of a file.')
    return target


def _nearest_folder(folder: Path) -> Path:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder")
    return existing


def _write_and_sync(path: Path, data: bytes) -> None:
    # Not `tempfile`: its files are private (0600), while a result should follow the user's umask.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_quietly(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _output_error(path: str | Path, problem: OSError) -> OutputError:
    reason = _REASONS.get(problem.errno or 0, f"{problem.strerror or problem}; write elsewhere")
    return OutputError(f'Cannot write to "{path}": {reason}.')
