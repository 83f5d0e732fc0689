"""The queue that a server's settings name, its database up to date."""

from datetime import timedelta

from retouch.core.errors import ServerError
from retouch.server.blobs import open_blobs
from retouch.server.jobs.queue import WorkQueue
from retouch.server.jobs.rules import Rules
from retouch.server.settings import ServerSettings
from retouch.server.store.database import open_database


def open_queue(settings: ServerSettings) -> WorkQueue:
    """Open database and pictures; raises ServerError where either cannot be used."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        reason = problem.strerror or problem
        raise ServerError(f"The folder {settings.data} cannot be made ({reason}); choose another.") from problem
    rules = Rules(
        lease=timedelta(seconds=settings.lease_seconds),
        heartbeat=timedelta(seconds=settings.heartbeat_seconds),
        attempts=settings.attempts,
        batch=settings.batch,
    )
    database = open_database(settings.database_address)
    return WorkQueue(database=database, blobs=open_blobs(settings.blobs_address), rules=rules)
