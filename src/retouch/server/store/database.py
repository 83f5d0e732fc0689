"""Open the database, SQLite or PostgreSQL alike: brought up to date first, then read and changed in transactions."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from retouch.core.errors import ServerError

Value = TypeVar("Value")
ATTEMPTS = 8
"""How many times a change is tried that others got in the way of."""
BUSY_SECONDS = 30
_MIGRATIONS = Path(__file__).with_name("migrations")
_MIGRATION_LOCK = 7_305_817_203
_IMMEDIATE = "retouch_immediate"
_PASSING = ("40001", "40P01", "55P03")
"""PostgreSQL's codes of what passes: a transaction that cannot be ordered, a deadlock, a lock that is held."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """An open database. Reads see one moment; changes are made one after the other where they touch the same."""

    engine: Engine
    reads: sessionmaker[Session]
    writes: sessionmaker[Session]

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite rather than PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees the database as it is now, whatever others change meanwhile; nothing is written."""
        with self.reads() as session:
            yield session

    def write(self, work: Callable[[Session], Value]) -> Value:
        """Run `work` in a transaction and commit; again from the start, a few times, where others got in its way.

        So `work` must have no effect outside the session that cannot be repeated. Whatever it raises rolls back.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self.writes.begin() as session:
                    return work(session)
            except DBAPIError as problem:
                if attempt == ATTEMPTS - 1 or not _passes(problem):
                    raise
                time.sleep(random.uniform(0, 0.01 * 2**attempt))
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open `sqlite:///FILE` or `postgresql://…`, making or bringing up to date its tables first.

    Raises:
        ServerError: the address is no such one, or the database cannot be reached, used or brought up to date.
    """
    address = parsed_address(url)
    engine = _engine(address)
    try:
        upgrade(engine)
    except CommandError as problem:
        engine.dispose()
        raise ServerError(
            f"The database {address.render_as_string()} was made by a newer version ({problem}); use that one."
        ) from problem
    except DBAPIError as problem:
        engine.dispose()
        reason = str(problem.orig).strip().splitlines()[0]
        raise ServerError(
            f"The database {address.render_as_string()} cannot be used ({reason}); check its address and that it runs."
        ) from problem
    except BaseException:
        engine.dispose()
        raise
    sqlite = engine.dialect.name == "sqlite"
    reading = engine if sqlite else engine.execution_options(isolation_level="REPEATABLE READ")
    return Database(
        engine=engine,
        reads=sessionmaker(reading, expire_on_commit=False),
        writes=sessionmaker(engine.execution_options(**{_IMMEDIATE: True}), expire_on_commit=False),
    )


def parsed_address(url: str) -> URL:
    """The parts of a database's address, with the driver we use; raises ServerError for one we cannot use."""
    try:
        address = make_url(url)
    except ArgumentError as problem:
        raise ServerError(
            f"'{url}' is no address of a database; expected sqlite:///FILE or postgresql://…"
        ) from problem
    kind = address.get_backend_name()
    if kind == "sqlite" and address.database not in (None, "", ":memory:"):
        return address.set(drivername="sqlite")
    if kind in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    shown = address.render_as_string()
    raise ServerError(f"'{shown}' is no database we can use; expected sqlite:///FILE or postgresql://…")


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date; several processes may ask at once, one does it.

    Raises ServerError where the database was made by a newer version.
    """
    with engine.execution_options(**{_IMMEDIATE: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        command.upgrade(migrations(connection), "head")


def migrations(connection: Connection) -> Config:
    """Alembic's settings for work on a connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _engine(address: URL) -> Engine:
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_size=10, max_overflow=40, pool_pre_ping=True)
    engine = create_engine(address, pool_size=10, max_overflow=40, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # Python's driver begins transactions by its own rules, and not before DDL; `_begin_sqlite` does it instead.
    connection.isolation_level = None  # pyright: ignore[reportAttributeAccessIssue]
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later could find that another wrote in between, and fail.
    immediate = connection.get_execution_options().get(_IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _passes(problem: DBAPIError) -> bool:
    if isinstance(problem, IntegrityError):
        return True
    code = getattr(problem.orig, "sqlstate", None)
    return code in _PASSING or "database is locked" in str(problem.orig)
