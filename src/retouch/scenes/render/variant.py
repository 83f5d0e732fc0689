"""Which Mitsuba variant this machine can run: a vectorised one where a fit LLVM is found, else the scalar one."""

import ctypes.util
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from retouch.core.cache import cache_folder
from retouch.core.errors import MissingExtraError

VECTOR, SCALAR = "llvm_ad_rgb", "scalar_rgb"
_LIBRARY = "DRJIT_LIBLLVM_PATH"
_VERSIONS = (19, 20, 21, 22)
_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/opt/homebrew/opt/llvm/lib",
    "/usr/local/opt/llvm/lib",
)
_PROBE = "retouch.scenes.render.probe"
_PROBE_SECONDS = 120


@lru_cache(maxsize=1)
def available_variant() -> str:
    """Return the fastest variant that works here, `llvm_ad_rgb` or `scalar_rgb`.

    A child process traces a room with each LLVM library, since one older than 19 aborts its process on
    some processors, and only at what it cannot compile; the answer is kept in the cache folder.
    Raises MissingExtraError without Mitsuba.
    """
    _require()
    return SCALAR if find_library() is None else VECTOR


def activate(threads: int) -> str:
    """Choose the available variant and a number of threads for this process; return the variant's name."""
    variant = available_variant()
    library = find_library()
    if library:
        os.environ[_LIBRARY] = library
    import drjit
    import mitsuba

    if mitsuba.variant() != variant:
        mitsuba.set_variant(variant)
    if drjit.thread_count() != threads:
        drjit.set_thread_count(threads)
    return variant


def _require() -> None:
    missing = [name for name in ("mitsuba", "pyoidn") if not _installed(name)]
    if missing:
        raise MissingExtraError(
            f"Rendering rooms needs {' and '.join(missing)}, not installed here: run pip install 'retouch[scenes]'."
        )


def _installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


@lru_cache(maxsize=1)
def find_library() -> str | None:
    """Return the LLVM library that works; "" stands for the one Dr.Jit finds by itself."""
    kept = cache_folder() / "mitsuba.json"
    candidates = list(_candidates())
    key = "|".join([_PROBE, importlib.metadata.version("mitsuba"), *candidates])
    answers = _read(kept)
    if key not in answers:
        answers[key] = next((library for library in candidates if _works(library)), None)
        _write(kept, answers)
    return answers[key]


def _candidates() -> Iterator[str]:
    """Yield LLVM libraries from the surest to the default; one set by the user is the only candidate."""
    chosen = os.environ.get(_LIBRARY)
    if chosen:
        yield chosen
        return
    for version in _VERSIONS:
        found = ctypes.util.find_library(f"LLVM-{version}")
        names = (f"libLLVM-{version}.so", f"libLLVM.so.{version}.1", f"libLLVM-{version}.dylib")
        paths = [Path(folder) / name for folder in _FOLDERS for name in names]
        paths += [Path(f"/usr/lib/llvm-{version}/lib/libLLVM.so")]
        existing = next((str(path) for path in paths if path.exists()), found)
        if existing:
            yield existing
    yield ""


def _works(library: str) -> bool:
    environment = {**os.environ, _LIBRARY: library} if library else dict(os.environ)
    try:
        probe = subprocess.run(
            [sys.executable, "-m", _PROBE], env=environment, capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def _read(path: Path) -> dict[str, str | None]:
    try:
        answers = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) else {}


def _write(path: Path, answers: dict[str, str | None]) -> None:
    """Keep the answers where the folder can be written; elsewhere each process asks anew."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(answers))
        temporary.replace(path)
    except OSError:
        return
