"""The loop of a worker process: claim, do, claim again, until it is asked to end."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from retouch.core.errors import ModelError, RetouchError
from retouch.designs.request import Request
from retouch.editing.protocol import InstructionEditor
from retouch.server.jobs import lease
from retouch.server.jobs.opened import open_queue
from retouch.server.jobs.queue import WorkQueue
from retouch.server.killpoints import reached
from retouch.server.offered import choose_model
from retouch.server.settings import ServerSettings
from retouch.server.store.columns import new_id
from retouch.server.worker.grounds import Grounds, PocketGrounds
from retouch.server.worker.loaded import LoadedModels
from retouch.server.worker.pulse import Pulse
from retouch.server.worker.together import Together, at_once, with_others
from retouch.server.worker.watch import Beat, Identity
from retouch.server.worker.work import NO_MEMORY, Pace, Tools, do

log = structlog.get_logger()
READY_SECONDS, IDLE_SECONDS = 0.05, 0.2
"""Between looks for work: for a while after the last, since who waited for that asks for more, and later on."""
READY_FOR_SECONDS = 10.0
EXPIRE_SECONDS = 2.0
TROUBLE_SECONDS = 2.0
PATIENCE_SECONDS = 10.0
"""How long a worker that is to end waits for a model that is still being loaded."""


def run_worker(settings: ServerSettings, *, worker_id: str | None = None, parent: int | None = None) -> None:
    """Work until SIGTERM or SIGINT, or until the process `parent` is gone; what is under way then waits again.

    Raises ServerError where the database or the place of pictures cannot be used.
    """
    queue = open_queue(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _asking(stop))
    identity = Identity(
        id=worker_id or new_id(), host=socket.gethostname(), pid=os.getpid(), models=tuple(settings.models)
    )
    log.info("worker-began", worker=identity.id, pid=identity.pid, fake=settings.fake)
    try:
        pulse = Pulse(step=settings.stall_seconds, loading=settings.loading_seconds)
        tools = tools_of(settings, queue, pulse)
        with Beat(queue, identity, stop, parent=parent, pulse=pulse) as beat:
            reached("worker-began")
            queue.forget()
            loading = _preloading(settings, tools)
            work(queue, tools, identity, beat, stop, loading=loading.is_alive)
            loading.join(PATIENCE_SECONDS)
        queue.database.write(lambda session: lease.gone(session, identity.id))
    finally:
        queue.database.close()
        log.info("worker-ended", worker=identity.id)


def tools_of(settings: ServerSettings, queue: WorkQueue, pulse: Pulse) -> Tools:
    """What a worker works with, models not loaded yet."""
    load, grounds = _parts(settings, pulse)
    models = LoadedModels(names=tuple(settings.models), load=load, most=settings.keep_loaded)
    return Tools(
        queue=queue,
        models=models,
        grounds=grounds,
        pace=Pace(preview=settings.preview_seconds),
        pulse=pulse,
        together=_together(settings),
    )


def work(
    queue: WorkQueue,
    tools: Tools,
    identity: Identity,
    beat: Beat,
    stop: threading.Event,
    *,
    loading: Callable[[], bool] = lambda: False,
) -> None:
    """Claim and do until `stop`; where the database is out of reach, try again in a while.

    As long as the first model is `loading`, edits go on waiting, and can be cancelled; lookups are answered.
    """
    expired = worked = 0.0
    while not stop.is_set():
        try:
            if time.monotonic() - expired >= EXPIRE_SECONDS:
                expired = time.monotonic()
                queue.expire()
            claim = queue.claim(identity.id, identity.models, lookups_only=loading())
            if claim is None:
                ready = time.monotonic() - worked < READY_FOR_SECONDS
                stop.wait(READY_SECONDS if ready else IDLE_SECONDS)
                continue
            claims = with_others(queue, claim, tools.models, tools.together)
            beat.hold([held for each in claims for held in each.held])
            reached("after-claim")
            do(claims, tools, stop)
            worked = time.monotonic()
        except SQLAlchemyError as problem:
            log.warning("database-trouble", problem=str(problem))
            stop.wait(TROUBLE_SECONDS)
        finally:
            beat.hold(())


def _preloading(settings: ServerSettings, tools: Tools) -> threading.Thread:
    """Begin to load what edits by words, so that the first edit does not wait for it; the thread that does."""

    def load() -> None:
        try:
            tools.models.get(choose_model(Request(), tools.models.names))
        except RetouchError as problem:
            log.warning("model-not-loaded", problem=str(problem))
        except Exception:
            log.exception("model-not-loaded")

    if not settings.fake:
        with tools.pulse.loads(tools.models.names[0]):
            _import_what_loads()
    thread = threading.Thread(target=load, name="preload", daemon=True)
    thread.start()
    return thread


def _import_what_loads() -> None:
    # Two threads that import parts of one library at the same time may find it half there, so this is done before.
    import retouch.editing.grounded
    import retouch.editing.load
    import retouch.editing.together
    import retouch.grounding.locate
    import retouch.models.placement  # noqa: F401


def _together(settings: ServerSettings) -> Together:
    if settings.fake:
        return Together(pictures=lambda _: settings.together or 1)
    return Together(pictures=partial(at_once, asked=settings.together))


def _asking(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: stop.set()


def _parts(settings: ServerSettings, pulse: Pulse) -> tuple[Callable[[str, bool], InstructionEditor], Grounds]:
    if settings.fake:
        from retouch.server.worker.fakes import FakeGrounds, slow_editor

        return (lambda name, _: slow_editor(name, settings.step_seconds)), FakeGrounds()

    def load(name: str, sparing: bool) -> InstructionEditor:
        from retouch.editing.load import load_editor, sparing_mode
        from retouch.editing.pipelines.families import known_classes
        from retouch.editing.pipelines.index import pipeline_class

        backend = "auto" if pipeline_class(name) in known_classes() else settings.backend
        memory = sparing_mode(settings.device, backend) if sparing else "auto"
        if sparing and memory == "auto":
            raise ModelError(NO_MEMORY)
        with pulse.loads(name):
            return load_editor(
                name,
                device=settings.device,
                precision=settings.precision,
                # What computes by where the weights lie cannot have them move.
                backend="auto" if memory == "offload" else backend,
                memory=memory,
            )

    return load, PocketGrounds(settings.device)
