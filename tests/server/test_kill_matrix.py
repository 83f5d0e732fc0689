"""kill -9 at every labelled place, of a worker or of all: no job is lost, none ends twice, no half picture is seen."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from tests.server.invariants import check_all, check_heard
from tests.server.living import Follower, Json, Living, begin, waited
from tests.server.rooms import png

from retouch.server.killpoints import KILL_AT, KILL_ONCE, SERVER_LABELS, WORKER_LABELS
from retouch.server.store.database import open_database
from retouch.server.store.work_tables import Worker

KINDS = ("sqlite", "postgresql")
MakeAddress = Callable[[str, bool], str]


class Doomed:
    """A server that is killed once at a label, and begun again by whoever finds it dead."""

    def __init__(self, folder: Path, address: str, label: str, *arguments: str) -> None:
        self.folder, self.address, self.arguments = folder, address, arguments
        self.fuse = folder / "fuse"
        folder.mkdir()
        self.fuse.touch()
        self._environment = {KILL_AT: label, KILL_ONCE: str(self.fuse)}
        self.server = self._begin()

    def ask(self, question: Callable[[Living], Any]) -> Any:
        """Ask; where the server dies of it, ask the next one."""
        try:
            return question(self.server)
        except httpx.TransportError:
            assert self.server.process.wait(20) == -signal.SIGKILL
            self.server = self._begin()
            return question(self.server)

    def kill(self) -> None:
        """Kill the server too, and begin another."""
        self.server.end(signal.SIGKILL)
        self.server = self._begin()

    def _begin(self) -> Living:
        fixed = ("--fake", "--workers", "1", "--database", self.address)
        return begin(self.folder, *fixed, *self.arguments, environment=self._environment)


def branches(root: str, instruction: str, **more: object) -> Callable[[Living], list[Json]]:
    body = {"instruction": instruction, **more}
    headers = {"Idempotency-Key": instruction}
    return lambda server: server.ok(server.client.post(f"/api/v1/nodes/{root}/branches", json=body, headers=headers))


def survive(folder: Path, address: str, label: str, *, all_die: bool = False) -> None:
    """Ask for edits and a region, die at the label, and see that all is as if nothing had happened."""
    doomed = Doomed(folder, address, label)
    upload = {"image": ("mask.png", png((40, 30), colour=(255,), mode="L"), "image/png")}
    mask = doomed.ask(lambda server: server.ok(server.client.post("/api/v1/uploads", files=upload)))
    tree = doomed.ask(lambda server: server.begun(png()))
    root, project = tree["project"]["root_id"], tree["project"]["id"]
    follower = Follower(doomed.server, project, tree["version"])
    asked = [
        *doomed.ask(branches(root, "green", count=2, settings={"steps": 6})),
        *doomed.ask(branches(root, "blue", region={"kind": "mask", "upload": mask["id"]})),
    ]
    looked = f"/api/v1/nodes/{root}/lookups"
    doomed.ask(lambda server: server.ok(server.client.post(looked, json={"kind": "box", "numbers": [1, 2, 20, 20]})))
    waited(lambda: None if doomed.fuse.exists() else True)
    if all_die:
        doomed.kill()
    last = Follower(doomed.server, project, tree["version"])
    ended = doomed.server.ended(project)
    waited(lambda: True if not running(address) else None)
    assert {node["id"]: node["state"] for node in ended["nodes"]} == dict.fromkeys(
        [root, *(n["id"] for n in asked)], "done"
    )
    last.until(lambda kind, body: kind == "node" and body["id"] == asked[-1]["id"] and body["state"] == "done")
    assert doomed.server.end() == 0
    assert set(check_all(address, folder).values()) == {"done"}
    check_heard(follower)
    check_heard(last)


def survive_together(folder: Path, address: str, label: str) -> None:
    """Let one worker hold edits of two designs, by three instructions, and die: each waits again, and is made alone."""
    doomed = Doomed(folder, address, label, "--together", "4")
    server = doomed.server
    waited(lambda: server.ok(server.client.get("/api/v1/queue"))["workers"] or None)
    server.ok(server.client.post("/api/v1/queue/pause"))
    trees = [server.begun(png(colour=colour)) for colour in ("red", "navy")]
    followers = [Follower(server, tree["project"]["id"], tree["version"]) for tree in trees]
    roots = [tree["project"]["root_id"] for tree in trees]
    settings = {"steps": 6}
    asked = [
        *server.branched(roots[0], "green", count=2, settings={**settings, "seed": 1}),
        *server.branched(roots[1], "blue", settings=settings),
        *server.branched(roots[1], "grey", settings=settings),
    ]
    server.ok(server.client.post("/api/v1/queue/pause", params={"paused": False}))
    waited(lambda: None if doomed.fuse.exists() else True)
    ended = {node["id"]: node for tree in trees for node in server.ended(tree["project"]["id"])["nodes"]}
    attempts = [ended[node["id"]]["attempts"] for node in asked]
    assert {node["state"] for node in ended.values()} == {"done"}
    # Nothing is made twice that was handed in, and all else that was held at once is tried again.
    assert sorted(attempts) == ([1, 2, 2, 2] if label == "after-finish" else [2, 2, 2, 2])
    assert server.end() == 0
    assert set(check_all(address, folder).values()) == {"done"}
    for follower in followers:
        check_heard(follower)


def running(address: str) -> list[str]:
    """The jobs that have not ended."""
    from retouch.server.store.work_tables import Job

    database = open_database(address)
    with database.read() as session:
        found = list(session.scalars(select(Job.id).where(Job.state.in_(("waiting", "running")))))
    database.close()
    return found


@pytest.mark.parametrize("label", ["after-picture", "inside-branch"])
def test_killed_once(tmp_path: Path, make_address: MakeAddress, label: str) -> None:
    survive(tmp_path / "data", make_address("sqlite", True), label)


def test_a_worker_is_killed_at_a_batch_of_several(tmp_path: Path, make_address: MakeAddress) -> None:
    survive_together(tmp_path / "data", make_address("sqlite", True), "at-step")


@pytest.mark.slow
@pytest.mark.parametrize("label", [label for label in WORKER_LABELS if label != "worker-began"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_several_is_killed(tmp_path: Path, make_address: MakeAddress, kind: str, label: str) -> None:
    survive_together(tmp_path / "data", make_address(kind, True), label)


@pytest.mark.slow
@pytest.mark.parametrize("all_die", [False, True], ids=["alone", "with-the-server"])
@pytest.mark.parametrize("label", WORKER_LABELS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_is_killed(tmp_path: Path, make_address: MakeAddress, kind: str, label: str, all_die: bool) -> None:
    survive(tmp_path / "data", make_address(kind, True), label, all_die=all_die)


@pytest.mark.slow
@pytest.mark.parametrize("label", SERVER_LABELS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_server_is_killed(tmp_path: Path, make_address: MakeAddress, kind: str, label: str) -> None:
    survive(tmp_path / "data", make_address(kind, True), label)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_kills_every_worker_fails_alone(tmp_path: Path, make_address: MakeAddress, kind: str) -> None:
    address = make_address(kind, True)
    server = begin(tmp_path, "--fake", "--database", address, environment={KILL_AT: "after-edit"})
    tree = server.begun(png())
    (node,) = server.branched(tree["project"]["root_id"])
    ended = {each["id"]: each for each in server.ended(tree["project"]["id"])["nodes"]}[node["id"]]
    assert ended["state"] == "failed" and ended["attempts"] == 2 and "crashed twice" in ended["error"]
    assert server.end() == 0
    check_all(address, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_hangs_fails_alone(tmp_path: Path, make_address: MakeAddress, kind: str) -> None:
    address = make_address(kind, True)
    server = begin(tmp_path, "--fake", "--database", address, environment={"RETOUCH_SERVER_STALL_SECONDS": "2"})
    tree = server.begun(png())
    root = tree["project"]["root_id"]
    (hangs,), (waits,) = server.branched(root, "hang"), server.branched(root)
    ended = {each["id"]: each for each in server.ended(tree["project"]["id"])["nodes"]}
    assert ended[hangs["id"]]["state"] == "failed" and "did not go on" in ended[hangs["id"]]["error"]
    assert ended[waits["id"]]["state"] == "done" and ended[waits["id"]]["attempts"] == 1
    assert server.end() == 0
    assert server.log.read_text().count("work-stalled") == 2
    check_all(address, tmp_path)


@pytest.mark.slow
def test_a_worker_outlives_no_server(tmp_path: Path, make_address: MakeAddress) -> None:
    address = make_address("sqlite", True)
    server = begin(tmp_path, "--fake", "--database", address)
    database = open_database(address)

    def first() -> int | None:
        with database.read() as session:
            return session.scalar(select(Worker.pid))

    pid = waited(first)
    server.end(signal.SIGKILL)

    def gone() -> bool | None:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return True if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z" else None

    waited(gone)
    database.close()
