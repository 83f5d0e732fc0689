"""The tables of users, designs and pictures; those of the work to do are in `work_tables`."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from retouch.server.store.columns import Digest, Id, UtcTime

STATES = ("waiting", "running", "done", "failed", "cancelled")
FINAL = ("done", "failed", "cancelled")
LOCAL_OWNER = "0" * 26
"""The id of the user "local", which the first migration makes: the owner of everything on a server without users."""
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
BIG = BigInteger().with_variant(Integer, "sqlite")
"""A number of 64 bits; SQLite counts up by itself only what it calls INTEGER, which has as many."""


class Table(DeclarativeBase):
    """Base of all tables; names of constraints are the same on every database."""

    metadata = MetaData(naming_convention=_NAMES)


def state_is_known() -> CheckConstraint:
    """A check that the column `state` holds one of `STATES`."""
    listed = ", ".join(f"'{state}'" for state in STATES)
    return CheckConstraint(f"state IN ({listed})", name="state")


class User(Table):
    """Who owns designs. A user without a password hash cannot log in."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Token(Table):
    """A secret that a program shows in place of a password; only its hash is kept."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    hash: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class LoginSession(Table):
    """A browser that is logged in; `id` is the hash of what its cookie holds."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)


class Picture(Table):
    """A picture in the blob store, once, however many nodes and uploads show it."""

    __tablename__ = "images"
    sha256: Mapped[str] = mapped_column(Digest, primary_key=True)
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int] = mapped_column(BIG)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Project(Table):
    """A design. `version` is the id of its last event; `words` the title as searches compare it."""

    __tablename__ = "projects"
    __table_args__ = (Index(None, "owner_id", "updated_at", "id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    words: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    trashed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    root_id: Mapped[str] = mapped_column(Id)
    version: Mapped[int] = mapped_column(BIG)


class Node(Table):
    """A node of a design; `seq` counts within it, `pruned_by` is the change that hid it.

    `request` is JSON of `retouch.designs.request`, None at the root; `words` its instruction as searches compare it.
    """

    __tablename__ = "nodes"
    __table_args__ = (UniqueConstraint("project_id", "seq"), state_is_known())
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("nodes.id"), index=True)
    seq: Mapped[int] = mapped_column(BIG)
    request: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    words: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12))
    label: Mapped[str] = mapped_column(String(200))
    starred: Mapped[bool]
    pruned_by: Mapped[str | None] = mapped_column(Id)
    image_id: Mapped[str | None] = mapped_column(ForeignKey("images.sha256"), index=True)
    mask_image_id: Mapped[str | None] = mapped_column(ForeignKey("images.sha256"), index=True)
    error: Mapped[str | None] = mapped_column(Text)
    warnings: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


class ChangeRow(Table):
    """A change of a tree, for undo; those that are `undone` are what a redo makes again."""

    __tablename__ = "changes"
    __table_args__ = (UniqueConstraint("project_id", "number"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(BIG)
    kind: Mapped[str] = mapped_column(String(12))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    undone: Mapped[bool]


class Upload(Table):
    """A picture that edits may name: a reference or a mask."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("images.sha256"), index=True)
    width: Mapped[int]
    height: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class NodeUpload(Table):
    """That a node's request names an upload, which is kept as long."""

    __tablename__ = "node_uploads"
    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"), primary_key=True, index=True)


class Event(Table):
    """That something changed in a project, for those who follow it; ids are in the order of the commits."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "project_id", "id"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(12))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Idempotency(Table):
    """What was answered to a request that carried a key, to be answered again."""

    __tablename__ = "idempotency"
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    route: Mapped[str] = mapped_column(String(100), primary_key=True)
    request_hash: Mapped[str] = mapped_column(Digest)
    status: Mapped[int]
    answer: Mapped[Any] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
