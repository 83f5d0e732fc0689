"""Which job is next: of the owner who had least, what may begin, in the order its owner gave it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, or_, select
from sqlalchemy.orm import Session, aliased

from retouch.server.jobs.held import Claim, Held
from retouch.server.jobs.locks import lock_project
from retouch.server.jobs.rules import Rules
from retouch.server.jobs.share import alike
from retouch.server.store.events import record
from retouch.server.store.tables import Node, Picture, Project
from retouch.server.store.work_tables import Job, Lookup, OwnersQueue

DRAWN_SEEDS = 2**32
"""Seeds that are drawn lie below, so that every program reads them exactly."""
_Source = aliased(Node, name="source")
_Its, _First = aliased(Picture, name="its"), aliased(Picture, name="first")
_AHEAD = (Job.priority.desc(), Job.place, Job.id)


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """Who claims: a worker, the models it has, by which rules, when, and at most how many jobs; perhaps nothing but
    lookups, or `beside` a claim that it has nothing but what can be made in one batch with that."""

    worker_id: str
    models: tuple[str, ...]
    rules: Rules
    at: datetime
    most: int
    lookups_only: bool = False
    beside: Claim | None = None


def orphans(session: Session) -> list[str]:
    """Jobs that wait for a picture that will not be made, since work on it failed or was cancelled."""
    waits = select(Job.id).join(Node, Node.id == Job.node_id).join(_Source, _Source.id == Node.parent_id)
    return list(session.scalars(waits.where(Job.state == "waiting", _Source.state.in_(("failed", "cancelled")))))


def any_waits(session: Session) -> bool:
    """Whether it is worth while to claim."""
    return session.scalar(select(Job.id).where(Job.state == "waiting").limit(1)) is not None


def claim(session: Session, who: Claimant) -> Claim | None:
    """Give a worker the next job of those whose model it has, with what can be made along with it; None: nothing.

    Owners take turns: first those of whom least runs, of them whose last job began longest ago.
    """
    for owner in _owners(session, who):
        where = _ready(_Source.project_id, who).where(Job.owner_id == owner).order_by(*_AHEAD).limit(1)
        found = session.execute(where).scalar_one_or_none()
        project = None if found is None else lock_project(session, found)
        if project is None:
            continue
        # Others may have claimed since; what is read now, under the lock, stays.
        best = _ready(Job, who).where(Job.owner_id == owner, _Source.project_id == project.id)
        locked = best.order_by(*_AHEAD).limit(1).with_for_update(of=Job, skip_locked=True)
        first = session.execute(locked).scalar_one_or_none()
        if first is not None:
            return _begun(session, first, project, who)
    return None


def _owners(session: Session, who: Claimant) -> list[str]:
    """Those of whom something may begin, in their turn."""
    owners = list(session.execute(_ready(Job.owner_id, who).distinct()).scalars())
    if len(owners) < 2:
        return owners
    runs = select(Job.owner_id, func.count()).where(Job.state == "running", Job.owner_id.in_(owners))
    running = dict(session.execute(runs.group_by(Job.owner_id)).tuples().all())
    last = {owner: session.scalar(select(func.max(Job.started_at)).where(Job.owner_id == owner)) for owner in owners}

    def turn(owner: str) -> tuple[int, float, str]:
        began = last[owner]
        return running.get(owner, 0), 0.0 if began is None else began.timestamp(), owner

    return sorted(owners, key=turn)


def _ready(what: Any, who: Claimant) -> Select[Any]:
    """Jobs that wait, whose picture to begin with is there, and whose owner's queue is not paused.

    A job that names no model is for any worker.
    """
    paused = select(OwnersQueue.owner_id).where(OwnersQueue.paused)
    ready = (
        select(what)
        .select_from(Job)
        .outerjoin(Node, Node.id == Job.node_id)
        .outerjoin(Lookup, Lookup.id == Job.lookup_id)
        .join(_Source, _Source.id == func.coalesce(Node.parent_id, Lookup.node_id))
        .where(Job.state == "waiting", _Source.state == "done", Job.owner_id.not_in(paused))
        .where(or_(Job.model == "", Job.model.in_(who.models)))
    )
    if who.beside is not None:
        return ready.where(alike(who.beside), _in_proportion(who.beside))
    return ready.where(Job.kind == "lookup") if who.lookups_only else ready


def _in_proportion(first: Claim) -> ColumnElement[bool]:
    """Pictures of one proportion are of one size in a model, which what is made in one batch has to be."""
    across = cast(_Its.width, BigInteger) * _First.height == cast(_Its.height, BigInteger) * _First.width
    return select(_Its.sha256).where(_Its.sha256 == _Source.image_id, _First.sha256 == first.source, across).exists()


def _begun(session: Session, first: Job, project: Project, who: Claimant) -> Claim:
    alone = first.kind == "lookup" or first.attempts > 0
    jobs = [first] if alone else [first, *_mates(session, first, who.most)]
    for job in jobs:
        job.state, job.worker_id, job.attempts = "running", who.worker_id, job.attempts + 1
        job.started_at = job.heartbeat_at = who.at
        job.lease_until = who.at + who.rules.lease
        job.done = job.total = 0
    if first.kind == "lookup":
        return _begun_lookup(session, first, project, who)
    nodes = [session.get_one(Node, job.node_id) for job in jobs]
    seeds = _seeds(nodes)
    for node, seed in zip(nodes, seeds, strict=True):
        node.state, node.request = "running", with_seed(node.request or {}, seed)
    record(session, project, "nodes", [node.id for node in nodes])
    held = tuple(
        Held(job_id=job.id, worker_id=who.worker_id, attempt=job.attempts, node_id=job.node_id, seed=seed)
        for job, seed in zip(jobs, seeds, strict=True)
    )
    source = session.get_one(Node, nodes[0].parent_id)
    claimed = _claimed(first, held, nodes[0].request or {}, source)
    return claimed if alone else replace(claimed, together_key=first.together_key)


def _begun_lookup(session: Session, job: Job, project: Project, who: Claimant) -> Claim:
    lookup = session.get_one(Lookup, job.lookup_id)
    lookup.state = "running"
    record(session, project, "lookup", [lookup.id])
    held = Held(job_id=job.id, worker_id=who.worker_id, attempt=job.attempts, lookup_id=lookup.id)
    asked = {"region": lookup.region, "instruction": lookup.instruction}
    return _claimed(job, (held,), asked, session.get_one(Node, lookup.node_id))


def _claimed(job: Job, held: tuple[Held, ...], request: dict[str, Any], source: Node) -> Claim:
    return Claim(
        kind=job.kind,
        held=held,
        model=job.model,
        request=request,
        source=source.image_id or "",
        project_id=source.project_id,
        owner_id=job.owner_id,
    )


def _mates(session: Session, first: Job, most: int) -> list[Job]:
    """Jobs to make in one edit with the first, `most` with it: never tried yet, with the seeds that follow its own."""
    waiting = (
        select(Job)
        .where(Job.batch_key == first.batch_key, Job.state == "waiting", Job.attempts == 0, Job.id != first.id)
        .where(Job.owner_id == first.owner_id, Job.kind == "edit", Job.model == first.model)
        .order_by(*_AHEAD)
        .with_for_update(skip_locked=True)
    )
    seed = _seed_of(session.get_one(Node, first.node_id))
    found: list[Job] = []
    others = {_seed_of(session.get_one(Node, job.node_id)): job for job in session.execute(waiting).scalars()}
    while len(found) < most - 1 and seed is not None and (mate := others.get(seed + len(found) + 1)) is not None:
        found.append(mate)
    return found


def _seeds(nodes: Sequence[Node]) -> list[int]:
    first = _seed_of(nodes[0])
    begin = secrets.randbelow(DRAWN_SEEDS) if first is None else first
    return [begin + number for number in range(len(nodes))]


def _seed_of(node: Node) -> int | None:
    return (node.request or {}).get("settings", {}).get("seed")


def with_seed(request: dict[str, Any], seed: int) -> dict[str, Any]:
    """A request's JSON with another seed."""
    return {**request, "settings": {**request.get("settings", {}), "seed": seed}}
