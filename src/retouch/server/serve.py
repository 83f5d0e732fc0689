"""Run the server: its HTTP process, which holds no model, and the workers that do."""

import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from retouch.core.errors import ServerError
from retouch.server.app import create_app
from retouch.server.context import Context, Limits
from retouch.server.jobs.opened import open_queue
from retouch.server.jobs.queue import WorkQueue
from retouch.server.logs import write_logs
from retouch.server.offered import offered_models
from retouch.server.page import serve_page
from retouch.server.rooms import gallery_pictures
from retouch.server.security.names import LOOPBACK_NAMES, is_loopback
from retouch.server.security.people import has_users, local_is_open
from retouch.server.security.rates import Rate
from retouch.server.settings import ServerSettings
from retouch.server.supervise import Supervisor

log = structlog.get_logger()
EXPIRE_SECONDS = 2.0
GRACE_SECONDS = 10
"""How long answers under way may take when the server ends."""


def serve(settings: ServerSettings, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then end in good order; `tell` hears the address once it answers there.

    Where there are no users the address holds a token that lets one browser in, once.

    Raises ServerError where address, database or place of pictures cannot be used, and where others than this machine
    could reach the server although it has no users.
    """
    check_host(settings.host)
    write_logs()
    listening = listen(settings.host, settings.port)
    queue = open_queue(settings)
    context = context_of(settings, queue)
    try:
        entrance = check_reach(settings, context)
    except ServerError:
        listening.close()
        queue.database.close()
        raise
    app = app_of(context)
    supervisor = Supervisor(settings=settings, queue=queue)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, server_header=False
    )
    server = uvicorn.Server(config)
    # These act until uvicorn has its own, and when that raises again what it caught, with our work still to be done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: setattr(server, "should_exit", True))
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(server, app, queue, ended), name="keeper", daemon=True)
    try:
        supervisor.start()
        keeper.start()
        tell(address_of(settings.host, listening) + entrance)
        server.run(sockets=[listening])
    finally:
        ended.set()
        supervisor.stop()
        keeper.join()
        listening.close()
        queue.database.close()
        log.info("server-ended")


def context_of(settings: ServerSettings, queue: WorkQueue) -> Context:
    """What a server is made of, on a queue's database and pictures."""
    rate = settings.requests_per_second
    return Context(
        database=queue.database,
        blobs=queue.blobs,
        models=offered_models(settings.models),
        gallery=gallery_pictures(),
        limits=Limits(requests=Rate(per_second=rate, burst=20 * rate)),
        hosts=LOOPBACK_NAMES | frozenset(settings.names) if is_loopback(settings.host) else None,
    )


def app_of(context: Context) -> FastAPI:
    """The app with its page."""
    app = create_app(context)
    serve_page(app)
    return app


def check_host(host: str) -> None:
    """Raise ServerError for what is no address to listen at."""
    try:
        if host != "localhost":
            ipaddress.ip_address(host)
    except ValueError as problem:
        raise ServerError(f"'{host}' is no address to listen at; give an IP address such as 127.0.0.1.") from problem


def check_reach(settings: ServerSettings, context: Context) -> str:
    """What to put behind the address for the one who runs a server without users: "" where it has users.

    Raises ServerError where others than this machine could reach a server without users.
    """
    with context.database.read() as session:
        if has_users(session):
            return ""
        is_open = local_is_open(session)
    if not is_loopback(settings.host) or settings.names:
        where = f"'{settings.host}'" if not settings.names else f"'{settings.names[0]}'"
        raise ServerError(
            f"{where} can be reached from other machines, which needs users; add one with `retouch users add NAME`, "
            "or listen at 127.0.0.1."
        )
    return f"/?token={context.entrance.once.draw()}" if is_open else ""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises ServerError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise ServerError(
            f"The server cannot listen at {host}, port {port} ({reason}); choose another --port."
        ) from problem


def address_of(host: str, listening: socket.socket) -> str:
    """The address to open in a browser."""
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _keep(server: uvicorn.Server, app: FastAPI, queue: WorkQueue, ended: threading.Event) -> None:
    """Take back what lost workers held, for as long as the server runs; then let all who follow go."""
    waited = 0.0
    while not server.should_exit and not ended.wait(0.1):
        waited += 0.1
        if waited < EXPIRE_SECONDS:
            continue
        waited = 0.0
        try:
            queue.expire()
        except SQLAlchemyError as problem:
            log.warning("leases-not-read", problem=str(problem))
    app.state.events.close()
