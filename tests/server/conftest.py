"""Databases for the server's tests: each test on SQLite and on PostgreSQL, each in one of its own."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.server import postgres
from tests.server.place import Place, two_users
from tests.server.rooms import ok
from tests.server.yard import Yard, yard

from retouch.server.app import create_app
from retouch.server.blobs import open_blobs
from retouch.server.context import Context, Limits
from retouch.server.schemas import GalleryPicture, Model, Settings
from retouch.server.security.rates import Rate
from retouch.server.store.database import Database, open_database

ADDRESS = "http://127.0.0.1:8750"
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


@pytest.fixture
def sqlite_yard(make_address: Callable[[str, bool], str], tmp_path: Path) -> Iterator[Yard]:
    """A place of work on SQLite alone."""
    opened = open_database(make_address("sqlite", True))
    yield yard(opened, tmp_path / "blobs")
    opened.close()


@pytest.fixture
def context(database: Database, tmp_path: Path) -> Context:
    """A server's parts: two models, one room to start from, and room for 100 jobs."""
    room = tmp_path / "room.png"
    Image.new("RGB", (40, 30), "navy").save(room)
    words = Model(
        name="pocket", title="Pocket", reads_words=True, reads_references=False, default=True, defaults=Settings()
    )
    shown = words.model_copy(update={"name": "exemplar", "reads_words": False, "reads_references": True})
    entry = GalleryPicture(name="blue", title="A blue room", width=40, height=30, suggestions=["make it green"])
    return Context(
        database=database,
        blobs=open_blobs(str(tmp_path / "pictures")),
        models=(words, shown),
        gallery=((entry, room),),
        limits=Limits(waiting_jobs=100, upload_bytes=2**20, requests=Rate(per_second=0, burst=0)),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, ready_sqlite: Path) -> Iterator[Place]:
    """A running server with two users."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copyfile(ready_sqlite, folder / "two.db")
    opened = open_database(f"sqlite:///{folder}/two.db")
    with two_users(opened, folder) as made:
        yield made
    opened.close()


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    """A browser that opened the printed address of a server without users."""
    with TestClient(create_app(context), base_url=ADDRESS, raise_server_exceptions=False) as made:
        ok(made.post("/api/v1/login", json={"token": context.entrance.once.draw()}))
        yield made
