"""The server as it runs: processes of its own, the fake editor, a real connection."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from tests.server.living import Follower, Living, begin, living, waited
from tests.server.rooms import png

from retouch.core.errors import ServerError
from retouch.server.serve import address_of, check_host, listen
from retouch.server.store.database import open_database
from retouch.server.store.work_tables import Worker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("serve"), "--fake", environment={"RETOUCH_SERVER_STEP_SECONDS": "0.2"}) as made:
        yield made


def workers(server: Living) -> list[Worker]:
    database = open_database(f"sqlite:///{server.log.parent}/retouch.db")
    with database.read() as session:
        found = list(session.scalars(select(Worker)))
    database.close()
    return found


def test_an_edit_from_beginning_to_end_as_it_is_followed(server: Living) -> None:
    tree = server.begun(png((64, 48)))
    follower = Follower(server, tree["project"]["id"], tree["version"])
    (node,) = server.branched(tree["project"]["root_id"])
    assert node["state"] == "waiting" and node["place"] == 1
    done = follower.until(lambda kind, body: kind == "node" and body["state"] == "done")
    states = [body["state"] for _, kind, body in follower.heard if kind == "node"]
    assert states == sorted(states, key=["waiting", "running", "done"].index)
    steps = [body["progress"]["done"] for _, kind, body in follower.heard if kind == "node" and body["progress"]]
    assert steps == sorted(steps) and max(steps) > 0
    preview = follower.until(lambda kind, body: kind == "preview")
    assert preview["node_id"] == node["id"] and preview["image"].startswith("data:image/jpeg;base64,")
    assert done["request"]["model"] == "pocket" and done["request"]["settings"]["steps"] == 4
    with Image.open(io.BytesIO(server.client.get(f"/api/v1/nodes/{node['id']}/image").content)) as image:
        assert image.size == (64, 48)
    numbers = [number for number, _, _ in follower.heard if number is not None]
    again = Follower(server, tree["project"]["id"], numbers[0])
    told = again.until(lambda kind, body: kind == "node" and body["id"] == node["id"])
    assert told["state"] == "done" and numbers == sorted(set(numbers))


def test_cancelling_takes_one_step(server: Living) -> None:
    tree = server.begun(png())
    (node,) = server.branched(tree["project"]["root_id"], settings={"steps": 500})
    url = f"/api/v1/nodes/{node['id']}"
    waited(lambda: (server.client.get(url).json()["progress"] or {}).get("done"))
    server.ok(server.client.post(f"{url}/cancel"))
    began = server.client.get(url).json()
    ended = waited(lambda: body if (body := server.client.get(url).json())["state"] == "cancelled" else None, 10)
    assert ended["error"] is None and began["state"] in ("running", "cancelled")
    retried = server.ok(server.client.post(f"{url}/retry"))
    assert retried["state"] == "waiting" and retried["attempts"] == 0
    server.ok(server.client.post(f"{url}/cancel"))
    server.ended(tree["project"]["id"])


def test_one_of_several_is_cancelled_and_the_others_go_on(server: Living) -> None:
    tree = server.begun(png())
    nodes = server.branched(tree["project"]["root_id"], count=3, settings={"steps": 8, "seed": 1})
    waited(lambda: (server.client.get(f"/api/v1/nodes/{nodes[1]['id']}").json()["progress"] or {}).get("done"))
    server.ok(server.client.post(f"/api/v1/nodes/{nodes[1]['id']}/cancel"))
    states = {node["id"]: node["state"] for node in server.ended(tree["project"]["id"])["nodes"]}
    assert [states[node["id"]] for node in nodes] == ["done", "cancelled", "done"]


def test_a_region_is_looked_up_and_edited(server: Living) -> None:
    tree = server.begun(png((64, 48)))
    root = tree["project"]["root_id"]
    follower = Follower(server, tree["project"]["id"], tree["version"])
    region = {"kind": "phrase", "phrase": "the sofa"}
    lookup = server.ok(server.client.post(f"/api/v1/nodes/{root}/lookups", json=region))
    found = follower.until(lambda kind, body: kind == "lookup" and body["state"] == "done")
    assert found["id"] == lookup["id"] and found["box"] == [16, 12, 48, 36] and found["share"] == pytest.approx(0.25)
    mask = server.client.get(f"/api/v1/lookups/{lookup['id']}/mask").content
    assert Image.open(io.BytesIO(mask)).getpixel((32, 24)) == 255
    lost = server.ok(
        server.client.post(f"/api/v1/nodes/{root}/lookups", json={"kind": "phrase", "phrase": "a missing lamp"})
    )
    told = follower.until(lambda kind, body: kind == "lookup" and body["state"] == "failed")
    assert told["id"] == lost["id"] and "shows no" in told["error"]
    (node,) = server.branched(root, region={**region, "invert": True})
    server.ended(tree["project"]["id"])
    with Image.open(io.BytesIO(server.client.get(f"/api/v1/nodes/{node['id']}/image").content)) as image:
        assert image.getpixel((32, 24)) == (0, 128, 0) and image.getpixel((0, 0)) != (0, 128, 0)
    assert server.client.get(f"/api/v1/nodes/{node['id']}/mask").status_code == 200


def test_a_failed_edit_says_why_and_nothing_else_fails(server: Living) -> None:
    tree = server.begun(png())
    (bad,) = server.branched(tree["project"]["root_id"], "fail")
    (good,) = server.branched(tree["project"]["root_id"])
    nodes = {node["id"]: node for node in server.ended(tree["project"]["id"])["nodes"]}
    assert nodes[bad["id"]]["error"] == "This edit was asked to fail; ask for another one."
    assert nodes[good["id"]]["state"] == "done"


def test_a_worker_that_is_killed_is_begun_again_and_its_edit_too(server: Living) -> None:
    tree = server.begun(png())
    (node,) = server.branched(tree["project"]["root_id"], settings={"steps": 15})
    url = f"/api/v1/nodes/{node['id']}"
    waited(lambda: (server.client.get(url).json()["progress"] or {}).get("done"))
    (worker,) = workers(server)
    os.kill(worker.pid, signal.SIGKILL)
    nodes = {each["id"]: each for each in server.ended(tree["project"]["id"])["nodes"]}
    assert nodes[node["id"]]["state"] == "done" and nodes[node["id"]]["attempts"] == 2


def test_the_page_and_health(server: Living) -> None:
    assert server.client.get("/healthz").json() == {"status": "ok"}
    assert "Retouch" in server.client.get("/").text
    queue = server.client.get("/api/v1/queue").json()
    assert queue["workers"] >= 1 and isinstance(queue["loading"], list)
    assert (queue["waiting"], queue["running"], queue["paused"]) == (0, 0, False)


def test_following_what_is_not_there(server: Living) -> None:
    assert server.client.get("/api/v1/projects/nothing/events").status_code == 404
    tree = server.begun(png())
    ahead = Follower(server, tree["project"]["id"], 10**9)
    assert ahead.until(lambda kind, body: kind == "reset") == {}


def test_a_server_ends_in_good_order(tmp_path: Path) -> None:
    server = begin(tmp_path, "--fake", environment={"RETOUCH_SERVER_STEP_SECONDS": "0.2"})
    tree = server.begun(png())
    follower = Follower(server, tree["project"]["id"], tree["version"])
    (node,) = server.branched(tree["project"]["root_id"], settings={"steps": 500})
    waited(lambda: (server.client.get(f"/api/v1/nodes/{node['id']}").json()["progress"] or {}).get("done"))
    (worker,) = workers(server)
    assert server.end() == 0 and follower.ended()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
    assert workers(server) == []
    with living(tmp_path, "--fake", "--workers", "0") as again:
        told = again.tree(tree["project"]["id"])["nodes"][1]
        assert (told["state"], told["attempts"], told["place"]) == ("waiting", 0, 1)


def test_the_http_process_holds_no_model() -> None:
    heavy = "{'torch', 'diffusers', 'transformers'}"
    code = f"import sys, retouch.server.serve; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_addresses() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.5", "::"):
        check_host(host)
    with pytest.raises(ServerError, match="127"):
        check_host("example")
    with listen("127.0.0.1", 0) as taken:
        assert address_of("127.0.0.1", taken).startswith("http://127.0.0.1:")
        with pytest.raises(ServerError, match="--port"):
            listen("127.0.0.1", taken.getsockname()[1])
