"""Several at once at one design, and at the pictures: nothing is lost, nothing is half there."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.server.rooms import begun, branched, ok, png, tree

from retouch.server.context import Context
from retouch.server.pictures import picture_from
from retouch.server.store import idempotent, images, uploads
from retouch.server.store.columns import now
from retouch.server.store.tables import LOCAL_OWNER, ChangeRow, Event, Picture, Project


def at_once(tasks: Sequence[Callable[[], object]]) -> None:
    gate = threading.Barrier(len(tasks))

    def go(task: Callable[[], object]) -> None:
        gate.wait()
        task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in [pool.submit(go, task) for task in tasks]:
            done.result()


def test_branches_stars_and_labels_at_once_are_all_there(client: TestClient, context: Context) -> None:
    made = begun(client)
    root, project = made["nodes"][0]["id"], made["project"]["id"]
    (one,) = branched(client, root)
    (two,) = branched(client, root)
    at_once(
        [
            *(lambda: branched(client, root, "green", count=2) for _ in range(6)),
            lambda: ok(client.patch(f"/api/v1/nodes/{one['id']}", json={"label": "x"})),
            lambda: ok(client.patch(f"/api/v1/nodes/{two['id']}", json={"starred": True})),
        ]
    )
    told = tree(client, project)
    assert len(told["nodes"]) == 3 + 12
    assert told["nodes"][1]["label"] == "x" and told["nodes"][2]["starred"]
    with context.database.read() as session:
        assert sorted(session.scalars(select(ChangeRow.number))) == list(range(1, 11))
        events = session.scalars(select(Event.id).where(Event.project_id == project)).all()
        assert session.scalars(select(Project.version)).one() == max(events) == told["version"]
    for _ in range(10):
        ok(client.post(f"/api/v1/projects/{project}/undo"))
    told = tree(client, project)
    assert [node["pruned"] for node in told["nodes"]] == [False] + [True] * 14 and told["can_undo"] is None


def test_undo_and_redo_at_once_leave_a_log_that_holds(client: TestClient) -> None:
    made = begun(client)
    root, project = made["nodes"][0]["id"], made["project"]["id"]
    for _ in range(4):
        branched(client, root)
    undo = f"/api/v1/projects/{project}/undo"
    at_once([*(lambda: client.post(undo) for _ in range(4)), *(lambda: client.post(f"{undo}?direction=forth"),) * 4])
    told = tree(client, project)
    while told["can_redo"] is not None:
        told = ok(client.post(f"{undo}?direction=forth"))
    assert {node["pruned"] for node in told["nodes"]} == {False}
    assert [node["state"] for node in told["nodes"]] == ["done"] + ["waiting"] * 4


def test_branching_with_one_key_at_once_branches_once(client: TestClient) -> None:
    made = begun(client)
    place = f"/api/v1/nodes/{made['nodes'][0]['id']}/branches"
    headers = {"Idempotency-Key": "k"}
    at_once([lambda: ok(client.post(place, json={"instruction": "a", "count": 2}, headers=headers))] * 8)
    assert len(tree(client, made["project"]["id"])["nodes"]) == 3


def test_a_picture_dropped_and_brought_back_at_once_is_there(context: Context) -> None:
    """Whoever has a row has the bytes, however deleting and adding the same picture fall together."""
    picture = picture_from(Image.new("RGB", (40, 30), "orange"))

    def add() -> str:
        context.blobs.put(picture)
        facts = images.facts_of(picture)

        def work(session: Session) -> str:
            return uploads.add_upload(session, context.blobs, LOCAL_OWNER, facts, lambda: picture).id

        return context.database.write(work)

    def sweep() -> None:
        context.database.write(lambda session: uploads.sweep(session, context.blobs, now() + timedelta(days=1)))

    for _ in range(10):
        at_once([add, sweep, add, sweep])
        with context.database.read() as session:
            there = session.scalars(select(Picture.sha256)).all()
        assert all(context.blobs.has(digest) for digest in there)


def test_what_edits_name_is_kept(client: TestClient, context: Context) -> None:
    named, unnamed = (
        ok(client.post("/api/v1/uploads", files={"image": ("r.png", png(colour=colour))})) for colour in ("red", "blue")
    )
    branched(client, begun(client)["nodes"][0]["id"], "", references=[{"upload": named["id"]}])
    later = now() + timedelta(days=1)
    assert context.database.write(lambda session: uploads.sweep(session, context.blobs, later)) == 1
    assert client.get(f"/api/v1/uploads/{named['id']}/image").status_code == 200
    assert client.get(f"/api/v1/uploads/{unnamed['id']}/image").status_code == 404
    context.database.write(lambda session: idempotent.forget(session, later))


def test_what_raises_leaves_nothing(context: Context) -> None:
    picture = picture_from(Image.new("RGB", (40, 30), "orange"))

    def work(session: Session) -> None:
        images.keep(session, context.blobs, images.facts_of(picture), lambda: picture)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        context.database.write(work)
    with context.database.read() as session:
        assert session.scalars(select(Picture)).all() == []
