"""The queue as those who ask see it: work put in, stopped, begun again and moved; workers take it elsewhere."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from retouch.designs.request import batch_key, from_json, together_key
from retouch.server.problems import Refusal
from retouch.server.store.columns import new_id, now
from retouch.server.store.tables import Node
from retouch.server.store.work_tables import EDIT_PRIORITY, LOOKUP_PRIORITY, Job, Lookup


def enqueue_nodes(session: Session, owner: str, nodes: Sequence[Node], limit: int) -> None:
    """Put nodes that wait into the queue, in their order.

    Raises Refusal (429) where the owner would then have more than `limit` jobs that wait.
    """
    check_room(session, owner, len(nodes), limit)
    place = _last_place(session, owner)
    for number, node in enumerate(nodes, start=1):
        request = from_json(node.request)
        job = _job("edit", owner, place + number)
        job.node_id, job.model, job.priority = node.id, request.model or "", EDIT_PRIORITY
        job.batch_key, job.together_key = batch_key(request, node.parent_id or ""), together_key(request)
        session.add(job)
    session.flush()


def enqueue_lookup(session: Session, lookup: Lookup, limit: int) -> None:
    """Put a lookup into the queue, before all edits; raises Refusal as `enqueue_nodes` does."""
    check_room(session, lookup.owner_id, 1, limit)
    job = _job("lookup", lookup.owner_id, _last_place(session, lookup.owner_id) + 1)
    job.lookup_id, job.model, job.priority, job.batch_key = lookup.id, "", LOOKUP_PRIORITY, lookup.id
    job.together_key = ""
    session.add(job)
    session.flush()


def check_room(session: Session, owner: str, count: int, limit: int) -> None:
    """Raise Refusal (429) where `count` more jobs of an owner would be more than `limit` that wait."""
    waiting = session.scalar(select(func.count()).where(Job.owner_id == owner, Job.state == "waiting")) or 0
    if waiting + count > limit:
        raise Refusal(
            f"The queue is full: {waiting} edits wait and at most {limit} may; wait for some, or cancel them.",
            status=429,
            code="queue-full",
        )


def stop(session: Session, nodes: Sequence[str]) -> None:
    """Cancel those of these nodes that wait, and ask the workers to stop those that run."""
    at = now()
    cancelled = (
        update(Job)
        .where(Job.node_id.in_(nodes), Job.state == "waiting")
        .values(state="cancelled", finished_at=at)
        .returning(Job.node_id)
        .execution_options(synchronize_session=False)
    )
    ended = [name for name in session.scalars(cancelled) if name is not None]
    session.execute(update(Node).where(Node.id.in_(ended)).values(state="cancelled", finished_at=at))
    running = update(Job).where(Job.node_id.in_(nodes), Job.state == "running").values(cancel_requested=True)
    session.execute(running.execution_options(synchronize_session=False))


def begin_again(session: Session, owner: str, nodes: Sequence[Node], limit: int) -> None:
    """Let the work on nodes that were cancelled or failed begin anew; those that still run, told to stop, go on.

    Raises Refusal as `enqueue_nodes` does.
    """
    names = [node.id for node in nodes]
    jobs = {job.node_id: job for job in session.scalars(select(Job).where(Job.node_id.in_(names)).with_for_update())}
    ended = [node for node in nodes if node.state in ("failed", "cancelled")]
    enqueue_nodes(session, owner, [_waiting(node) for node in ended if node.id not in jobs], limit)
    check_room(session, owner, sum(node.id in jobs for node in ended), limit)
    place = _last_place(session, owner)
    for node in nodes:
        job = jobs.get(node.id)
        if job is None:
            continue
        job.cancel_requested = False
        if job.state in ("failed", "cancelled"):
            place += 1
            _reset(job, place)
            _waiting(node)
    session.flush()


def move(session: Session, job: Job, to: str) -> None:
    """Let a job that waits be the next of its owner's, or the last."""
    same = select(func.min(Job.place), func.max(Job.place)).where(Job.owner_id == job.owner_id, Job.state == "waiting")
    first, last = session.execute(same).one()
    job.place = (first or 0) - 1 if to == "front" else (last or 0) + 1


def places(session: Session, owner: str, *, most: int | None = None) -> dict[str, int]:
    """Where the nodes of an owner that wait stand in the owner's queue, by their ids; 1 is next. `most`: no more."""
    order = (Job.priority.desc(), Job.place, Job.id)
    rank = func.row_number().over(order_by=order)
    waiting = select(Job.node_id, rank).where(Job.owner_id == owner, Job.state == "waiting")
    rows = session.execute(waiting.order_by(*order).limit(most))
    return {name: number for name, number in rows if name is not None}


def _job(kind: str, owner: str, place: int) -> Job:
    fresh: dict[str, Any] = {"state": "waiting", "attempts": 0, "cancel_requested": False, "done": 0, "total": 0}
    return Job(id=new_id(), kind=kind, owner_id=owner, place=place, created_at=now(), **fresh)


def _reset(job: Job, place: int) -> None:
    job.state, job.place, job.attempts, job.done, job.total = "waiting", place, 0, 0, 0
    job.error = job.worker_id = None
    job.lease_until = job.heartbeat_at = job.started_at = job.finished_at = None


def _waiting(node: Node) -> Node:
    node.state, node.error, node.finished_at = "waiting", None, None
    return node


def _last_place(session: Session, owner: str) -> int:
    return cast(int | None, session.scalar(select(func.max(Job.place)).where(Job.owner_id == owner))) or 0
