"""Packages whose own code waits until something of theirs is asked for, where that imports more than is needed."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from threading import RLock
from types import ModuleType
from typing import Any


def import_later(*packages: str) -> None:
    """Let the code of packages run when one of their names is first asked for, not when a module inside is imported.

    Many packages import all their modules for the sake of short names, which who imports one module by its own does not
    use. Those that were imported before, or are not there, stay as they are. What a package is made of is the same in
    the end; only what its code does beside that comes later. Python's `LazyLoader` would run it for its `__path__`.

    It is for a program of which one thread imports: of two, each could wait for what the other imports.
    """
    for name in packages:
        spec = None if name in sys.modules else _found(name)
        if spec is None or spec.loader is None:
            continue
        package = importlib.util.module_from_spec(spec)
        package.__class__ = _Later
        sys.modules[name] = package
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, package)


class _Later(ModuleType):
    """A package whose code runs when a name is first asked for that it has not got, and again if it failed."""

    def __getattr__(self, name: str) -> Any:
        with _RUNNING:
            if "_has_run" not in self.__dict__:
                self._has_run = True
                _run(self)
        # Code may put another module in the place of its own.
        found = sys.modules[self.__name__]
        if found is not self:
            return getattr(found, name)
        if name not in self.__dict__:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        return self.__dict__[name]


def _found(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        # Of what it lies in.
        return None


_RUNNING = RLock()


def _run(package: ModuleType) -> None:
    spec = package.__spec__
    assert spec is not None and spec.loader is not None
    try:
        spec.loader.exec_module(package)
    except BaseException:
        del package.__dict__["_has_run"]
        raise
