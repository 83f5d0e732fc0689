"""Follow an edit while it runs: seconds by part, steps over all its passes, and whether to go on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from PIL import Image

from retouch.diffusion.loop import Progress
from retouch.editing.result import EditProgress, Timings

Part = Literal["encode", "denoise", "decode"]


class Follower:
    """Stands between the passes of one edit and its caller; time runs from its making."""

    def __init__(
        self,
        *,
        on_progress: Callable[[EditProgress], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.cancelled = cancelled
        self._on_progress = on_progress
        self._passes = self._passed = 0
        self._started = time.perf_counter()
        self._spent: dict[Part, float] = {"encode": 0.0, "denoise": 0.0, "decode": 0.0}

    def expect(self, passes: int) -> None:
        """Set how many passes of the loop there will be."""
        self._passes = passes

    def expect_more(self, passes: int) -> None:
        """Set how many passes there will be after those that are done."""
        self._passes = self._passed + passes

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Count the block's time for `name`."""
        entered = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] += time.perf_counter() - entered

    def step(self, progress: Progress, instruction: int, preview: Callable[[], tuple[Image.Image, ...]]) -> None:
        """Tell the caller of one step; the last one of a pass ends the pass."""
        done = self._passed * progress.total + progress.done
        total = self._passes * progress.total
        if progress.done == progress.total:
            self._passed += 1
        if self._on_progress is not None:
            self._on_progress(EditProgress(done=done, total=total, instruction=instruction, preview=preview))

    def timings(self) -> Timings:
        """The sums so far."""
        return Timings(**self._spent, total=time.perf_counter() - self._started)
