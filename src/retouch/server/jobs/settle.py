"""How a job ends: once, together with its node or lookup, in one transaction with the event that tells it."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retouch.server.blobs import Blobs
from retouch.server.jobs.held import Found, Held, Made
from retouch.server.jobs.locks import lock_project
from retouch.server.jobs.rules import BEFORE_IT
from retouch.server.killpoints import reached
from retouch.server.pictures import StoredPicture
from retouch.server.store.events import record
from retouch.server.store.images import facts_of, keep
from retouch.server.store.tables import Node, Project
from retouch.server.store.work_tables import Job, Lookup, Preview


def job_and_project(session: Session, job_id: str) -> tuple[Job, Project] | None:
    """A job and its project, locked, the project first; None where they are gone."""
    places = (
        select(Node.project_id).join(Job, Job.node_id == Node.id).where(Job.id == job_id),
        select(Node.project_id)
        .join(Lookup, Lookup.node_id == Node.id)
        .join(Job, Job.lookup_id == Lookup.id)
        .where(Job.id == job_id),
    )
    ids = [found for place in places if (found := session.scalar(place)) is not None]
    project = lock_project(session, ids[0]) if ids else None
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    return None if project is None or job is None else (job, project)


def finish_edit(session: Session, blobs: Blobs, held: Held, made: Made, at: datetime) -> bool:
    """Take in a picture, from who holds the job; whether it was. What was asked to be cancelled is cancelled."""
    found = _still(session, held)
    if found is None:
        return False
    job, project = found
    if job.cancel_requested:
        settle(session, project, job, "cancelled", at)
        return False
    node = session.get_one(Node, job.node_id)
    node.image_id = _kept(session, blobs, made.image)
    node.mask_image_id = None if made.mask is None else _kept(session, blobs, made.mask)
    node.request, node.warnings = made.request, list(made.warnings)
    reached("inside-finish")
    settle(session, project, job, "done", at)
    return True


def finish_lookup(session: Session, blobs: Blobs, held: Held, region: Found, at: datetime) -> bool:
    """Take in a region that was found, from who holds the job; whether it was."""
    found = _still(session, held)
    if found is None:
        return False
    job, project = found
    lookup = session.get_one(Lookup, job.lookup_id)
    lookup.found, lookup.share = region.found, region.share
    lookup.box = None if region.box is None else list(region.box)
    lookup.mask_image_id = _kept(session, blobs, region.mask)
    settle(session, project, job, "done", at)
    return True


def end(session: Session, held: Held, state: str, at: datetime, error: str | None = None) -> bool:
    """Let a job fail, or be cancelled where that was asked for, from who holds it; whether it did."""
    found = _still(session, held)
    if found is None:
        return False
    job, project = found
    if state == "cancelled" and not job.cancel_requested:
        return False
    if job.cancel_requested:
        state, error = "cancelled", None
    settle(session, project, job, state, at, error=error)
    return True


def end_orphan(session: Session, job_id: str, at: datetime) -> bool:
    """Let a job end that waits for a picture which will not be made; whether it did."""
    found = job_and_project(session, job_id)
    if found is None or found[0].state != "waiting":
        return False
    job, project = found
    node = session.get_one(Node, job.node_id, populate_existing=True)
    parent = session.get_one(Node, node.parent_id, populate_existing=True)
    if parent.state not in ("failed", "cancelled"):
        return False
    settle(session, project, job, parent.state, at, error=BEFORE_IT if parent.state == "failed" else None)
    return True


def settle(session: Session, project: Project, job: Job, state: str, at: datetime, *, error: str | None = None) -> None:
    """Write the final state of a job and of its node or lookup; what waits for one that was not made ends like it."""
    changed = _written(session, job, state, at, error)
    if job.node_id is None:
        record(session, project, "lookup", changed)
        return
    if state != "done":
        for below in list(_waiting_below(session, job.node_id)):
            changed += _written(session, below, state, at, BEFORE_IT if state == "failed" else None)
    record(session, project, "nodes", changed)


def _kept(session: Session, blobs: Blobs, picture: StoredPicture) -> str:
    return keep(session, blobs, facts_of(picture), lambda: picture)


def _written(session: Session, job: Job, state: str, at: datetime, error: str | None) -> list[str]:
    job.state, job.error, job.finished_at = state, error, at
    job.lease_until = None
    if state == "done":
        job.done = job.total
    session.execute(delete(Preview).where(Preview.job_id == job.id))
    kind = Node if job.node_id is not None else Lookup
    subject = session.get_one(kind, job.node_id or job.lookup_id)
    subject.state, subject.error, subject.finished_at = state, error, at
    session.flush()
    return [subject.id]


def _waiting_below(session: Session, node_id: str) -> Iterator[Job]:
    children = select(Job).join(Node, Node.id == Job.node_id).where(Node.parent_id == node_id, Job.state == "waiting")
    for job in list(session.scalars(children)):
        yield job
        yield from _waiting_below(session, job.node_id or "")


def _still(session: Session, held: Held) -> tuple[Job, Project] | None:
    found = job_and_project(session, held.job_id)
    if found is None:
        return None
    job = found[0]
    mine = (job.state, job.worker_id, job.attempts) == ("running", held.worker_id, held.attempt)
    return found if mine else None
