"""Which pictures are kept: a row for each, made with its bytes, gone with the last that shows it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from retouch.server.blobs import Blobs
from retouch.server.pictures import StoredPicture
from retouch.server.store.columns import now
from retouch.server.store.tables import Node, Picture, Upload
from retouch.server.store.work_tables import Lookup

_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a picture beside its bytes: its digest, its size in pixels, and how many bytes it has."""

    sha256: str
    width: int
    height: int
    bytes: int


def facts_of(picture: StoredPicture) -> Facts:
    """What is known of a picture beside its bytes."""
    return Facts(sha256=picture.sha256, width=picture.width, height=picture.height, bytes=len(picture.data))


def keep(session: Session, blobs: Blobs, facts: Facts, again: Callable[[], StoredPicture]) -> str:
    """Let a picture be there for the rows of this transaction that name it; return its digest.

    Put its bytes into `blobs` before the transaction. Another one may have removed them since, with the row: whoever
    holds the row, as this transaction does then, looks once more, and puts what `again` gives.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    values = asdict(facts) | {"created_at": now()}
    session.execute(dialect.insert(Picture).values(values).on_conflict_do_nothing())
    if not blobs.has(facts.sha256):
        blobs.put(again())
    return facts.sha256


def drop_unused(session: Session, blobs: Blobs, digests: Iterable[str]) -> int:
    """Remove those of these pictures that no row names any more, and their bytes; return how many."""
    asked = sorted(set(digests))
    removed: list[str] = []
    for start in range(0, len(asked), _CHUNK):
        chunk = asked[start : start + _CHUNK]
        unused = delete(Picture).where(Picture.sha256.in_(chunk), ~_is_named()).returning(Picture.sha256)
        removed += session.scalars(unused)
    # Before the commit: until then, nobody else can bring the row back and rely on the bytes.
    for digest in removed:
        blobs.remove(digest)
    return len(removed)


def unknown(session: Session, digests: Iterable[str]) -> list[str]:
    """Those of these digests that no row is for."""
    asked = sorted(set(digests))
    known: set[str] = set()
    for start in range(0, len(asked), _CHUNK):
        known |= set(session.scalars(select(Picture.sha256).where(Picture.sha256.in_(asked[start : start + _CHUNK]))))
    return [digest for digest in asked if digest not in known]


def drop_orphan(session: Session, blobs: Blobs, sha256: str) -> bool:
    """Remove the bytes of a picture that no row is for, such as of a transaction that failed; whether that was so.

    The row that is made here for the moment holds back whoever would make it to `keep` the picture; they look again
    whether the bytes are there when this transaction has ended, and put them where they are not.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    values = {"sha256": sha256, "width": 0, "height": 0, "bytes": 0, "created_at": now()}
    mine = dialect.insert(Picture).values(values).on_conflict_do_nothing().returning(Picture.sha256)
    if session.scalar(mine) is None:
        return False
    blobs.remove(sha256)
    session.execute(delete(Picture).where(Picture.sha256 == sha256))
    return True


def _is_named() -> ColumnElement[bool]:
    places = (Node.image_id, Node.mask_image_id, Upload.sha256, Lookup.mask_image_id)
    return or_(*(exists(select(1).where(and_(place == Picture.sha256))) for place in places))
