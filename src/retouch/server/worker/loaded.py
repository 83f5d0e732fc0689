"""The models a worker keeps loaded: the last few it used."""

import gc
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from retouch.core.errors import ModelError
from retouch.editing.protocol import InstructionEditor

Load = Callable[[str, bool], InstructionEditor]
"""Load a model by its name; the second says whether it is to need as little memory as it can.

Raises ModelError where there is no way that needs less than the usual one.
"""


@dataclass(frozen=True, kw_only=True)
class LoadedModels:
    """Models by the names of the server's list; no other name is ever loaded. `most` of them are kept, each once:
    sparing or as usual, as it was last asked for.

    Threads may ask at once; one that asks for what another loads waits for it.
    """

    names: tuple[str, ...]
    load: Load
    most: int = 3
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _kept: "OrderedDict[tuple[str, bool], InstructionEditor]" = field(default_factory=OrderedDict)

    def get(self, name: str, *, sparing: bool = False) -> InstructionEditor:
        """The model of that name; raises ModelError where it is not on the list or cannot be loaded."""
        if name not in self.names:
            raise ModelError(f"The model '{name}' is not one this server offers; choose one it lists.")
        key = (name, sparing)
        with self._lock:
            if key not in self._kept:
                self._kept.pop((name, not sparing), None)
                while len(self._kept) >= self.most:
                    self._kept.popitem(last=False)
                _let_go()
                self._kept[key] = self.load(name, sparing)
            self._kept.move_to_end(key)
            return self._kept[key]

    def loaded(self, name: str) -> InstructionEditor | None:
        """The model of that name where it is kept, not sparing; None where it would have to be loaded first."""
        return self._kept.get((name, False))

    def free(self) -> None:
        """Let go of all models, and of what memory they left behind."""
        with self._lock:
            self._kept.clear()
        _let_go()


def _let_go() -> None:
    """Give back what models that are gone left behind: a network and what computes it hold each other."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error comes of too little memory."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if isinstance(error, RuntimeError) and "allocate memory" in str(error):
            return True
        error = error.__cause__
    return False
