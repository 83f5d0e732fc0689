"""What of the work that waits a worker may take along in a batch, and what it leaves to others that have none."""

from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from retouch.server.jobs.held import Claim
from retouch.server.jobs.state import LIVES
from retouch.server.store.work_tables import Job, Worker


def alike(first: Claim) -> ColumnElement[bool]:
    """What can be made in one batch with a claim, and was never tried yet."""
    return (Job.together_key == first.together_key) & (Job.together_key != "") & (Job.attempts == 0)


def has_more(session: Session, first: Claim, held: int, at: datetime) -> bool:
    """Whether more waits that can be made beside a claim than is to be left to workers that hold nothing.

    Each of them is left as many as are `held` here.
    """
    waiting = session.scalar(select(func.count()).where(Job.state == "waiting", alike(first))) or 0
    return waiting > 0 and waiting > held * _idle(session, first.model, at)


def _idle(session: Session, model: str, at: datetime) -> int:
    """How many workers could begin edits with a model now, but hold nothing."""
    busy = select(Job.worker_id).where(Job.state == "running", Job.worker_id.is_not(None))
    ready = select(Worker.models).where(Worker.seen_at > at - LIVES, Worker.loading == "", Worker.id.not_in(busy))
    return sum(not model or model in models for models in session.scalars(ready))
