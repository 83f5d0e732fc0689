"""A request that carries a key is done once: whoever sends it again is answered what was answered then."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from retouch.server.problems import Refusal
from retouch.server.store.columns import now
from retouch.server.store.tables import Idempotency

Json = Any


def digest(*parts: object) -> str:
    """A digest of what a request asks for, in JSON or bytes."""
    told = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        told.update(len(data).to_bytes(8, "big") + data)
    return told.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asks which route for what (a `digest`), and the key, None where none was sent."""

    owner: str
    route: str
    key: str | None
    digest: str


def once(session: Session, asked: Asked, work: Callable[[], Json]) -> Json:
    """Do `work` in this transaction and keep its answer, or give the one that was kept for the key.

    Of two such requests at once the second waits for the first's transaction. What `work` raises is not kept.

    Raises:
        Refusal: the key was sent with another request (422).
    """
    if asked.key is None:
        return work()
    row = session.get(Idempotency, (asked.owner, asked.key, asked.route))
    if row is not None:
        if row.request_hash != asked.digest:
            raise Refusal(
                "This Idempotency-Key was sent with another request; take a new one for each request.",
                status=422,
                code="key-reused",
            )
        return row.answer
    row = Idempotency(owner_id=asked.owner, key=asked.key, route=asked.route, request_hash=asked.digest)
    row.status, row.answer, row.created_at = 0, None, now()
    session.add(row)
    session.flush()
    row.answer, row.status = work(), 200
    return row.answer


def forget(session: Session, before: datetime) -> None:
    """Forget the answers from before a time."""
    session.execute(delete(Idempotency).where(Idempotency.created_at < before))
