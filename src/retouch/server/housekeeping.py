"""What goes by itself: uploads and pictures that nothing names, and what was kept for those who ask again."""

import asyncio
import logging
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from retouch.core.errors import RetouchError
from retouch.server.context import Context
from retouch.server.security.people import forget_sessions
from retouch.server.store import events, idempotent, images, uploads
from retouch.server.store.columns import now

KEPT = timedelta(days=1)
EVENTS_KEPT = timedelta(days=7)
MOST_EVENTS = 10_000
"""Of a project: who follows it and has been away for longer, or for more, reads it anew."""
EVERY_SECONDS = 3600
_LOG = logging.getLogger(__name__)


def tidy(context: Context) -> int:
    """Remove uploads older than a day that no edit names, answers and orphans as old, and sessions that are over.

    Events go too that are older still. Returns how many uploads went.
    """
    before = now() - KEPT
    context.database.write(lambda session: idempotent.forget(session, before))
    context.database.write(forget_sessions)
    purge_events(context, now() - EVENTS_KEPT, MOST_EVENTS)
    remove_orphans(context, before)
    return context.database.write(lambda session: uploads.sweep(session, context.blobs, before))


def purge_events(context: Context, before: datetime, most: int) -> int:
    """Forget the events of each project from before a time, and all but its last `most`; how many."""
    with context.database.read() as session:
        found = events.outdated(session, before, most)
    return sum(
        context.database.write(lambda session, project=project, last=last: events.purge(session, project, last))
        for project, last in found.items()
    )


def remove_orphans(context: Context, before: datetime) -> int:
    """Remove pictures written before a time that the database knows nothing of, and unfinished files; how many."""
    blobs, write = context.blobs, context.database.write
    with context.database.read() as session:
        orphans = images.unknown(session, blobs.older(before))
    count = blobs.remove_unfinished(before)
    return count + sum(write(lambda session, one=one: images.drop_orphan(session, blobs, one)) for one in orphans)


async def tidy_for_ever(context: Context) -> None:
    """Tidy now and every hour, until cancelled; what goes wrong is logged and tried again."""
    while True:
        try:
            await asyncio.to_thread(tidy, context)
        except (RetouchError, SQLAlchemyError):
            _LOG.exception("Tidying failed")
        await asyncio.sleep(EVERY_SECONDS)
