"""What goes by itself: uploads that nothing names, and answers that were kept for those who ask twice."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from retouch.core.errors import RetouchError
from retouch.server.context import Context
from retouch.server.security.people import forget_sessions
from retouch.server.store import idempotent, uploads
from retouch.server.store.columns import now

KEPT = timedelta(days=1)
EVERY_SECONDS = 3600
_LOG = logging.getLogger(__name__)


def tidy(context: Context) -> int:
    """Remove uploads older than a day that no edit names, answers as old, and sessions that are over; count uploads."""
    before = now() - KEPT
    context.database.write(lambda session: idempotent.forget(session, before))
    context.database.write(forget_sessions)
    return context.database.write(lambda session: uploads.sweep(session, context.blobs, before))


async def tidy_for_ever(context: Context) -> None:
    """Tidy now and every hour, until cancelled; what goes wrong is logged and tried again."""
    while True:
        try:
            await asyncio.to_thread(tidy, context)
        except (RetouchError, SQLAlchemyError):
            _LOG.exception("Tidying failed")
        await asyncio.sleep(EVERY_SECONDS)
