"""How far a run is: counted, told to the caller, and stopped when the caller says so."""

from collections.abc import Callable

from retouch.core.errors import Cancelled


class Report:
    """Counts the `things` done of `count`, tells the caller, and raises Cancelled when asked to stop."""

    def __init__(
        self,
        *,
        done: int,
        count: int,
        things: str,
        on_progress: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.done, self.count, self.things = done, count, things
        self.on_progress = on_progress
        self.cancelled = cancelled
        self.add(0)

    def add(self, things: int) -> None:
        """Count some more."""
        self.done += things
        if self.on_progress is not None:
            self.on_progress(self.done, self.count)

    def check(self) -> None:
        """Raise Cancelled where the caller asked to stop."""
        if self.cancelled is not None and self.cancelled():
            raise self.interruption()

    def interruption(self) -> Cancelled:
        """What is raised when a run is stopped."""
        return Cancelled(f"Stopped at {self.done} of {self.count} {self.things}; run the same command again to go on.")
