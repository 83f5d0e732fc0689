"""Pictures as answers: with a strong ETag, since they never change, and as files with their settings inside."""

import io
import re
from typing import Literal

from fastapi import Request, Response
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from retouch.core.provenance import Provenance, ReferenceRecord, RegionRecord, png_with_provenance
from retouch.core.region import Region
from retouch.core.region_request import PAINTED
from retouch.designs.request import Where, from_json
from retouch.server.blobs import Blobs
from retouch.server.store.tables import Node, Upload

FOREVER = "private, max-age=31536000, immutable"
Size = Literal["full", "thumbnail", "screen"]


def picture(request: Request, blobs: Blobs, sha256: str, size: Size = "full") -> Response:
    """A picture, or 304 where the asker has it."""
    etag = f'"{sha256}-{size}"'
    headers = {"ETag": etag, "Cache-Control": FOREVER}
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if size == "full":
        return Response(blobs.read(sha256), media_type="image/png", headers=headers)
    return Response(blobs.smaller(sha256, size), media_type="image/webp", headers=headers)


def file_of(session: Session, blobs: Blobs, node: Node, *, settings: bool) -> Response:
    """A node's PNG as a file, with all that is needed to make it again inside, or without."""
    data = blobs.read(node.image_id or "")
    if settings and node.request is not None:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            data = png_with_provenance(image, _provenance(session, blobs, node))
    name = re.sub(r"[^a-z0-9]+", "-", (node.label or node.words).lower()).strip("-")[:60] or "picture"
    headers = {"Content-Disposition": f'attachment; filename="{name}.png"', "Cache-Control": "private, no-cache"}
    return Response(data, media_type="image/png", headers=headers)


def _has(sent: str, etag: str) -> bool:
    known = {tag.strip().removeprefix("W/") for tag in sent.split(",")}
    return etag in known or "*" in known


def _provenance(session: Session, blobs: Blobs, node: Node) -> Provenance:
    request = from_json(node.request)
    source = session.scalar(select(Node.image_id).where(Node.id == node.parent_id))
    digests = {
        upload.id: upload.sha256 for upload in session.scalars(select(Upload).where(Upload.id.in_(request.uploads)))
    }
    references = tuple(
        ReferenceRecord(name="reference", sha256=digests.get(each.upload, ""), weight=each.weight)
        for each in request.references
    )
    region = request.region
    record = None if region is None else _region_record(blobs, region, node.mask_image_id)
    return Provenance(
        model=request.model or "",
        instructions=(request.instruction,),
        settings=request.settings,
        source_sha256=source or "",
        source_name="",
        regions=() if record is None else (record,),
        references=references,
    )


def _region_record(blobs: Blobs, where: Where, mask: str | None) -> RegionRecord:
    digest = ""
    if mask is not None:
        with Image.open(io.BytesIO(blobs.read(mask)), formats=("PNG",)) as image:
            digest = Region(mask=image.convert("L"), origin="").sha256
    found = PAINTED if where.kind == "mask" else _words(where)
    return RegionRecord(asked=_words(where), found=f"all but {found}" if where.invert else found, mask_sha256=digest)


def _words(region: Where) -> str:
    numbers = ",".join(f"{number:g}" for number in region.numbers)
    return region.phrase or (f"{region.kind}:{numbers}" if numbers else region.kind)
