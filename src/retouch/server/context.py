"""What the routes work with, and who asks: the seam through which a server is put together, and tested."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from retouch.server.blobs import Blobs
from retouch.server.schemas import GalleryPicture, Model
from retouch.server.security.entrance import Entrance
from retouch.server.security.names import CALLER, LOOPBACK_NAMES, not_logged_in
from retouch.server.security.people import Caller
from retouch.server.security.rates import Rate
from retouch.server.store.database import Database

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one owner may do: bytes of one upload and of an archive, jobs that wait, and how often to ask.

    A request that changes something counts as three others.
    """

    upload_bytes: int = 64 * 2**20
    archive_bytes: int = 2 * 2**30
    waiting_jobs: int = 1000
    requests: Rate = field(default_factory=lambda: Rate(per_second=200, burst=4000))


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that a server is made of.

    models: what edits may ask for, in the order they are offered; gallery: rooms to start from, with the files of their
    pictures; hosts: the names in addresses that are answered to, None for any; entrance: how people come in.
    """

    database: Database
    blobs: Blobs
    models: tuple[Model, ...] = ()
    gallery: tuple[tuple[GalleryPicture, Path], ...] = ()
    limits: Limits = Limits()
    hosts: frozenset[str] | None = LOOPBACK_NAMES
    entrance: Entrance = field(default_factory=Entrance)


def current_context(request: Request) -> Context:
    """The context that the app was made with."""
    return cast(Context, request.app.state.context)


def current_caller(request: Request) -> Caller:
    """Who asks, as the gate found; raises Refusal (401) where that is nobody."""
    caller = getattr(request.state, CALLER, None)
    if not isinstance(caller, Caller):
        raise not_logged_in()
    return caller


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who asks, and what there is to answer with."""

    context: Context
    caller: Caller

    @property
    def owner(self) -> str:
        """The id of the user who asks."""
        return self.caller.owner

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
    context: Annotated[Context, Depends(current_context)], caller: Annotated[Caller, Depends(current_caller)]
) -> Asking:
    """Who asks, and what there is to answer with."""
    return Asking(context=context, caller=caller)


InAsking = Annotated[Asking, Depends(asking)]
InContext = Annotated[Context, Depends(current_context)]
