"""Worker processes started here: kept alive, begun again with patience, and ended in good order."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from retouch.server.jobs.queue import WorkQueue
from retouch.server.settings import ServerSettings
from retouch.server.store.columns import new_id

log = structlog.get_logger()
LOOK_SECONDS = 0.2
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before a worker that died is begun again; twice as long each time that it dies soon."""
LIVED_LONG = 60.0
PATIENCE_SECONDS = 20.0
"""How long a worker may take to end before it is killed."""


@dataclass
class _Slot:
    """A place for one worker: the process in it, if there is one, and when to begin the next."""

    process: "subprocess.Popen[bytes] | None" = None
    worker_id: str = ""
    began: float = 0.0
    next_at: float = 0.0
    deaths: int = 0
    buried: bool = True


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """As many workers as the settings say. What a worker held that died waits again at once.

    `command` is what is run, with the worker's id and this process's id behind it.
    """

    settings: ServerSettings
    queue: WorkQueue
    command: tuple[str, ...] = (sys.executable, "-m", "retouch.server.worker")
    _slots: list[_Slot] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._slots.extend(_Slot() for _ in range(self.settings.workers))
        thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Ask all workers to end, and wait for them; what they were at waits again."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        alive = [slot for slot in self._slots if slot.process is not None]
        for slot in alive:
            assert slot.process is not None
            slot.process.terminate()
        until = time.monotonic() + PATIENCE_SECONDS
        for slot in alive:
            assert slot.process is not None
            try:
                slot.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("worker-killed", worker=slot.worker_id)
                slot.process.kill()
                slot.process.wait()
            self._bury(slot)

    def _run(self) -> None:
        while not self._stop.is_set():
            for slot in self._slots:
                self._look(slot)
            self._stop.wait(LOOK_SECONDS)

    def _look(self, slot: _Slot) -> None:
        if slot.process is not None and slot.process.poll() is not None:
            lived = time.monotonic() - slot.began
            slot.deaths = 1 if lived >= LIVED_LONG else slot.deaths + 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (slot.deaths - 1))
            log.warning("worker-died", worker=slot.worker_id, code=slot.process.returncode, again_in=wait)
            slot.process, slot.next_at = None, time.monotonic() + wait
        if slot.process is None and not slot.buried:
            self._bury(slot)
        if slot.process is None and slot.buried and time.monotonic() >= slot.next_at:
            self._begin(slot)

    def _begin(self, slot: _Slot) -> None:
        slot.worker_id, slot.began, slot.buried = new_id(), time.monotonic(), False
        environment = {**os.environ, **self.settings.environment()}
        slot.process = subprocess.Popen(
            [*self.command, slot.worker_id, str(os.getpid())],
            env=environment,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in a terminal is for the server, which then asks its workers.
            start_new_session=True,
        )

    def _bury(self, slot: _Slot) -> None:
        try:
            self.queue.bury(slot.worker_id)
            slot.buried = True
        except SQLAlchemyError as problem:
            log.warning("worker-not-buried", worker=slot.worker_id, problem=str(problem))
