"""The tables of the work to do: lookups, jobs and their previews, workers, and whose queue is paused."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from retouch.server.store.columns import Id, UtcTime
from retouch.server.store.tables import BIG, Table, state_is_known

LOOKUP_PRIORITY = 10
EDIT_PRIORITY = 0


class Lookup(Table):
    """A region to be found in a node's picture without an edit; `region` and `instruction` are what was asked."""

    __tablename__ = "lookups"
    __table_args__ = (state_is_known(),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), index=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    region: Mapped[dict[str, Any]] = mapped_column(JSON)
    instruction: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12))
    found: Mapped[str] = mapped_column(Text)
    share: Mapped[float | None]
    box: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    mask_image_id: Mapped[str | None] = mapped_column(ForeignKey("images.sha256"), index=True)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Job(Table):
    """Work for a worker: a node to make or a lookup to answer; made in one transaction with it.

    Of those of one owner that wait, the next is that of the highest `priority`, then of the lowest `place`, then of
    the lowest `id`. A job can begin once its node's parent is done. Jobs of one `batch_key` differ in their seeds
    alone, those of one `together_key` can be made in one batch; "" is made apart.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        state_is_known(),
        CheckConstraint("kind IN ('edit', 'lookup')", name="kind"),
        CheckConstraint("(node_id IS NULL) <> (lookup_id IS NULL)", name="of_one"),
        Index(None, "state", "owner_id", "priority", "place"),
        Index(None, "batch_key"),
        Index(None, "owner_id", "started_at"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    node_id: Mapped[str | None] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), unique=True)
    lookup_id: Mapped[str | None] = mapped_column(ForeignKey("lookups.id", ondelete="CASCADE"), unique=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    model: Mapped[str] = mapped_column(String(200))
    batch_key: Mapped[str] = mapped_column(String(64))
    together_key: Mapped[str] = mapped_column(String(64), server_default="")
    state: Mapped[str] = mapped_column(String(12))
    priority: Mapped[int]
    place: Mapped[int] = mapped_column(BIG)
    attempts: Mapped[int]
    lease_until: Mapped[datetime | None] = mapped_column(UtcTime)
    worker_id: Mapped[str | None] = mapped_column(Id)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcTime)
    cancel_requested: Mapped[bool]
    done: Mapped[int]
    total: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Preview(Table):
    """How the picture of a running job looks so far: overwritten, and gone when the job ends."""

    __tablename__ = "previews"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    image: Mapped[bytes] = mapped_column(LargeBinary)
    step: Mapped[int]


class Worker(Table):
    """A worker process, when it was last heard of, and the model it was loading then, "" for none."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    seen_at: Mapped[datetime] = mapped_column(UtcTime)
    models: Mapped[list[str]] = mapped_column(JSON)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    loading: Mapped[str] = mapped_column(String(200), server_default="")


class OwnersQueue(Table):
    """Whether nothing more of an owner's begins."""

    __tablename__ = "owners_queue"
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    paused: Mapped[bool]
