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
from retouch.server.context import Context
from retouch.server.jobs.opened import open_queue
from retouch.server.jobs.queue import WorkQueue
from retouch.server.logs import write_logs
from retouch.server.offered import offered_models
from retouch.server.page import serve_page
from retouch.server.settings import ServerSettings
from retouch.server.supervise import Supervisor

log = structlog.get_logger()
EXPIRE_SECONDS = 2.0
GRACE_SECONDS = 10
"""How long answers under way may take when the server ends."""


def serve(settings: ServerSettings, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then end in good order; `tell` hears the address once it answers there.

    Raises ServerError where address, database or place of pictures cannot be used.
    """
    check_host(settings.host)
    write_logs()
    listening = listen(settings.host, settings.port)
    queue = open_queue(settings)
    app = app_of(settings, queue)
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
        tell(address_of(settings.host, listening))
        server.run(sockets=[listening])
    finally:
        ended.set()
        supervisor.stop()
        keeper.join()
        listening.close()
        queue.database.close()
        log.info("server-ended")


def app_of(settings: ServerSettings, queue: WorkQueue) -> FastAPI:
    """The app on a queue's database and pictures."""
    context = Context(database=queue.database, blobs=queue.blobs, models=offered_models(settings.models))
    app = create_app(context)
    serve_page(app)
    return app


def check_host(host: str) -> None:
    """Raise ServerError where others than this machine could reach the address: this server has no users yet."""
    if host == "localhost":
        return
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError as problem:
        raise ServerError(f"'{host}' is no address to listen at; give an IP address such as 127.0.0.1.") from problem
    if not local:
        raise ServerError(f"'{host}' can be reached from other machines, which needs users; listen at 127.0.0.1.")


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
