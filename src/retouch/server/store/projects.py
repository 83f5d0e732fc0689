"""Projects: begun, listed and found, renamed, copied, thrown away and taken back."""

import base64
import binascii
import json
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from retouch.designs.design import UNFINISHED, Design, begun
from retouch.designs.written import MAXIMUM_TITLE
from retouch.server.blobs import Blobs
from retouch.server.problems import conflict, invalid
from retouch.server.store import events, images, work
from retouch.server.store.columns import new_id, now
from retouch.server.store.tables import ChangeRow, Event, Node, Project
from retouch.server.store.trees import add_nodes, owned_project, read_tree
from retouch.server.store.work_tables import Job, Lookup


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What lists tell of a project beside its row: how many nodes are shown and starred, and which stands for it."""

    nodes: int
    starred: int
    cover: str


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A part of a list of projects, and the cursor for what follows, None at the end."""

    projects: tuple[Project, ...]
    following: str | None


def begin(session: Session, owner: str, title: str, image: str) -> Project:
    """Begin a project with a picture that is kept."""
    return insert(session, owner, title, begun(new_id(), image=image, at=now()))


def insert(session: Session, owner: str, title: str, design: Design) -> Project:
    """Write a design as a new project, its nodes under new ids; work that is not done is cancelled."""
    names = {node.id: new_id() for node in design}
    renamed = (
        replace(
            node,
            id=names[node.id],
            parent=None if node.parent is None else names[node.parent],
            state="cancelled" if node.state in UNFINISHED else node.state,
        )
        for node in design
    )
    at = now()
    project = Project(id=new_id(), owner_id=owner, title=title, words=title.casefold(), created_at=at, updated_at=at)
    project.root_id, project.version = names[design.root.id], 0
    session.add(project)
    session.flush()
    add_nodes(session, project.id, renamed, first=1)
    events.record(session, project, "project")
    return project


def duplicate(session: Session, owner: str, project: str) -> Project:
    """Copy a project; the pictures are not copied, since they never change. Raises Refusal (404)."""
    source = owned_project(session, owner, project)
    return insert(session, owner, f"{source.title} (copy)"[:MAXIMUM_TITLE], read_tree(session, project))


def rename(session: Session, owner: str, project: str, title: str) -> Project:
    """Give a project another title; raises Refusal (404)."""
    held = owned_project(session, owner, project, hold=True)
    held.title, held.words = title, title.casefold()
    events.record(session, held, "project")
    return held


def trash(session: Session, owner: str, project: str) -> None:
    """Throw a project into the trash, where it may lie already, and stop its work; raises Refusal (404)."""
    held = owned_project(session, owner, project, hold=True)
    if held.trashed_at is None:
        held.trashed_at = now()
        unfinished = select(Node.id).where(Node.project_id == project, Node.state.in_(UNFINISHED))
        work.stop(session, session.scalars(unfinished).all())
        events.record(session, held, "project")


def take_back(session: Session, owner: str, project: str) -> Project:
    """Take a project out of the trash, if it lies there; raises Refusal (404)."""
    held = owned_project(session, owner, project, hold=True)
    if held.trashed_at is not None:
        held.trashed_at = None
        events.record(session, held, "project")
    return held


def delete_for_good(session: Session, blobs: Blobs, owner: str, project: str) -> None:
    """Delete a project that lies in the trash, and the pictures that nothing else shows.

    Raises Refusal where there is none (404) or it does not lie in the trash (409).
    """
    held = owned_project(session, owner, project, hold=True)
    if held.trashed_at is None:
        conflict("The project does not lie in the trash; throw it there first.", "not-trashed")
    nodes = select(Node.id).where(Node.project_id == project)
    lookups = select(Lookup.id).where(Lookup.node_id.in_(nodes))
    shown = session.execute(select(Node.image_id, Node.mask_image_id).where(Node.project_id == project)).all()
    found = session.scalars(select(Lookup.mask_image_id).where(Lookup.node_id.in_(nodes))).all()
    session.execute(delete(Job).where(or_(Job.node_id.in_(nodes), Job.lookup_id.in_(lookups))))
    session.execute(delete(Lookup).where(Lookup.node_id.in_(nodes)))
    for table in (Node, ChangeRow, Event):
        session.execute(delete(table).where(table.project_id == project))
    session.execute(delete(Project).where(Project.id == project))
    digests = {digest for row in shown for digest in row} | set(found)
    images.drop_unused(session, blobs, (digest for digest in digests if digest is not None))


def listed(session: Session, owner: str, *, search: str, trashed: bool, cursor: str | None, limit: int) -> Listed:
    """A part of an owner's projects, the last changed first; raises Refusal (422) for a cursor that is none."""
    query = select(Project).where(
        Project.owner_id == owner, Project.trashed_at.is_not(None) if trashed else Project.trashed_at.is_(None)
    )
    if search.strip():
        query = query.where(_found(search.strip().casefold()))
    if cursor is not None:
        at, name = _read_cursor(cursor)
        query = query.where(or_(Project.updated_at < at, and_(Project.updated_at == at, Project.id < name)))
    rows = session.scalars(query.order_by(Project.updated_at.desc(), Project.id.desc()).limit(limit + 1)).all()
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return Listed(projects=tuple(rows[:limit]), following=following)


def summaries(session: Session, projects: list[Project]) -> dict[str, Summary]:
    """What lists tell of projects, by their ids."""
    shown = Node.pruned_by.is_(None)
    done = and_(shown, Node.state == "done")
    counts = select(
        Node.project_id,
        func.sum(case((shown, 1), else_=0)),
        func.sum(case((and_(shown, Node.starred), 1), else_=0)),
        func.max(case((and_(done, Node.starred), Node.seq))),
        func.max(case((done, Node.seq))),
    )
    names = [project.id for project in projects]
    found = session.execute(counts.where(Node.project_id.in_(names)).group_by(Node.project_id)).all()
    covers = {row[0]: row[3] or row[4] for row in found}
    pairs = tuple_(Node.project_id, Node.seq).in_(list(covers.items()))
    by_project = {row[0]: row[1] for row in session.execute(select(Node.project_id, Node.id).where(pairs))}
    return {row[0]: Summary(nodes=int(row[1]), starred=int(row[2]), cover=by_project[row[0]]) for row in found}


def _found(words: str) -> ColumnElement[bool]:
    in_title = Project.words.contains(words, autoescape=True)
    in_node = and_(Node.project_id == Project.id, Node.pruned_by.is_(None), Node.words.contains(words, autoescape=True))
    return or_(in_title, exists(select(1).where(in_node)))


def _cursor(project: Project) -> str:
    written = json.dumps([project.updated_at.isoformat(), project.id])
    return base64.urlsafe_b64encode(written.encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        time, name = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        at = datetime.fromisoformat(time)
        if at.tzinfo is None or not isinstance(name, str) or "\0" in name:
            raise ValueError("no time in UTC and id")
        return at, name
    except (ValueError, TypeError, RecursionError, OverflowError, binascii.Error):
        invalid("The cursor is none that a page of this list gave; begin again without one.", "bad-cursor")
