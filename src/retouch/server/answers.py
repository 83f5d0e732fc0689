"""Rows as what goes over the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retouch.core.reference_settings import ReferenceSettings
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.designs.request import Request, Shown, Where
from retouch.server import schemas
from retouch.server.store import projects, work
from retouch.server.store.tables import Node, Picture, Project
from retouch.server.store.trees import log_end
from retouch.server.store.work_tables import Job, Lookup

_SETTINGS = ("steps", "scheduler", "text_guidance", "image_guidance", "negative", "seed", "keep_detail")


def request_of(ask: schemas.EditAsk) -> Request:
    """What was asked over the wire as a value; raises SettingsError for what is out of range."""
    given = ask.settings
    settings = EditSettings(
        **{name: getattr(given, name) for name in _SETTINGS},
        region=None if given.region is None else RegionSettings(**given.region.model_dump()),
        reference=None if given.reference is None else ReferenceSettings(**given.reference.model_dump()),
    )
    return Request(
        instruction=ask.instruction,
        model=ask.model,
        settings=settings,
        region=None if ask.region is None else where_of(ask.region),
        references=tuple(Shown(upload=each.upload, weight=each.weight) for each in ask.references),
    )


def where_of(region: schemas.RegionAsk) -> Where:
    """A region as a value; raises SettingsError where what its kind needs is missing."""
    return Where(**{**region.model_dump(), "numbers": tuple(region.numbers)})


def ask_of(values: dict[str, Any]) -> schemas.EditAsk:
    """A request's JSON of the database as it goes over the wire, where fewer settings are known."""
    settings = values.get("settings", {})
    known = {name: settings[name] for name in _SETTINGS if name in settings}
    for name, kind in (("region", schemas.RegionHow), ("reference", schemas.ReferenceHow)):
        given = settings.get(name)
        if given is not None:
            known[name] = {field: given[field] for field in kind.model_fields if field in given}
    return schemas.EditAsk.model_validate({**values, "settings": known})


def nodes(session: Session, owner: str, project: str, only: Sequence[str] | None = None) -> list[schemas.Node]:
    """The nodes of a project, or those of these ids, in the order they were made in."""
    query = (
        select(Node, Picture.width, Picture.height, Job.state, Job.done, Job.total, Job.attempts)
        .outerjoin(Picture, Picture.sha256 == Node.image_id)
        .outerjoin(Job, Job.node_id == Node.id)
        .where(Node.project_id == project)
        .order_by(Node.seq)
    )
    if only is not None:
        query = query.where(Node.id.in_(only))
    rows = session.execute(query.execution_options(populate_existing=True)).all()
    waiting = any(row[3] == "waiting" for row in rows)
    places = work.places(session, owner) if waiting else {}
    return [_node(row[0], _told(row[1:], places.get(row[0].id))) for row in rows]


def node(session: Session, owner: str, row: Node) -> schemas.Node:
    """One node."""
    return nodes(session, owner, row.project_id, [row.id])[0]


def project(session: Session, row: Project) -> schemas.Project:
    """One project."""
    return projects_of(session, [row])[0]


def projects_of(session: Session, rows: Sequence[Project]) -> list[schemas.Project]:
    """Projects, in their order."""
    told = projects.summaries(session, list(rows))
    return [
        schemas.Project(
            id=row.id,
            title=row.title,
            created_at=row.created_at,
            updated_at=row.updated_at,
            trashed_at=row.trashed_at,
            nodes=told[row.id].nodes,
            starred=told[row.id].starred,
            root_id=row.root_id,
            cover_id=told[row.id].cover,
        )
        for row in rows
    ]


def tree(session: Session, row: Project) -> schemas.Tree:
    """A whole project."""
    back, forth = (log_end(session, row.id, back=back) for back in (True, False))
    return schemas.Tree(
        project=project(session, row),
        nodes=nodes(session, row.owner_id, row.id),
        can_undo=None if back is None else back.payload["words"],
        can_redo=None if forth is None else forth.payload["words"],
        version=row.version,
    )


def lookup(row: Lookup) -> schemas.Lookup:
    """One lookup."""
    return schemas.Lookup(
        id=row.id,
        node_id=row.node_id,
        state=row.state,  # pyright: ignore[reportArgumentType]
        region=schemas.RegionAsk.model_validate(row.region),
        found=row.found,
        share=row.share,
        box=row.box,
        error=row.error,
    )


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What is told of a node beside its row."""

    width: int | None
    height: int | None
    progress: schemas.Progress | None
    place: int | None
    attempts: int


def _told(values: Sequence[Any], place: int | None) -> _Told:
    width, height, state, done, total, attempts = values
    runs = state == "running" and bool(total)
    progress = schemas.Progress(done=done, total=total) if runs else None
    return _Told(width=width, height=height, progress=progress, place=place, attempts=attempts or 0)


def _node(row: Node, told: _Told) -> schemas.Node:
    return schemas.Node(
        id=row.id,
        project_id=row.project_id,
        parent_id=row.parent_id,
        state=row.state,  # pyright: ignore[reportArgumentType]
        request=None if row.request is None else ask_of(row.request),
        label=row.label,
        starred=row.starred,
        pruned=row.pruned_by is not None,
        created_at=row.created_at,
        finished_at=row.finished_at,
        width=told.width,
        height=told.height,
        error=row.error,
        warnings=row.warnings,
        progress=told.progress,
        place=told.place,
        attempts=told.attempts,
    )
