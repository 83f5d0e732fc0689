"""Leases: signs of life of workers, and what becomes of the work of those that give none."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from retouch.server.jobs.held import Held
from retouch.server.jobs.rules import Rules, crashed
from retouch.server.jobs.settle import job_and_project, settle
from retouch.server.store.events import record
from retouch.server.store.tables import Node, Project
from retouch.server.store.work_tables import Job, Lookup, Preview, Worker

_FORGOTTEN = timedelta(hours=1)


def renew(session: Session, held: Sequence[Held], rules: Rules, at: datetime) -> None:
    """Make the leases of these jobs last longer, of those that are still held."""
    for one in held:
        session.execute(
            update(Job)
            .where(Job.id == one.job_id, Job.state == "running")
            .where(Job.worker_id == one.worker_id, Job.attempts == one.attempt)
            .values(lease_until=at + rules.lease, heartbeat_at=at)
        )


def wanted(session: Session, held: Sequence[Held]) -> dict[str, bool]:
    """For each of these jobs that is still held, whether it is still wanted rather than to be cancelled."""
    rows = session.execute(
        select(Job.id, Job.worker_id, Job.attempts, Job.cancel_requested).where(
            Job.id.in_([one.job_id for one in held]), Job.state == "running"
        )
    ).all()
    mine = {(one.job_id, one.worker_id, one.attempt) for one in held}
    return {job: not cancel for job, worker, attempt, cancel in rows if (job, worker, attempt) in mine}


def report(session: Session, held: Sequence[Held], done: int, total: int, previews: Sequence[bytes]) -> None:
    """Write how far an edit is, and how its pictures look where `previews` has one for each."""
    still = wanted(session, held)
    for number, one in enumerate(held):
        if one.job_id not in still:
            continue
        session.execute(update(Job).where(Job.id == one.job_id).values(done=done, total=total))
        if len(previews) == len(held):
            session.merge(Preview(job_id=one.job_id, image=previews[number], step=done))


def lapsed(session: Session, at: datetime) -> list[str]:
    """The jobs that run by a lease that is over."""
    return list(session.scalars(select(Job.id).where(Job.state == "running", Job.lease_until < at)))


def held_by(session: Session, worker_id: str) -> list[str]:
    """The jobs that a worker holds."""
    return list(session.scalars(select(Job.id).where(Job.state == "running", Job.worker_id == worker_id)))


def take_back(
    session: Session,
    job_id: str,
    rules: Rules,
    at: datetime,
    *,
    worker_id: str | None = None,
    counts: bool = True,
    error: str | None = None,
) -> bool:
    """Let a job wait again whose worker died or gave it back, or end where it was tried often enough; whether it did.

    Without `worker_id`, only where its lease is over; with it, only where that worker holds it. `counts` says whether
    it was an attempt; `error` is what to tell where it ends, if not that the worker crashed.
    """
    found = job_and_project(session, job_id)
    if found is None:
        return False
    job, project = found
    over = job.lease_until is None or job.lease_until < at
    if job.state != "running" or (job.worker_id != worker_id if worker_id else not over):
        return False
    if job.cancel_requested:
        settle(session, project, job, "cancelled", at)
    elif counts and job.attempts >= rules.attempts:
        settle(session, project, job, "failed", at, error=error or crashed(job.attempts))
    else:
        job.attempts -= 0 if counts else 1
        wait_again(session, project, job)
    return True


def wait_again(session: Session, project: Project, job: Job) -> None:
    """Put a job, and its node or lookup, back among those that wait."""
    job.state = "waiting"
    job.worker_id = job.lease_until = job.heartbeat_at = job.started_at = job.finished_at = job.error = None
    job.cancel_requested, job.done, job.total = False, 0, 0
    session.execute(delete(Preview).where(Preview.job_id == job.id))
    kind = Node if job.node_id is not None else Lookup
    subject = session.get_one(kind, job.node_id or job.lookup_id)
    subject.state, subject.error, subject.finished_at = "waiting", None, None
    session.flush()
    record(session, project, "nodes" if job.node_id is not None else "lookup", [subject.id])


def seen(session: Session, worker: Worker) -> None:
    """Write that a worker lives."""
    session.merge(worker)


def forget(session: Session, at: datetime) -> None:
    """Forget workers that were last heard of an hour ago."""
    session.execute(delete(Worker).where(Worker.seen_at < at - _FORGOTTEN))


def gone(session: Session, worker_id: str) -> None:
    """Forget a worker that ended."""
    session.execute(delete(Worker).where(Worker.id == worker_id))
