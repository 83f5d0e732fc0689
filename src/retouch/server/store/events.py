"""Events: that something changed in a project, told once and in the order of the commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from retouch.server.store.columns import now
from retouch.server.store.tables import Event, Project

Kind = Literal["nodes", "lookup", "project", "reset"]
_LOCK = 7_305_817_204


def record(session: Session, project: Project, kind: Kind, ids: Sequence[str] = ()) -> int:
    """Write that nodes or a lookup of these ids, the project's own fields, or all of it changed; return its version.

    Call it last in a transaction that has locked the project: until that ends, no other event is written anywhere, so
    that whoever has read an event has read all before it.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    event = Event(project_id=project.id, kind=kind, payload={"ids": list(ids)}, created_at=now())
    session.add(event)
    session.flush()
    project.version, project.updated_at = event.id, event.created_at
    return event.id


def outdated(session: Session, before: datetime, most: int) -> dict[str, int]:
    """The projects with more than one event from before a time or beyond their last `most`; the last of those."""
    rank = func.row_number().over(partition_by=Event.project_id, order_by=Event.id.desc()).label("rank")
    ranked = select(Event.id, Event.project_id, Event.created_at, rank).subquery()
    old = or_(ranked.c.created_at < before, ranked.c.rank > most)
    last = select(ranked.c.project_id, func.max(ranked.c.id)).where(old).group_by(ranked.c.project_id)
    return dict(session.execute(last.having(func.count() > 1)).tuples().all())


def purge(session: Session, project_id: str, last: int) -> int:
    """Forget the events of a project up to one of them; return how many.

    That one becomes a `reset`, so that whoever has not had it yet is told to read the project anew.
    """
    session.execute(update(Event).where(Event.id == last).values(kind="reset", payload={"ids": []}))
    gone = delete(Event).where(Event.project_id == project_id, Event.id < last).returning(Event.id)
    return len(session.scalars(gone.execution_options(synchronize_session=False)).all())
