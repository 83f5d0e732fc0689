"""The one lock that every change of a project takes first, so that no two wait for each other."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from retouch.server.store.tables import Project


def lock_project(session: Session, project_id: str) -> Project | None:
    """Let nobody else change a project until the transaction ends; None where it is gone."""
    locked = select(Project).where(Project.id == project_id).with_for_update().execution_options(populate_existing=True)
    return session.execute(locked).scalar_one_or_none()
