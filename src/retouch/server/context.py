"""What the routes work with, and who asks: the seam through which a server is put together, and tested."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from retouch.server.blobs import Blobs
from retouch.server.schemas import GalleryPicture, Model
from retouch.server.store.database import Database
from retouch.server.store.tables import LOCAL_OWNER

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one owner may do: bytes of one upload and of an archive, and jobs that wait."""

    upload_bytes: int = 64 * 2**20
    archive_bytes: int = 2 * 2**30
    waiting_jobs: int = 1000


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that a server is made of.

    models: what edits may ask for, in the order they are offered; gallery: rooms to start from, with the files of their
    pictures.
    """

    database: Database
    blobs: Blobs
    models: tuple[Model, ...] = ()
    gallery: tuple[tuple[GalleryPicture, Path], ...] = ()
    limits: Limits = Limits()


def current_context(request: Request) -> Context:
    """The context that the app was made with."""
    return cast(Context, request.app.state.context)


def current_owner() -> str:
    """The id of the user who asks; on a server without users that is the user "local"."""
    return LOCAL_OWNER


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who asks, and what there is to answer with."""

    context: Context
    owner: str

    @property
    def blobs(self) -> Blobs:
        """Where the pictures are."""
        return self.context.blobs

    def write(self, work: Callable[[Session], Value]) -> Value:
        """Run `work` in a transaction; see `Database.write`."""
        return self.context.database.write(work)

    def read(self, work: Callable[[Session], Value]) -> Value:
        """Run `work` on the database as it is at one moment."""
        with self.context.database.read() as session:
            return work(session)


def asking(
    context: Annotated[Context, Depends(current_context)], owner: Annotated[str, Depends(current_owner)]
) -> Asking:
    """Who asks, and what there is to answer with."""
    return Asking(context=context, owner=owner)


InAsking = Annotated[Asking, Depends(asking)]
