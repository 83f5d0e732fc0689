"""A design in the database: read as a value, changed as one, and the difference written with its undo and its work."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from retouch.designs import changes
from retouch.designs.changes import Change, Difference, Step
from retouch.designs.design import Design
from retouch.designs.design import Node as NodeValue
from retouch.designs.request import from_json, to_json
from retouch.server.problems import conflict, missing
from retouch.server.store import events, work
from retouch.server.store.columns import new_id
from retouch.server.store.tables import ChangeRow, Node, NodeUpload, Project
from retouch.server.store.work_tables import Job


@dataclass(frozen=True, kw_only=True)
class Open:
    """A project that this transaction holds, its nodes' rows by their ids, and its design as a value."""

    session: Session
    project: Project
    rows: dict[str, Node]
    design: Design
    queue_limit: int


def owned_project(session: Session, owner: str, project: str, *, hold: bool = False) -> Project:
    """A project of an owner; `hold` lets nobody else change it before the transaction ends; raises Refusal (404)."""
    query = select(Project).where(Project.id == project, Project.owner_id == owner)
    row = session.scalar(query.with_for_update() if hold else query) if is_id(project) else None
    return row if row is not None else missing("project")


def owned_node(session: Session, owner: str, node: str) -> Node:
    """A node of a project of an owner; raises Refusal (404)."""
    query = select(Node).join(Project, Project.id == Node.project_id).where(Node.id == node, Project.owner_id == owner)
    row = session.scalar(query) if is_id(node) else None
    return row if row is not None else missing("node")


def is_id(text: str) -> bool:
    """Whether a text can be an id; PostgreSQL fails on some that cannot."""
    return len(text) == 26 and text.isascii() and text.isalnum()


def open_tree(session: Session, owner: str, project: str, queue_limit: int) -> Open:
    """Hold a project and read its design; raises Refusal where there is none (404) or it lies in the trash (409)."""
    held = owned_project(session, owner, project, hold=True)
    if held.trashed_at is not None:
        conflict("The project lies in the trash; restore it before you change it.", "trashed")
    rows = {row.id: row for row in session.scalars(_rows_of(project))}
    return Open(session=session, project=held, rows=rows, design=design_of(rows.values()), queue_limit=queue_limit)


def read_tree(session: Session, project: str) -> Design:
    """The design of a project as it is."""
    return design_of(session.scalars(_rows_of(project)))


def design_of(rows: Iterable[Node]) -> Design:
    """Rows, parents first, as a value."""
    return Design({row.id: _value(row) for row in rows})


def apply(tree: Open, change: Callable[[Design, str], Step]) -> Step:
    """Make a change, given the design and an id for the change; write it, log it and adapt the work.

    Raises what `change` raises, and Refusal (429) where new work does not fit into the queue.
    """
    step = change(tree.design, new_id())
    if not step.changes_something:
        return step
    session, project = tree.session, tree.project.id
    session.execute(delete(ChangeRow).where(ChangeRow.project_id == project, ChangeRow.undone))
    last = session.scalar(select(func.max(ChangeRow.number)).where(ChangeRow.project_id == project)) or 0
    row = ChangeRow(id=step.change.id, project_id=project, number=last + 1, kind=step.change.kind, undone=False)
    row.payload = _written(step.change)
    session.add(row)
    _write(tree, step)
    return step


def move_in_log(tree: Open, direction: str) -> Step:
    """Take the last change back, or make the one last taken back again; raises Refusal (409) where there is none."""
    back = direction == "back"
    row = log_end(tree.session, tree.project.id, back=back)
    if row is None:
        what = "change to take back" if back else "change that was taken back"
        conflict(f"There is no {what}.", "nothing-to-undo" if back else "nothing-to-redo")
    change = _read(row)
    step = changes.undo(tree.design, change) if back else changes.redo(tree.design, change)
    row.undone, row.payload = back, _written(step.change)
    _write(tree, step)
    return step


def log_end(session: Session, project: str, *, back: bool) -> ChangeRow | None:
    """What an undo would take back, or else what a redo would make again."""
    order: ColumnElement[int] = ChangeRow.number.desc() if back else ChangeRow.number.asc()  # pyright: ignore[reportAssignmentType]
    query = select(ChangeRow).where(ChangeRow.project_id == project, ChangeRow.undone.is_(not back))
    return session.scalar(query.order_by(order).limit(1))


def add_nodes(session: Session, project: str, nodes: Iterable[NodeValue], first: int) -> list[Node]:
    """Write nodes that are new, parents first, numbered from `first`; return their rows."""
    rows: list[Node] = []
    links: list[NodeUpload] = []
    for seq, node in enumerate(nodes, start=first):
        rows.append(_row(project, node, seq))
        named = node.request.uploads if node.request is not None else ()
        links += [NodeUpload(node_id=node.id, upload_id=upload) for upload in named]
    session.add_all(rows)
    session.flush()
    session.add_all(links)
    session.flush()
    return rows


def _write(tree: Open, step: Step) -> None:
    session, owner = tree.session, tree.project.owner_id
    new = [node for node in step.design if node.id not in tree.rows]
    for node in step.design:
        row = tree.rows.get(node.id)
        if row is not None:
            row.label, row.starred, row.pruned_by = node.label, node.starred, node.pruned_by
    first = max(row.seq for row in tree.rows.values()) + 1
    work.enqueue_nodes(session, owner, add_nodes(session, tree.project.id, new, first), tree.queue_limit)
    session.flush()
    if step.stop:
        work.stop(session, step.stop)
    if step.start:
        work.begin_again(session, owner, [tree.rows[name] for name in step.start], tree.queue_limit)
    events.record(session, tree.project, "nodes", step.change.nodes)


def _rows_of(project: str) -> Any:
    return select(Node).where(Node.project_id == project).order_by(Node.seq)


def _value(row: Node) -> NodeValue:
    return NodeValue(
        id=row.id,
        parent=row.parent_id,
        request=None if row.request is None else from_json(row.request),
        state=row.state,  # pyright: ignore[reportArgumentType]
        label=row.label,
        starred=row.starred,
        pruned_by=row.pruned_by,
        image=row.image_id,
        mask=row.mask_image_id,
        error=row.error,
        warnings=tuple(row.warnings),
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _row(project: str, node: NodeValue, seq: int) -> Node:
    return Node(
        id=node.id,
        project_id=project,
        parent_id=node.parent,
        seq=seq,
        request=None if node.request is None else to_json(node.request),
        words="" if node.request is None else node.request.instruction.casefold(),
        state=node.state,
        label=node.label,
        starred=node.starred,
        pruned_by=node.pruned_by,
        image_id=node.image,
        mask_image_id=node.mask,
        error=node.error,
        warnings=list(node.warnings),
        created_at=node.created_at,
        finished_at=node.finished_at,
    )


def _written(change: Change) -> dict[str, Any]:
    differences = [[each.node, each.field, each.before, each.after] for each in change.differences]
    return {"words": change.words, "differences": differences, "stopped": list(change.stopped)}


def _read(row: ChangeRow) -> Change:
    differences = (
        Difference(node=node, field=field, before=before, after=after)
        for node, field, before, after in row.payload["differences"]
    )
    return Change(
        id=row.id,
        kind=row.kind,  # pyright: ignore[reportArgumentType]
        words=row.payload["words"],
        differences=tuple(differences),
        stopped=tuple(row.payload["stopped"]),
    )


def job_of(session: Session, node: str) -> Job | None:
    """The job of a node, held until the transaction ends."""
    return session.scalar(select(Job).where(Job.node_id == node).with_for_update())
