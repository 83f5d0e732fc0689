"""Designs: made of a picture, listed, found, renamed, copied, thrown away and taken out whole."""

import os
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Header, Query, Response, UploadFile
from fastapi import Request as HttpRequest
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from retouch.server import answers
from retouch.server.asked import title_of
from retouch.server.carried import brought_in, taken_out
from retouch.server.context import Asking, Context, InAsking
from retouch.server.events import followed, version_of
from retouch.server.killpoints import reached
from retouch.server.pictures import picture_of
from retouch.server.problems import invalid, missing, too_large
from retouch.server.schemas import Page, Project, ProjectPatch, Tree
from retouch.server.security.people import still_there
from retouch.server.store import images
from retouch.server.store import projects as store
from retouch.server.store.idempotent import Asked, Json, digest, once
from retouch.server.store.trees import move_in_log, open_tree, owned_project
from retouch.server.uploaded import bytes_of, digest_of

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])


@router.get("")
def list_projects(
    *,
    asking: InAsking,
    search: Annotated[str, Query(max_length=200, description="Part of a title or of an instruction.")] = "",
    trashed: bool = False,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[Project]:
    """List projects, the last changed first."""
    if "\0" in search:
        invalid("The search holds a NUL, which no text has; leave it out.", "bad-request")

    def work(session: Session) -> Page[Project]:
        found = store.listed(session, asking.owner, search=search, trashed=trashed, cursor=cursor, limit=limit)
        return Page(items=answers.projects_of(session, found.projects), next=found.following)

    return asking.read(work)


@router.post("", status_code=201)
def create_project(
    *,
    asking: InAsking,
    title: Annotated[str, Form(max_length=200)] = "",
    image: Annotated[UploadFile | None, File(description="PNG, JPEG or WebP.")] = None,
    gallery: Annotated[str, Form(description="The name of a gallery picture instead.")] = "",
    idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
) -> Tree:
    """Begin a design with a picture."""
    data, name = _first_picture(asking.context, image, gallery)
    called = title_of(title, name)
    picture = picture_of(data, "image")
    asking.blobs.put(picture)
    reached("inside-project")
    facts = images.facts_of(picture)

    def begin(session: Session) -> Json:
        sha256 = images.keep(session, asking.blobs, facts, lambda: picture)
        made = store.begin(session, asking.owner, called, sha256)
        return answers.tree(session, made).model_dump(mode="json")

    asked = _asked(asking, "projects", idempotency_key, digest(title, gallery, data))
    return Tree.model_validate(asking.write(lambda session: once(session, asked, lambda: begin(session))))


@router.post("/import", status_code=201)
def import_project(
    *,
    asking: InAsking,
    archive: Annotated[UploadFile, File(description="A .zip that `export` wrote.")],
    idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
) -> Tree:
    """Bring an exported design in, under a new id."""
    size = archive.file.seek(0, os.SEEK_END)
    if size > asking.context.limits.archive_bytes:
        raise too_large("archive", asking.context.limits.archive_bytes)
    archive.file.seek(0)
    asked = _asked(asking, "import", idempotency_key, digest_of(archive.file))
    return Tree.model_validate(brought_in(asking, asked, archive.file))


@router.get("/{project_id}")
def read_project(*, asking: InAsking, project_id: str) -> Tree:
    """Return a design with all its nodes."""
    return asking.read(lambda session: answers.tree(session, owned_project(session, asking.owner, project_id)))


@router.patch("/{project_id}")
def rename_project(*, asking: InAsking, project_id: str, patch: ProjectPatch) -> Project:
    """Give it another title."""
    title = title_of(patch.title)

    def work(session: Session) -> Project:
        return answers.project(session, store.rename(session, asking.owner, project_id, title))

    return asking.write(work)


@router.delete("/{project_id}", status_code=204)
def trash_project(*, asking: InAsking, project_id: str, for_good: bool = False) -> None:
    """Throw a design into the trash; `for_good` deletes one that lies there."""
    if for_good:
        asking.write(lambda session: store.delete_for_good(session, asking.blobs, asking.owner, project_id))
    else:
        asking.write(lambda session: store.trash(session, asking.owner, project_id))


@router.post("/{project_id}/restore")
def restore_project(*, asking: InAsking, project_id: str) -> Project:
    """Take a design out of the trash."""

    def work(session: Session) -> Project:
        return answers.project(session, store.take_back(session, asking.owner, project_id))

    return asking.write(work)


@router.post("/{project_id}/duplicate", status_code=201)
def duplicate_project(
    *, asking: InAsking, project_id: str, idempotency_key: Annotated[str | None, Header(max_length=100)] = None
) -> Project:
    """Copy a design with all that is done in it."""
    asked = _asked(asking, "duplicate", idempotency_key, digest(project_id))

    def copy(session: Session) -> Json:
        made = store.duplicate(session, asking.owner, project_id)
        return answers.project(session, made).model_dump(mode="json")

    return Project.model_validate(asking.write(lambda session: once(session, asked, lambda: copy(session))))


@router.get("/{project_id}/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def export_project(*, asking: InAsking, project_id: str) -> Response:
    """Return a design as one .zip: pictures, requests and settings as JSON that people can read."""
    return taken_out(asking, project_id)


@router.post("/{project_id}/undo")
def undo(*, asking: InAsking, project_id: str, direction: Literal["back", "forth"] = "back") -> Tree:
    """Take the last change of the tree back (a branch, a star, a label, a prune), or make it again."""

    def work(session: Session) -> Tree:
        opened = open_tree(session, asking.owner, project_id, asking.context.limits.waiting_jobs)
        move_in_log(opened, direction)
        return answers.tree(session, opened.project)

    return asking.write(work)


@router.get("/{project_id}/events", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
def follow(
    *,
    asking: InAsking,
    request: HttpRequest,
    project_id: str,
    after: int | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Follow a design as server-sent events, from `after` (a tree's version) or Last-Event-ID on.

    Events: `node` (a Node), `lookup` (a Lookup), `project` (a Project), `preview` ({"node_id", "image": data URL}, not
    repeated on reconnecting), `reset` (read the tree again), and a comment every few seconds.
    """
    row = asking.read(lambda session: owned_project(session, asking.owner, project_id))
    version = version_of(last_event_id, after, row.version)
    stream = followed(
        request.app.state.events, row.id, asking.owner, version, lambda session: still_there(session, asking.caller)
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def _first_picture(context: Context, image: UploadFile | None, gallery: str) -> tuple[bytes, str | None]:
    """The bytes of the picture to begin with, and what it is called."""
    if (image is None) == (not gallery):
        invalid("A design begins with one picture; send an image, or the name of a gallery picture.", "bad-request")
    if image is not None:
        return bytes_of(image, context.limits.upload_bytes), image.filename
    for entry, path in context.gallery:
        if entry.name == gallery:
            return path.read_bytes(), entry.title
    return missing("gallery picture")


def _asked(asking: Asking, route: str, key: str | None, told: str) -> Asked:
    return Asked(owner=asking.owner, route=route, key=key, digest=told)
