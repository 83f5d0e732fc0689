"""A project taken out as one .zip, and brought in again under new ids."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from fastapi import Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from retouch.core.errors import DesignError
from retouch.designs.archive import Archive, open_archive, write_archive
from retouch.designs.design import Design
from retouch.server import answers
from retouch.server.context import Asking
from retouch.server.pictures import StoredPicture, kept_picture
from retouch.server.problems import Refusal
from retouch.server.store import images, projects, uploads
from retouch.server.store.idempotent import Asked, Json, once
from retouch.server.store.trees import owned_project, read_tree

_PART = 2**16


def taken_out(asking: Asking, project: str) -> Response:
    """A project as a .zip to save; raises Refusal (404)."""

    def work(session: Session) -> tuple[str, Design]:
        row = owned_project(session, asking.owner, project)
        design = read_tree(session, project)
        named = uploads.uploads_of(session, asking.owner, design.uploads)
        return row.title, design.with_uploads(lambda name: named[name].sha256)

    title, design = asking.read(work)
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it when all of it is sent
    try:
        write_archive(stream, title=title, design=design, read=asking.blobs.read)
    except BaseException:
        stream.close()
        raise
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "design"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.zip"',
        "Content-Length": str(stream.tell()),
        "Cache-Control": "private, no-cache",
    }
    return StreamingResponse(_parts(stream), media_type="application/zip", headers=headers)


def brought_in(asking: Asking, asked: Asked, stream: BinaryIO) -> Json:
    """Make a project of an archive and return its tree; raises Refusal (422) for what is no archive."""
    try:
        with open_archive(stream) as archive:
            return _brought_in(asking, asked, archive)
    except DesignError as problem:
        raise Refusal(str(problem), status=422, code="bad-archive") from problem


def _brought_in(asking: Asking, asked: Asked, archive: Archive) -> Json:
    masks = {node.mask for node in archive.design} - {node.image for node in archive.design}

    def picture(digest: str) -> StoredPicture:
        return kept_picture(archive.picture(digest), "picture", grey=digest in masks)

    def upload(digest: str) -> StoredPicture:
        return kept_picture(archive.upload(digest), "upload")

    pictures = {digest: _put(asking, picture(digest)) for digest in archive.design.pictures}
    shown = {digest: _put(asking, upload(digest)) for digest in archive.design.uploads}

    def work(session: Session) -> Json:
        for digest, facts in pictures.items():
            images.keep(session, asking.blobs, facts, lambda digest=digest: picture(digest))
        rows = {
            digest: uploads.add_upload(session, asking.blobs, asking.owner, facts, lambda digest=digest: upload(digest))
            for digest, facts in shown.items()
        }
        design = _renamed(archive.design, {digest: facts.sha256 for digest, facts in pictures.items()})
        design = design.with_uploads(lambda digest: rows[digest].id)
        made = projects.insert(session, asking.owner, archive.title or "Untitled", design)
        return answers.tree(session, made).model_dump(mode="json")

    return asking.write(lambda session: once(session, asked, lambda: work(session)))


def _put(asking: Asking, picture: StoredPicture) -> images.Facts:
    asking.blobs.put(picture)
    return images.facts_of(picture)


def _renamed(design: Design, digests: dict[str, str]) -> Design:
    return design.having(
        replace(
            node,
            image=None if node.image is None else digests[node.image],
            mask=None if node.mask is None else digests[node.mask],
        )
        for node in design
    )


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        stream.seek(0)
        while part := stream.read(_PART):
            yield part
