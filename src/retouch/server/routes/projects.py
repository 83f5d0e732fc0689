"""Designs: made of a picture, listed, found, renamed, copied, thrown away and taken out whole."""

from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Header, Query, Response, UploadFile

from retouch.server.schemas import Page, Project, ProjectPatch, Tree

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])


@router.get("")
def list_projects(
    search: Annotated[str, Query(max_length=200, description="Part of a title or of an instruction.")] = "",
    trashed: bool = False,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[Project]:
    """List projects, the last changed first."""
    raise NotImplementedError


@router.post("", status_code=201)
def create_project(
    title: Annotated[str, Form(max_length=200)] = "",
    image: Annotated[UploadFile | None, File(description="PNG, JPEG or WebP.")] = None,
    gallery: Annotated[str, Form(description="The name of a gallery picture instead.")] = "",
    idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
) -> Tree:
    """Begin a design with a picture."""
    raise NotImplementedError


@router.post("/import", status_code=201)
def import_project(
    archive: Annotated[UploadFile, File(description="A .zip that `export` wrote.")],
    idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
) -> Tree:
    """Bring an exported design in, under a new id."""
    raise NotImplementedError


@router.get("/{project_id}")
def read_project(project_id: str) -> Tree:
    """Return a design with all its nodes."""
    raise NotImplementedError


@router.patch("/{project_id}")
def rename_project(project_id: str, patch: ProjectPatch) -> Project:
    """Give it another title."""
    raise NotImplementedError


@router.delete("/{project_id}", status_code=204)
def trash_project(project_id: str, for_good: bool = False) -> None:
    """Throw a design into the trash; `for_good` deletes one that lies there."""
    raise NotImplementedError


@router.post("/{project_id}/restore")
def restore_project(project_id: str) -> Project:
    """Take a design out of the trash."""
    raise NotImplementedError


@router.post("/{project_id}/duplicate", status_code=201)
def duplicate_project(
    project_id: str, idempotency_key: Annotated[str | None, Header(max_length=100)] = None
) -> Project:
    """Copy a design with all that is done in it."""
    raise NotImplementedError


@router.get("/{project_id}/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def export_project(project_id: str) -> Response:
    """Return a design as one .zip: pictures, requests and settings as JSON that people can read."""
    raise NotImplementedError


@router.post("/{project_id}/undo")
def undo(project_id: str, direction: Literal["back", "forth"] = "back") -> Tree:
    """Take the last change of the tree back (a branch, a star, a label, a prune), or make it again."""
    raise NotImplementedError


@router.get("/{project_id}/events", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
def follow(
    project_id: str, after: int | None = None, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """Follow a design as server-sent events, from `after` (a tree's version) or Last-Event-ID on.

    Events: `node` (a Node), `lookup` (a Lookup), `project` (a Project), `preview` ({"node_id", "image": data URL}, not
    repeated on reconnecting), `reset` (read the tree again), and a comment every few seconds.
    """
    raise NotImplementedError
