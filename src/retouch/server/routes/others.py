"""Uploads, lookups, models, the gallery, the queue and who is asking."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Response, UploadFile

from retouch.server.schemas import GalleryPicture, Login, Lookup, Me, Model, Queue, Upload

router = APIRouter(prefix="/api/v1")
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


@router.post("/uploads", status_code=201, tags=["uploads"])
def upload(image: Annotated[UploadFile, File(description="PNG, JPEG or WebP; a reference or a mask.")]) -> Upload:
    """Give a picture that edits may name; it is kept as long as something names it, a day at least."""
    raise NotImplementedError


@router.get("/uploads/{upload_id}/image", response_class=Response, responses=_PICTURE, tags=["uploads"])
def uploaded(upload_id: str) -> Response:
    """Return an uploaded picture."""
    raise NotImplementedError


@router.get("/lookups/{lookup_id}", tags=["lookups"])
def read_lookup(lookup_id: str) -> Lookup:
    """Return a lookup."""
    raise NotImplementedError


@router.get("/lookups/{lookup_id}/mask", response_class=Response, responses=_PICTURE, tags=["lookups"])
def lookup_mask(lookup_id: str) -> Response:
    """Return what was found, a grey PNG of the picture's size."""
    raise NotImplementedError


@router.get("/models", tags=["models"])
def models() -> list[Model]:
    """List the models that edits may ask for."""
    raise NotImplementedError


@router.get("/gallery", tags=["gallery"])
def gallery() -> list[GalleryPicture]:
    """List the rooms to start from."""
    raise NotImplementedError


@router.get("/gallery/{name}", response_class=Response, responses=_PICTURE, tags=["gallery"])
def gallery_picture(name: str) -> Response:
    """Return one of them."""
    raise NotImplementedError


@router.get("/queue", tags=["queue"])
def queue() -> Queue:
    """Say how full the queue is."""
    raise NotImplementedError


@router.post("/queue/pause", tags=["queue"])
def pause(paused: bool = True) -> Queue:
    """Let nothing more of the asker's begin, or let it begin again; what runs ends."""
    raise NotImplementedError


@router.get("/me", tags=["me"])
def me() -> Me:
    """Say who is asking."""
    raise NotImplementedError


@router.post("/login", tags=["me"])
def login(ask: Login, response: Response) -> Me:
    """Set the session's cookie (HttpOnly, SameSite=Strict)."""
    raise NotImplementedError


@router.post("/logout", status_code=204, tags=["me"])
def logout(response: Response) -> None:
    """End the session."""
    raise NotImplementedError
