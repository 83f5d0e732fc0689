"""The first Ctrl-C asks the work to stop in good order, the second stops it at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from retouch.cli.output import warn


@contextmanager
def patient_interrupt(note: str) -> Iterator[Callable[[], bool]]:
    """Within this context the first Ctrl-C prints `note` and makes the yielded function return True."""
    asked = False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        warn(note)

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
