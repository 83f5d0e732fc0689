"""Imports for which packages count as not installed, where a library takes more than is needed of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(*packages: str) -> Iterator[None]:
    """Inside, no import finds `packages`, and libraries do without; those imported before are back on leaving."""
    present = {name: sys.modules[name] for name in packages if name in sys.modules}
    for name in packages:
        # Python's own sign for what cannot be imported (its reference, "The module cache").
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]
        sys.modules.update(present)
