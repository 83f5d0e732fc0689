"""What a worker holds after a claim, and what it hands in."""

from dataclasses import dataclass
from typing import Any

from retouch.server.pictures import StoredPicture


@dataclass(frozen=True, kw_only=True)
class Held:
    """A job that a worker holds. Its results count only as long as job, worker and attempt are what the table says."""

    job_id: str
    worker_id: str
    attempt: int
    node_id: str | None = None
    lookup_id: str | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Jobs to do at once: one, or edits that differ in their seeds alone, which follow each other.

    request: of edits the first one's JSON, of a lookup {"region", "instruction"}. source: the digest of the picture.
    together_key: what edits share that can be made in one batch with these; "" where none can.
    """

    kind: str
    held: tuple[Held, ...]
    model: str
    request: dict[str, Any]
    source: str
    project_id: str
    owner_id: str
    together_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A picture that was made: itself, where the edit acted, the request with all that was chosen, and warnings."""

    image: StoredPicture
    mask: StoredPicture | None
    request: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """A region that was found: how, in words, its share of the picture, its box, and its mask."""

    found: str
    share: float
    box: tuple[int, int, int, int] | None
    mask: StoredPicture
