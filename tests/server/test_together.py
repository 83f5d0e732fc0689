"""Several at once at one design, and at the pictures: nothing is lost, nothing is half there."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.server.rooms import begun, branched, ok, png, tree

from retouch.server.context import Context
from retouch.server.housekeeping import remove_orphans
from retouch.server.pictures import StoredPicture, picture_from
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


def test_orphans_go_and_what_is_kept_meanwhile_stays(context: Context) -> None:
    """Bytes of no row go once they are old; whoever keeps the same picture at that moment has its bytes."""
    lost, kept = (picture_from(Image.new("RGB", (40, 30), colour)) for colour in ("orange", "teal"))
    for each in (lost, kept):
        context.blobs.put(each)
        context.blobs.smaller(each.sha256, "thumbnail")
    _kept(context, kept)
    assert remove_orphans(context, now() - timedelta(hours=1)) == 0 and context.blobs.has(lost.sha256)
    later = now() + timedelta(hours=1)
    assert remove_orphans(context, later) == 1 and remove_orphans(context, later) == 0
    assert context.blobs.has(kept.sha256) and not context.blobs.has(lost.sha256)
    assert not [name for name in context.blobs.files.find(context.blobs.root) if lost.sha256 in name]
    for number in range(10):
        racing = picture_from(Image.new("RGB", (40, 30), (number, 7, 7)))
        context.blobs.put(racing)
        for name in context.blobs.files.find(context.blobs.root):
            os.utime(name, (0, 0))
        # What the race writes is new, as it is where pictures of a day ago are swept.
        at_once(
            [lambda: remove_orphans(context, now() - timedelta(hours=1)), lambda racing=racing: _kept(context, racing)]
            * 2
        )
        assert context.blobs.has(racing.sha256)
        with context.database.read() as session:
            assert session.get_one(Picture, racing.sha256).width == 40


def test_a_writer_between_look_and_removal_keeps_its_bytes(context: Context) -> None:
    """The transaction that keeps the picture is open while the orphans are swept, and ends afterwards."""
    picture = picture_from(Image.new("RGB", (40, 30), "orange"))
    context.blobs.put(picture)
    inside, swept = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        images.keep(session, context.blobs, images.facts_of(picture), lambda: picture)
        inside.set()
        swept.wait(0.5)

    def sweep() -> None:
        inside.wait(10)
        remove_orphans(context, now() + timedelta(hours=1))
        swept.set()

    at_once([lambda: context.database.write(work), sweep])
    assert context.blobs.has(picture.sha256)


def test_unfinished_files_go(context: Context) -> None:
    context.blobs.put(picture_from(Image.new("RGB", (40, 30), "orange")))
    (name,) = context.blobs.files.find(f"{context.blobs.root}/pictures")
    left = Path(name).with_name(".half.png.12345678.tmp")
    left.write_bytes(b"half")
    assert context.blobs.remove_unfinished(now() - timedelta(hours=1)) == 0 and left.exists()
    assert context.blobs.remove_unfinished(now() + timedelta(hours=1)) == 1 and not left.exists()


def _kept(context: Context, picture: StoredPicture) -> None:
    facts = images.facts_of(picture)
    context.blobs.put(picture)
    context.database.write(
        lambda session: uploads.add_upload(session, context.blobs, LOCAL_OWNER, facts, lambda: picture)
    )
