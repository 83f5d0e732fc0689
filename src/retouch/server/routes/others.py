"""Uploads, lookups, models, the gallery and the queue."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, Response, UploadFile
from sqlalchemy.orm import Session

from retouch.server import answers, served
from retouch.server.context import InAsking
from retouch.server.jobs import state
from retouch.server.jobs.rules import database_time
from retouch.server.killpoints import reached
from retouch.server.pictures import picture_of
from retouch.server.problems import missing
from retouch.server.schemas import GalleryPicture, Lookup, Model, Queue, Upload
from retouch.server.store import images, uploads
from retouch.server.uploaded import bytes_of

router = APIRouter(prefix="/api/v1")
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
_ROOM: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}, "image/webp": {}}}}


@router.post("/uploads", status_code=201, tags=["uploads"])
def upload(
    *, asking: InAsking, image: Annotated[UploadFile, File(description="PNG, JPEG or WebP; a reference or a mask.")]
) -> Upload:
    """Give a picture that edits may name; it is kept as long as something names it, a day at least."""
    picture = picture_of(bytes_of(image, asking.context.limits.upload_bytes), "image")
    asking.blobs.put(picture)
    reached("inside-upload")
    facts = images.facts_of(picture)
    row = asking.write(lambda session: uploads.add_upload(session, asking.blobs, asking.owner, facts, lambda: picture))
    return Upload(id=row.id, width=row.width, height=row.height)


@router.get("/uploads/{upload_id}/image", response_class=Response, responses=_PICTURE, tags=["uploads"])
def uploaded(*, asking: InAsking, request: Request, upload_id: str) -> Response:
    """Return an uploaded picture."""
    row = asking.read(lambda session: uploads.owned_upload(session, asking.owner, upload_id))
    return served.picture(request, asking.blobs, row.sha256)


@router.get("/lookups/{lookup_id}", tags=["lookups"])
def read_lookup(*, asking: InAsking, lookup_id: str) -> Lookup:
    """Return a lookup."""
    return answers.lookup(asking.read(lambda session: uploads.owned_lookup(session, asking.owner, lookup_id)))


@router.get("/lookups/{lookup_id}/mask", response_class=Response, responses=_PICTURE, tags=["lookups"])
def lookup_mask(*, asking: InAsking, request: Request, lookup_id: str) -> Response:
    """Return what was found, a grey PNG of the picture's size."""
    row = asking.read(lambda session: uploads.owned_lookup(session, asking.owner, lookup_id))
    if row.mask_image_id is None:
        missing("region: nothing was found yet")
    return served.picture(request, asking.blobs, row.mask_image_id)


@router.get("/models", tags=["models"])
def models(*, asking: InAsking) -> list[Model]:
    """List the models that edits may ask for."""
    return list(asking.context.models)


@router.get("/gallery", tags=["gallery"])
def gallery(*, asking: InAsking) -> list[GalleryPicture]:
    """List the rooms to start from."""
    return [entry for entry, _ in asking.context.gallery]


@router.get("/gallery/{name}", response_class=Response, responses=_ROOM, tags=["gallery"])
def gallery_picture(*, asking: InAsking, name: str) -> Response:
    """Return one of them."""
    for entry, path in asking.context.gallery:
        if entry.name == name:
            return Response(path.read_bytes(), media_type=f"image/{path.suffix.removeprefix('.')}")
    return missing("gallery picture")


@router.get("/queue", tags=["queue"])
def queue(*, asking: InAsking) -> Queue:
    """Say how full the queue is."""
    return asking.read(lambda session: _queue(session, asking.owner))


@router.post("/queue/pause", tags=["queue"])
def pause(*, asking: InAsking, paused: bool = True) -> Queue:
    """Let nothing more of the asker's begin, or let it begin again; what runs ends."""

    def work(session: Session) -> Queue:
        state.pause(session, asking.owner, paused)
        session.flush()
        return _queue(session, asking.owner)

    return asking.write(work)


def _queue(session: Session, owner: str) -> Queue:
    return Queue.model_validate(asdict(state.queue_state(session, owner, database_time(session))))
