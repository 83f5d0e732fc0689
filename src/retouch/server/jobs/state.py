"""How full an owner's queue is, and whether it is paused."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retouch.server.store.work_tables import Job, OwnersQueue, Worker

LIVES = timedelta(seconds=15)
"""For how long after its last sign of life a worker counts as there."""


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """How many jobs of an owner wait and run, whether they are paused, how many workers there are, what they load."""

    waiting: int
    running: int
    paused: bool
    workers: int
    loading: tuple[str, ...]


def queue_state(session: Session, owner_id: str, at: datetime) -> QueueState:
    """How full an owner's queue is."""
    counts = select(Job.state, func.count()).where(Job.owner_id == owner_id, Job.state.in_(("waiting", "running")))
    found = dict(session.execute(counts.group_by(Job.state)).tuples().all())
    paused = session.get(OwnersQueue, owner_id)
    loads = select(Worker.loading).where(Worker.seen_at > at - LIVES, Worker.loading != "").distinct()
    return QueueState(
        waiting=found.get("waiting", 0),
        running=found.get("running", 0),
        paused=paused is not None and paused.paused,
        workers=session.scalar(select(func.count()).where(Worker.seen_at > at - LIVES)) or 0,
        loading=tuple(session.scalars(loads.order_by(Worker.loading))),
    )


def pause(session: Session, owner_id: str, paused: bool) -> None:
    """Let nothing more of an owner's begin, or let it begin again."""
    session.merge(OwnersQueue(owner_id=owner_id, paused=paused))
