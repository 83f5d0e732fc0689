"""Events as they are read and written: from which version on, each thing once, whole even where one leaves midway."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from tests.server.yard import MODELS, Yard, yard

from retouch.server.events import Events, followed, version_of
from retouch.server.store import events as store
from retouch.server.store.columns import new_id, now
from retouch.server.store.database import Database
from retouch.server.store.tables import LOCAL_OWNER, Project


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Yard:
    return yard(database, tmp_path / "blobs")


@pytest.fixture
def events(database: Database) -> Iterator[Events]:
    made = Events(database, every=0.02)
    made.start()
    yield made
    made.close()


Heard = list[tuple[str, str, str]]


def heard(events: Events, project: str, after: int, *, until: str, owner: str = LOCAL_OWNER) -> Heard:
    """(id, event, data) of all messages up to the first that holds a text."""

    async def listen() -> Heard:
        found: Heard = []
        async for message in followed(events, project, owner, after):
            lines = dict(line.split(": ", 1) for line in message.decode().splitlines() if ": " in line)
            if "event" in lines:
                found.append((lines.get("id", ""), lines["event"], lines["data"]))
            if until in message.decode():
                return found
        return found

    return asyncio.run(asyncio.wait_for(listen(), 20))


@pytest.mark.parametrize(
    ("header", "after", "version"),
    [
        (None, None, 7),
        (None, 3, 3),
        ("5", 3, 5),
        ("0", None, 0),
        ("", 3, 3),
        ("-1", 3, 3),
        ("x", None, 7),
        ("٣", None, 7),
        ("9" * 5000, 2, 2),
        (None, -99, -1),
        (None, 10**30, 2**62),
    ],
)
def test_from_which_version(header: str | None, after: int | None, version: int) -> None:
    assert version_of(header, after, 7) == version


def test_all_that_happened_is_told_once_as_it_is_now(place: Yard, events: Events) -> None:
    root = place.project(LOCAL_OWNER)
    project = place.node(root).project_id
    (node,) = place.branch(root)
    claim = place.queue.claim(new_id(), MODELS)
    assert claim is not None and place.finish(claim.held[0])
    told = heard(events, project, 0, until='"cover_id"')
    assert [kind for _, kind, _ in told] == ["node", "project"] and json.loads(told[0][2])["state"] == "done"
    with place.database.read() as session:
        version = session.get_one(Project, project).version
    # The version comes with the last of the messages: who leaves after the first takes up again before it.
    assert [number for number, _, _ in told] == ["", str(version)] and json.loads(told[0][2])["id"] == node


def test_a_preview_is_told_and_a_reset_is_all_that_is(place: Yard, events: Events) -> None:
    root = place.project(LOCAL_OWNER)
    project = place.node(root).project_id
    place.branch(root)
    claim = place.queue.claim(new_id(), MODELS)
    assert claim is not None
    place.queue.report(claim.held, 2, 4, [b"picture"])
    told = heard(events, project, 10**9 - 1, until="preview")
    assert told[0][1:] == ("reset", "{}") and told[-1][1] == "preview" and "cGljdHVyZQ" in told[-1][2]
    told = heard(events, project, 0, until="preview")
    assert any(kind == "node" and json.loads(data)["progress"] == {"done": 2, "total": 4} for _, kind, data in told)

    def reset(session: Session) -> None:
        store.record(session, session.get_one(Project, project), "reset")

    place.database.write(reset)
    assert [kind for _, kind, _ in heard(events, project, 0, until="reset")] == ["reset"]


def test_purged_events_are_told_as_a_reset(place: Yard, events: Events) -> None:
    """Who had all that went goes on; who had less is told to read anew, and misses nothing that came after."""
    root, other = place.project(LOCAL_OWNER), place.project(LOCAL_OWNER)
    project = place.node(root).project_id

    def noted(node: str) -> int:
        return place.database.write(
            lambda session: store.record(session, session.get_one(Project, project), "nodes", [node])
        )

    numbers = [noted(root) for _ in range(6)]
    place.branch(other)
    with place.database.read() as session:
        assert store.outdated(session, now() - timedelta(hours=1), 99) == {}
        assert store.outdated(session, now() - timedelta(hours=1), 2) == {project: numbers[3]}
        assert store.outdated(session, now() + timedelta(hours=1), 99) == {project: numbers[5]}
    assert place.database.write(lambda session: store.purge(session, project, numbers[3])) == 3
    with place.database.read() as session:
        assert store.outdated(session, now() - timedelta(hours=1), 2) == {}
        assert session.get_one(Project, project).version == numbers[5]
    for after in (0, numbers[2]):
        assert [(number, kind) for number, kind, _ in heard(events, project, after, until="reset")] == [
            (str(numbers[5]), "reset")
        ]
    told = heard(events, project, numbers[3], until='"cover_id"')
    assert [(number, kind) for number, kind, _ in told] == [("", "node"), (str(numbers[5]), "project")]
    place.database.write(lambda session: store.purge(session, project, numbers[5]))
    assert [kind for _, kind, _ in heard(events, project, numbers[4], until="reset")] == ["reset"]
    with place.database.read() as session:
        assert session.get_one(Project, project).version == numbers[5]


def test_who_waits_is_told_of_moving_up(place: Yard, events: Events) -> None:
    """An edit of another design of the same owner begins: nothing of this one changed but the places."""
    other, root = place.project(LOCAL_OWNER), place.project(LOCAL_OWNER)
    place.branch(other, instruction="first")
    (second,), (third,) = place.branch(root, instruction="second"), place.branch(root, instruction="third")
    project = place.node(root).project_id
    begin = threading.Timer(1.5, lambda: place.queue.claim(new_id(), MODELS))
    begin.start()
    told = [json.loads(data) for _, kind, data in heard(events, project, 0, until='"place": 1') if kind == "node"]
    begin.join()
    assert {node["id"]: node["place"] for node in told if node["id"] in (second, third)}[second] == 1
    assert all(node["state"] == "waiting" for node in told)


def test_what_is_another_s_or_gone_ends_at_once(place: Yard, events: Events) -> None:
    project = place.node(place.project(LOCAL_OWNER)).project_id
    for name, owner in ((project, place.owner("other")), (new_id(), LOCAL_OWNER)):
        assert [kind for _, kind, _ in heard(events, name, 0, until="never", owner=owner)] == ["reset"]


def test_all_connections_end_with_the_server(place: Yard, events: Events) -> None:
    project = place.node(place.project(LOCAL_OWNER)).project_id

    async def leave() -> None:
        stream = followed(events, project, LOCAL_OWNER, 0)
        await anext(stream)
        rest = asyncio.create_task(_drained(stream))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(events.close)
        await asyncio.wait_for(rest, 10)

    asyncio.run(leave())


async def _drained(stream: AsyncIterator[bytes]) -> None:
    async for _ in stream:
        pass
