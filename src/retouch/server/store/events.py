"""Events: that something changed in a project, told once and in the order of the commits."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import text
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
