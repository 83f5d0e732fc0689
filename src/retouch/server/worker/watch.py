"""A worker's sign of life while it works, and its ear for what is no longer wanted."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from retouch.server.jobs.held import Held
from retouch.server.jobs.queue import WorkQueue
from retouch.server.killpoints import reached
from retouch.server.store.columns import now
from retouch.server.store.work_tables import Worker
from retouch.server.worker.pulse import Pulse

log = structlog.get_logger()
STALLED = 75
"""The exit code of a worker that ended itself since its work did not go on."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A worker process: its id, where it runs, and what it can load."""

    id: str
    host: str
    pid: int
    models: tuple[str, ...]

    def row(self) -> Worker:
        """As the table has it."""
        return Worker(
            id=self.id,
            host=self.host,
            pid=self.pid,
            models=list(self.models),
            started_at=now(),
            seen_at=now(),
            loading="",
        )


class Beat:
    """A thread that tells the queue every few seconds that this worker lives and holds what it holds.

    It also notices when the process that started this one is gone, and asks to `stop` then; and when the work does not
    go on: what hangs in a step never looks up, so that the process ends here, by `leave`, and gives back what it held.
    """

    def __init__(
        self,
        queue: WorkQueue,
        identity: Identity,
        stop: threading.Event,
        *,
        parent: int | None = None,
        pulse: Pulse | None = None,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._queue, self._identity, self._stop, self._parent = queue, identity, stop, parent
        self._pulse, self._leave = pulse or Pulse(), leave
        self._started = now()
        self._held: tuple[Held, ...] = ()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def __enter__(self) -> "Beat":
        self._tell()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def hold(self, held: Sequence[Held]) -> None:
        """From now on these are the jobs whose leases are renewed."""
        self._held = tuple(held)
        if held:
            self._pulse.went_on()
        else:
            self._pulse.rest()

    def _run(self) -> None:
        last, loading = time.monotonic(), ""
        while not self._ended.wait(LOOK_SECONDS):
            if self._parent is not None and os.getppid() != self._parent:
                self._stop.set()
            if self._pulse.stalled:
                self._give_up()
                return
            beats = time.monotonic() - last >= self._queue.rules.heartbeat.total_seconds()
            if beats or self._pulse.loading != loading:
                last, loading = time.monotonic(), self._pulse.loading
                try:
                    self._tell()
                except SQLAlchemyError as problem:
                    # The lease outlasts several beats; the next one may get through.
                    log.warning("heartbeat-failed", problem=str(problem))

    def _tell(self) -> None:
        row = self._identity.row()
        row.started_at, row.loading = self._started, self._pulse.loading
        self._queue.renew(self._held, row)

    def _give_up(self) -> None:
        loading = self._pulse.loading
        seconds = self._pulse.loading_seconds if loading else self._pulse.step_seconds
        setting = "LOADING_SECONDS" if loading else "STALL_SECONDS"
        log.error("work-stalled", jobs=[one.job_id for one in self._held], loading=loading, seconds=seconds)
        try:
            for one in self._held:
                self._queue.stalled(one, seconds, setting)
        except SQLAlchemyError as problem:
            # Its lease says then what becomes of it.
            log.warning("not-given-back", problem=str(problem))
        finally:
            self._leave(STALLED)


class Watch:
    """Asked at every step of an edit: whether to stop, and what to tell of how far it is.

    Of the jobs that are held only those at work are told of; whether they are still wanted is asked for all.
    """

    def __init__(
        self,
        queue: WorkQueue,
        held: Sequence[Held],
        stop: threading.Event,
        *,
        every: float,
        tell_every: float,
        pulse: Pulse,
    ) -> None:
        self._queue, self._stop, self._pulse = queue, stop, pulse
        self._held = self._at_work = tuple(held)
        self._every, self._tell_every = every, tell_every
        self._asked = self._told = 0.0
        self._dropped: set[str] = set()

    def work_on(self, held: Sequence[Held]) -> None:
        """From now on these, of the jobs that are held, are those at work."""
        self._at_work = tuple(held)

    @property
    def stopping(self) -> bool:
        """Whether this process was asked to end."""
        return self._stop.is_set()

    def cancelled(self) -> bool:
        """Whether the edit is to stop: all of its jobs at work were cancelled or lost, or this process is to end.

        One of several that is cancelled ends at once, and the others go on.
        """
        reached("at-step")
        self._pulse.went_on()
        if self._stop.is_set():
            return True
        if time.monotonic() - self._asked >= self._every:
            self._asked = time.monotonic()
            self._ask()
        return self._dropped.issuperset(one.job_id for one in self._at_work)

    def told(self, done: int, total: int) -> bool:
        """Write how far the edit is, unless that was done just now; whether it was written."""
        if done < total and time.monotonic() - self._told < self._tell_every:
            return False
        self._told = time.monotonic()
        return self.tell(done, total)

    def tell(self, done: int, total: int, previews: Sequence[bytes] = ()) -> bool:
        """Write how far the edit is and how its pictures look."""
        try:
            self._queue.report(self._at_work, done, total, previews)
        except SQLAlchemyError as problem:
            log.warning("progress-lost", problem=str(problem))
            return False
        return True

    def _ask(self) -> None:
        try:
            wanted = self._queue.wanted(self._held)
        except SQLAlchemyError as problem:
            log.warning("cancellation-not-read", problem=str(problem))
            return
        for one in self._held:
            if one.job_id in self._dropped or wanted.get(one.job_id):
                continue
            # Where it is refused, the owner has just wanted it again, or the lease is lost, which the next look shows.
            if one.job_id not in wanted or self._queue.cancelled(one):
                self._dropped.add(one.job_id)
