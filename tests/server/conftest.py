"""Databases for the server's tests: each test on SQLite and on PostgreSQL, each in one of its own."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.server import postgres

from retouch.server.store.database import Database, open_database

KINDS = ("sqlite", "postgresql")
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server_of_postgres() -> Iterator[postgres.Postgres]:
    """A running PostgreSQL, with a database `ready` whose tables are there."""
    if os.environ.get(postgres.WITHOUT) == "1":
        pytest.skip(f"{postgres.WITHOUT}=1")
    with postgres.running() as server:
        open_database(server.make("ready")).close()
        yield server


@pytest.fixture(scope="session")
def ready_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite whose tables are there."""
    path = tmp_path_factory.mktemp("sqlite") / "ready.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def make_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str, bool], str]]:
    """Make a database by its kind, ready or empty, and return its address."""
    dropped: list[tuple[postgres.Postgres, str]] = []

    def make(kind: str, ready: bool) -> str:
        name = f"d{next(_numbers)}"
        if kind == "sqlite":
            path = tmp_path / f"{name}.db"
            if ready:
                shutil.copyfile(request.getfixturevalue("ready_sqlite"), path)
            return f"sqlite:///{path}"
        server = request.getfixturevalue("server_of_postgres")
        dropped.append((server, name))
        return server.make(name, "ready" if ready else "template0")

    yield make
    for server, name in dropped:
        server.drop(name)


@pytest.fixture(params=KINDS)
def empty_address(request: pytest.FixtureRequest, make_address: Callable[[str, bool], str]) -> str:
    """The address of a database without tables."""
    return make_address(request.param, False)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, make_address: Callable[[str, bool], str]) -> Iterator[Database]:
    """A database that is up to date and holds nothing but the local user."""
    opened = open_database(make_address(request.param, True))
    yield opened
    opened.close()
