"""Whether the work of this process goes on: when it last did, and how long it may take until it does again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVER = float("inf")


class Pulse:
    """Told whenever a step of the work is done; asked by another thread whether that is too long ago.

    A step may take `step` seconds, loading a model `loading` seconds; 0 is as long as it likes. While a model is being
    loaded, in whatever thread, only that counts.
    """

    def __init__(self, *, step: float = 0.0, loading: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.step_seconds, self.loading_seconds = step or EVER, loading or EVER
        self._clock = clock
        self._lock = threading.Lock()
        self._last: float | None = None
        self._loads: list[tuple[str, float]] = []

    def went_on(self) -> None:
        """A step of the work is done, or the first begins."""
        self._last = self._clock()

    def rest(self) -> None:
        """Nothing is under way."""
        self._last = None

    @contextmanager
    def loads(self, model: str) -> Iterator[None]:
        """A model is being loaded for as long as the block lasts."""
        load = (model, self._clock())
        with self._lock:
            self._loads.append(load)
        try:
            yield
        finally:
            with self._lock:
                self._loads.remove(load)
                if self._last is not None:
                    self._last = self._clock()

    @property
    def loading(self) -> str:
        """The model that is being loaded, "" where none is."""
        loads = tuple(self._loads)
        return loads[0][0] if loads else ""

    @property
    def stalled(self) -> bool:
        """Whether what is under way should have gone on long ago."""
        loads, last = tuple(self._loads), self._last
        if loads:
            return self._clock() - loads[0][1] > self.loading_seconds
        return last is not None and self._clock() - last > self.step_seconds
