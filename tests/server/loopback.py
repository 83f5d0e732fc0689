"""An app behind a real server on loopback, in a thread of the tests' own process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from tests.server.living import waited


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an app until the block ends; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        waited(lambda: True if server.started else None)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        app.state.events.close()
        server.should_exit = True
        thread.join(20)
        listening.close()
