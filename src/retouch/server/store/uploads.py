"""Uploads and lookups: pictures that edits may name, and regions to be found; what nothing names goes in time."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from retouch.designs.request import Where
from retouch.server.blobs import Blobs
from retouch.server.pictures import StoredPicture
from retouch.server.problems import invalid, missing
from retouch.server.store import events, images, work
from retouch.server.store.columns import new_id, now
from retouch.server.store.tables import Node, NodeUpload, Project, Upload
from retouch.server.store.trees import is_id
from retouch.server.store.work_tables import Lookup


def add_upload(
    session: Session, blobs: Blobs, owner: str, facts: images.Facts, again: Callable[[], StoredPicture]
) -> Upload:
    """Keep a picture that an owner gives; see `images.keep`."""
    sha256 = images.keep(session, blobs, facts, again)
    row = Upload(id=new_id(), owner_id=owner, sha256=sha256, width=facts.width, height=facts.height)
    row.created_at = now()
    session.add(row)
    session.flush()
    return row


def owned_upload(session: Session, owner: str, upload: str) -> Upload:
    """An upload of an owner; raises Refusal (404)."""
    query = select(Upload).where(Upload.id == upload, Upload.owner_id == owner)
    row = session.scalar(query) if is_id(upload) else None
    return row if row is not None else missing("upload")


def uploads_of(session: Session, owner: str, names: Iterable[str]) -> dict[str, Upload]:
    """The uploads of an owner by their ids; raises Refusal (422) where there is none of an id."""
    asked = set(names)
    query = select(Upload).where(Upload.owner_id == owner, Upload.id.in_([name for name in asked if is_id(name)]))
    found = {row.id: row for row in session.scalars(query)}
    for name in asked - set(found):
        invalid(f"There is no upload {name!r:.40}; upload the picture first and name its id.", "unknown-upload")
    return found


def sweep(session: Session, blobs: Blobs, before: datetime) -> int:
    """Remove the uploads from before a time that no node names any more, and their pictures; return how many."""
    unnamed = ~exists(select(1).where(NodeUpload.upload_id == Upload.id))
    removed = delete(Upload).where(Upload.created_at < before, unnamed).returning(Upload.sha256)
    digests = session.scalars(removed.execution_options(synchronize_session=False)).all()
    images.drop_unused(session, blobs, digests)
    return len(digests)


def look_up(session: Session, project: Project, node: Node, *, where: Where, instruction: str, limit: int) -> Lookup:
    """Ask for a region to be found in a node's picture, the project being held; raises Refusal (429)."""
    row = Lookup(id=new_id(), node_id=node.id, owner_id=project.owner_id, instruction=instruction, state="waiting")
    row.region = asdict(where) | {"numbers": list(where.numbers)}
    row.found, row.created_at = "", now()
    session.add(row)
    session.flush()
    work.enqueue_lookup(session, row, limit)
    events.record(session, project, "lookup", [row.id])
    return row


def owned_lookup(session: Session, owner: str, lookup: str) -> Lookup:
    """A lookup of an owner; raises Refusal (404)."""
    query = select(Lookup).where(Lookup.id == lookup, Lookup.owner_id == owner)
    row = session.scalar(query) if is_id(lookup) else None
    return row if row is not None else missing("lookup")
