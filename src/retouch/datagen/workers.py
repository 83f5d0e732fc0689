"""Worker processes that make units and hand them back in order, and that end when their parent does."""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from retouch.core.errors import DataError, RetouchError
from retouch.datagen.engine import PairEngine
from retouch.records.pair import PairRecord

EngineFactory = Callable[[], PairEngine]
UnitResult = tuple[PairRecord, ...]

Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)


class Maker(Protocol[Made_co]):
    """The part of an engine that runs in a worker."""

    def make(self, unit: int) -> Made_co:
        """What comes of a unit."""
        ...


QUEUED_PER_WORKER = 2
LOOK_AHEAD_PER_WORKER = 8
POLL_SECONDS = 0.5
ONE_THREAD: Mapping[str, str] = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "OPENCV_FOR_THREADS_NUM",
    ),
    "1",
)
"""What numerical libraries read when a worker starts: one process, one thread."""


@dataclass(frozen=True, kw_only=True)
class _Failure:
    unit: int
    error: RetouchError | None
    trace: str


@dataclass(kw_only=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    queued: list[int]


def make_units(
    factory: Callable[[], Maker[Made]], units: Sequence[int], *, workers: int, on_wait: Callable[[], None]
) -> Generator[Made, None, None]:
    """Make `units` on `workers` processes and yield what came of them in the order of `units`.

    `factory` is called once in every worker and must be picklable; with 0 workers everything happens in this
    process. `on_wait` is called between results and may raise to stop. An error in a worker is raised here;
    a worker that dies raises DataError naming its unit.
    """
    if workers == 0:
        engine = factory()
        for unit in units:
            on_wait()
            yield engine.make(unit)
        return
    pool = _start(factory, min(workers, len(units)))
    try:
        yield from _in_order(pool, units, on_wait)
    finally:
        _stop(pool)


def _in_order(pool: list[_Worker], units: Sequence[int], on_wait: Callable[[], None]) -> Iterator[Any]:
    finished: dict[int, Any] = {}
    sent = 0
    for position, unit in enumerate(units):
        while unit not in finished:
            horizon = min(len(units), position + LOOK_AHEAD_PER_WORKER * len(pool))
            sent += _hand_out(pool, units[sent:horizon])
            on_wait()
            finished.update(_collect(pool))
        yield finished.pop(unit)


def _hand_out(pool: list[_Worker], units: Sequence[int]) -> int:
    """Give every worker with room a unit, least busy first; return how many of `units` were given."""
    given = 0
    for unit in units:
        worker = min(pool, key=lambda candidate: len(candidate.queued))
        if len(worker.queued) >= QUEUED_PER_WORKER:
            break
        _send(worker, unit)
        given += 1
    return given


def _send(worker: _Worker, unit: int) -> None:
    worker.queued.append(unit)
    try:
        worker.connection.send(unit)
    except OSError as error:
        raise _death(worker) from error


def _collect(pool: list[_Worker]) -> dict[int, Any]:
    ready = wait([worker.connection for worker in pool if worker.queued], timeout=POLL_SECONDS)
    return dict(_receive(worker) for worker in pool if worker.connection in ready)


def _receive(worker: _Worker) -> tuple[int, Any]:
    try:
        result = worker.connection.recv()
    except (EOFError, OSError) as error:
        raise _death(worker) from error
    if isinstance(result, _Failure):
        if result.error is not None:
            raise result.error
        raise RuntimeError(f"Unit {result.unit} failed in its worker:\n{result.trace}")
    return worker.queued.pop(0), result


def _death(worker: _Worker) -> DataError:
    worker.process.join(POLL_SECONDS)
    units = " or ".join(map(str, worker.queued))
    return DataError(
        f"A worker died while it made unit {units} (exit code {worker.process.exitcode}); run the same "
        "command again to resume, with fewer workers if memory was short."
    )


def _start(factory: Callable[[], Maker[Any]], workers: int) -> list[_Worker]:
    context = multiprocessing.get_context("spawn")
    pool = []
    with _environment(ONE_THREAD):
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(factory, theirs), daemon=True)
            process.start()
            theirs.close()
            pool.append(_Worker(process=process, connection=ours, queued=[]))
    return pool


def _stop(pool: list[_Worker]) -> None:
    for worker in pool:
        worker.connection.close()
        worker.process.terminate()
    for worker in pool:
        worker.process.join()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(factory: Callable[[], Maker[Any]], connection: Connection) -> None:
    # Ctrl-C reaches the whole process group; the parent decides, and closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    engine: Maker[Any] | None = None
    while True:
        try:
            unit = connection.recv()
        except (EOFError, OSError):
            return
        try:
            engine = engine or factory()
            result = engine.make(unit)
        except RetouchError as error:
            result = _Failure(unit=unit, error=error, trace="")
        except Exception:
            result = _Failure(unit=unit, error=None, trace=traceback.format_exc())
        try:
            connection.send(result)
        except OSError:
            return
