"""The routes of nodes, on both databases; workers are played by `rooms.finish` and `rooms.run`."""

import io
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select
from tests.server.rooms import begun, branched, finish, ok, png, problem, run, tree

from retouch.core.provenance import read_provenance
from retouch.server.context import Context
from retouch.server.store.tables import Event, Node
from retouch.server.store.work_tables import Job

NODES = "/api/v1/nodes"


def root_of(client: TestClient) -> str:
    return begun(client)["nodes"][0]["id"]


def jobs(context: Context) -> dict[str | None, Job]:
    with context.database.read() as session:
        return {job.node_id: job for job in session.scalars(select(Job))}


def node(client: TestClient, name: str) -> dict[str, Any]:
    return ok(client.get(f"{NODES}/{name}"))


def test_branches_wait_with_a_job_each(client: TestClient, context: Context) -> None:
    root = root_of(client)
    made = branched(client, root, count=3, settings={"seed": 7, "steps": 5})
    assert [each["request"]["settings"]["seed"] for each in made] == [7, 8, 9]
    assert {each["request"]["model"] for each in made} == {"pocket"}
    assert [each["place"] for each in made] == [1, 2, 3]
    assert {(each["state"], each["parent_id"], each["attempts"]) for each in made} == {("waiting", root, 0)}
    found = jobs(context)
    assert {found[each["id"]].batch_key for each in made} == {found[made[0]["id"]].batch_key}
    assert {(found[each["id"]].state, found[each["id"]].model) for each in made} == {("waiting", "pocket")}
    (other,) = branched(client, root, "another")
    assert jobs(context)[other["id"]].batch_key != found[made[0]["id"]].batch_key
    assert other["request"]["settings"]["seed"] is not None, "a seed is drawn and told"
    assert tree(client, made[0]["project_id"])["can_undo"] == "branch 'another'"


def test_what_asks_for_nothing_that_can_be_done(client: TestClient) -> None:
    root = root_of(client)
    (waiting,) = branched(client, root)

    def asked(code: str, status: int = 422, of: str = root, **ask: Any) -> None:
        problem(client.post(f"{NODES}/{of}/branches", json=ask), status, code)

    asked("nothing-asked")
    asked("nothing-asked", instruction="  ")
    asked("unknown-model", instruction="a", model="/etc/passwd")
    asked("unknown-upload", instruction="a", references=[{"upload": "0" * 26}])
    asked("bad-settings", instruction="a\0")
    asked("bad-settings", instruction="a", region={"kind": "box", "numbers": [1]})
    asked("bad-settings", instruction="a", count=2, settings={"seed": 2**63 - 1})
    asked("bad-request", instruction="a", settings={"steps": 0})
    asked("bad-request", instruction="a", path="/etc/passwd")
    asked("bad-request", instruction="a", count=65)
    asked("no-picture", 409, of=waiting["id"], instruction="a")
    asked("not-found", 404, of="0" * 26, instruction="a")
    body = b'{"instruction": "\\ud800"}'
    headers = {"content-type": "application/json"}
    assert client.post(f"{NODES}/{root}/branches", content=body, headers=headers).status_code == 422
    deep = client.post(f"{NODES}/{root}/branches", content=b"[" * 50_000, headers=headers)
    problem(deep, 400, "bad-request")
    assert len(tree(client, waiting["project_id"])["nodes"]) == 2, "nothing half done is left"


def test_masks_must_fit(client: TestClient) -> None:
    root = root_of(client)
    small = ok(client.post("/api/v1/uploads", files={"image": ("m.png", png((20, 20)))}))
    ask = {"instruction": "a", "region": {"kind": "mask", "upload": small["id"]}}
    told = problem(client.post(f"{NODES}/{root}/branches", json=ask), 422, "bad-image")
    assert "20 x 20" in told["detail"] and "40 x 30" in told["detail"]


def test_references_take_a_model_that_reads_them(client: TestClient) -> None:
    shown = ok(client.post("/api/v1/uploads", files={"image": ("r.png", png())}))
    (made,) = branched(client, root_of(client), "", references=[{"upload": shown["id"]}])
    assert made["request"]["model"] == "exemplar"


def test_a_full_queue(client: TestClient) -> None:
    root = root_of(client)
    branched(client, root, count=60)
    ask = {"instruction": "a", "count": 41}
    problem(client.post(f"{NODES}/{root}/branches", json=ask), 429, "queue-full")
    branched(client, root, count=40)


def test_label_star_and_undo(client: TestClient) -> None:
    made = begun(client)
    (one,) = branched(client, made["nodes"][0]["id"])
    place, undo = f"{NODES}/{one['id']}", f"/api/v1/projects/{made['project']['id']}/undo"
    changed = ok(client.patch(place, json={"label": "The green one", "starred": True}))
    assert (changed["label"], changed["starred"]) == ("The green one", True)
    ok(client.patch(place, json={"starred": True}))
    ok(client.patch(place, json={}))
    told = tree(client, made["project"]["id"])
    assert told["can_undo"] == "star 'The green one'" and told["can_redo"] is None
    back = ok(client.post(undo))
    assert not back["nodes"][1]["starred"] and back["can_redo"] == "star 'The green one'"
    assert ok(client.post(undo))["nodes"][1]["label"] == ""
    hidden = ok(client.post(undo))
    assert hidden["nodes"][1]["pruned"] and hidden["nodes"][1]["state"] == "cancelled" and hidden["can_undo"] is None
    problem(client.post(undo), 409, "nothing-to-undo")
    shown = ok(client.post(f"{undo}?direction=forth"))
    assert not shown["nodes"][1]["pruned"] and shown["nodes"][1]["state"] == "waiting"
    ok(client.post(f"{undo}?direction=forth"))
    again = ok(client.post(f"{undo}?direction=forth"))
    assert (again["nodes"][1]["label"], again["nodes"][1]["starred"]) == ("The green one", True)
    problem(client.post(f"{undo}?direction=forth"), 409, "nothing-to-redo")
    ok(client.post(undo))
    ok(client.patch(place, json={"label": "Other"}))
    problem(client.post(f"{undo}?direction=forth"), 409, "nothing-to-redo")
    problem(client.patch(place, json={"label": "\0"}), 422, "bad-settings")
    problem(client.patch(place, json={"label": "x" * 201}), 422, "bad-request")


def test_prune_stops_work_and_undo_begins_it_again(client: TestClient, context: Context) -> None:
    made = begun(client)
    root = made["nodes"][0]["id"]
    (one,) = branched(client, root)
    finish(context, one["id"])
    two, three = branched(client, one["id"], count=2)
    run(context, two["id"])
    pruned = ok(client.post(f"{NODES}/{one['id']}/prune"))
    assert {each["id"] for each in pruned} == {one["id"], two["id"], three["id"]}
    assert all(each["pruned"] for each in pruned)
    found = jobs(context)
    assert found[two["id"]].cancel_requested and found[two["id"]].state == "running"
    assert found[three["id"]].state == node(client, three["id"])["state"] == "cancelled"
    problem(client.post(f"{NODES}/{one['id']}/branches", json={"instruction": "a"}), 409, "not-possible")
    problem(client.post(f"{NODES}/{root}/prune"), 409, "not-possible")
    ok(client.post(f"/api/v1/projects/{made['project']['id']}/undo"))
    found = jobs(context)
    assert not found[two["id"]].cancel_requested and found[two["id"]].state == "running"
    assert found[three["id"]].state == node(client, three["id"])["state"] == "waiting"
    assert ok(client.post(f"{NODES}/{one['id']}/restore")) == []
    ok(client.post(f"{NODES}/{one['id']}/prune"))
    restored = ok(client.post(f"{NODES}/{three['id']}/restore"))
    assert {each["id"] for each in restored} == {one["id"], two["id"], three["id"]}
    assert node(client, three["id"])["state"] == "cancelled", "what is restored by hand is not begun again"


def test_cancel_retry_and_move(client: TestClient, context: Context) -> None:
    root = root_of(client)
    one, two, three = branched(client, root, count=3)
    assert ok(client.post(f"{NODES}/{three['id']}/move?to=front"))["place"] == 1
    assert [node(client, each["id"])["place"] for each in (one, two, three)] == [2, 3, 1]
    assert ok(client.post(f"{NODES}/{three['id']}/move?to=back"))["place"] == 3
    assert ok(client.post(f"{NODES}/{one['id']}/cancel"))["state"] == "cancelled"
    assert ok(client.post(f"{NODES}/{one['id']}/cancel"))["state"] == "cancelled"
    problem(client.post(f"{NODES}/{one['id']}/move?to=front"), 409, "not-waiting")
    problem(client.post(f"{NODES}/{two['id']}/retry"), 409, "not-ended")
    again = client.post(f"{NODES}/{one['id']}/retry")
    assert again.status_code == 202 and (again.json()["state"], again.json()["place"]) == ("waiting", 3)
    run(context, two["id"])
    running = ok(client.post(f"{NODES}/{two['id']}/cancel"))
    assert running["state"] == "running" and running["progress"] == {"done": 2, "total": 8}
    assert jobs(context)[two["id"]].cancel_requested
    finish(context, two["id"], state="failed")
    assert ok(client.post(f"{NODES}/{two['id']}/retry"))["state"] == "waiting"
    assert not jobs(context)[two["id"]].cancel_requested and jobs(context)[two["id"]].attempts == 0
    problem(client.post(f"{NODES}/{root}/move?to=front"), 409, "not-waiting")
    problem(client.post(f"{NODES}/{root}/move?to=aside"), 422, "bad-request")


def test_replay(client: TestClient, context: Context) -> None:
    root = root_of(client)
    (one,) = branched(client, root, "make it green.", settings={"seed": 1})
    finish(context, one["id"])
    (two,) = branched(client, one["id"], "add a lamp", settings={"seed": 2})
    finish(context, two["id"])
    (other,) = branched(client, root, "night", settings={"seed": 3})
    finish(context, other["id"])
    steps = ok(client.post(f"{NODES}/{two['id']}/replay", json={"how": "step-by-step", "onto": other["id"]}))
    assert [each["request"]["instruction"] for each in steps] == ["make it green.", "add a lamp"]
    assert [each["parent_id"] for each in steps] == [other["id"], steps[0]["id"]]
    (merged,) = ok(client.post(f"{NODES}/{two['id']}/replay", json={}))
    assert merged["parent_id"] == root and merged["request"]["instruction"] == "make it green and add a lamp"
    assert merged["request"]["settings"]["seed"] == 2
    stopped = ok(client.post(f"{NODES}/{steps[0]['id']}/cancel"))
    assert stopped["state"] == node(client, steps[1]["id"])["state"] == "cancelled"
    problem(client.post(f"{NODES}/{steps[1]['id']}/retry"), 409, "no-picture")
    ok(client.post(f"{NODES}/{steps[0]['id']}/retry"))
    ok(client.post(f"{NODES}/{steps[1]['id']}/retry"))
    problem(client.post(f"{NODES}/{root}/replay", json={}), 409, "not-possible")
    problem(client.post(f"{NODES}/{two['id']}/replay", json={"onto": steps[0]["id"]}), 409, "no-picture")
    elsewhere = root_of(client)
    problem(client.post(f"{NODES}/{two['id']}/replay", json={"onto": elsewhere}), 404, "not-found")
    key = {"Idempotency-Key": "k"}
    first, second = (client.post(f"{NODES}/{two['id']}/replay", json={}, headers=key).json() for _ in range(2))
    assert first == second
    problem(client.post(f"{NODES}/{one['id']}/replay", json={}, headers=key), 422, "key-reused")


def test_compare(client: TestClient, context: Context) -> None:
    root = root_of(client)
    one, two = branched(client, root, settings={"seed": 1}, count=2)
    problem(client.get(f"{NODES}/{one['id']}/compare/{root}"), 409, "no-picture")
    finish(context, one["id"], two["id"])
    told = ok(client.get(f"{NODES}/{one['id']}/compare/{two['id']}"))
    assert told["changes"] == [{"field": "step 1: seed", "left": "1", "right": "2"}]
    assert told["same_size"] and told["differing"] is not None and told["psnr"] is not None
    same = ok(client.get(f"{NODES}/{one['id']}/compare/{one['id']}"))
    assert (same["changes"], same["differing"], same["psnr"]) == ([], 0, None)
    problem(client.get(f"{NODES}/{one['id']}/compare/{root_of(client)}"), 404, "not-found")


def test_pictures_are_answered_once(client: TestClient, context: Context) -> None:
    root = root_of(client)
    place = f"{NODES}/{root}/image"
    first = client.get(place)
    assert first.headers["content-type"] == "image/png" and "immutable" in first.headers["cache-control"]
    etag = first.headers["etag"]
    for sent in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = client.get(place, headers={"If-None-Match": sent})
        assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == etag
    assert client.get(place, headers={"If-None-Match": '"other"'}).status_code == 200
    small = client.get(f"{place}?size=thumbnail", headers={"If-None-Match": etag})
    assert small.status_code == 200 and small.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(small.content)).size == (40, 30), "what is small is not made larger"
    (one,) = branched(client, root)
    for what in ("image", "download", "mask"):
        problem(client.get(f"{NODES}/{one['id']}/{what}"), 404, "not-found")
    problem(client.get(f"{NODES}/{root}/mask"), 404, "not-found")
    finish(context, one["id"])
    assert Image.open(io.BytesIO(client.get(f"{NODES}/{one['id']}/mask").content)).mode == "L"


def test_downloads_tell_how_they_were_made_or_not(client: TestClient, context: Context, tmp_path: Any) -> None:
    root = root_of(client)
    (one,) = branched(client, root, "Make it GREEN!", settings={"seed": 5}, region={"kind": "phrase", "phrase": "sofa"})
    finish(context, one["id"])
    answer = client.get(f"{NODES}/{one['id']}/download")
    assert answer.headers["content-disposition"] == 'attachment; filename="make-it-green.png"'
    (tmp_path / "a.png").write_bytes(answer.content)
    told = read_provenance(tmp_path / "a.png")
    assert (told.instructions, told.settings.seed, told.model) == (("Make it GREEN!",), 5, "pocket")
    assert told.regions[0].asked == "sofa" and told.regions[0].mask_sha256 and told.source_sha256
    plain = client.get(f"{NODES}/{one['id']}/download?settings=false").content
    assert plain == client.get(f"{NODES}/{one['id']}/image").content and b"tEXt" not in plain
    ok_root = client.get(f"{NODES}/{root}/download")
    assert ok_root.status_code == 200


def test_lookups(client: TestClient, context: Context) -> None:
    root = root_of(client)
    asked = client.post(f"{NODES}/{root}/lookups?instruction=remove it", json={"kind": "phrase", "phrase": "the sofa"})
    assert asked.status_code == 202
    told = asked.json()
    assert (told["state"], told["node_id"], told["region"]["phrase"]) == ("waiting", root, "the sofa")
    assert ok(client.get(f"/api/v1/lookups/{told['id']}")) == told
    problem(client.get(f"/api/v1/lookups/{told['id']}/mask"), 404, "not-found")
    problem(client.get("/api/v1/lookups/nothing"), 404, "not-found")
    problem(client.post(f"{NODES}/{root}/lookups", json={"kind": "phrase"}), 422, "bad-settings")
    with context.database.read() as session:
        (job,) = session.scalars(select(Job))
        assert (job.kind, job.lookup_id, job.node_id, job.state) == ("lookup", told["id"], None, "waiting")
        assert session.scalars(select(Event.kind)).all() == ["project", "lookup"]


def test_every_change_is_told_and_moves_the_version(client: TestClient, context: Context) -> None:
    made = begun(client)
    project, root = made["project"]["id"], made["nodes"][0]["id"]
    (one,) = branched(client, root)
    versions = [made["version"]]
    for path in ("cancel", "retry", "move?to=back", "prune", "restore"):
        ok(client.post(f"{NODES}/{one['id']}/{path}"))
        versions.append(tree(client, project)["version"])
    ok(client.patch(f"{NODES}/{one['id']}", json={"starred": True}))
    ok(client.post(f"/api/v1/projects/{project}/undo"))
    versions.append(tree(client, project)["version"])
    assert versions == sorted(set(versions))
    with context.database.read() as session:
        found = session.scalars(select(Event).order_by(Event.id)).all()
    assert found[-1].id == versions[-1] and {event.kind for event in found} == {"project", "nodes"}
    assert all(one["id"] in event.payload["ids"] for event in found if event.kind == "nodes")


def test_a_tree_of_a_thousand(client: TestClient, context: Context) -> None:
    made = begun(client)
    root = made["nodes"][0]["id"]
    for _ in range(16):
        nodes = branched(client, root, count=64)
        finish(context, nodes[0]["id"])
        root = nodes[0]["id"]
        for each in nodes[1:]:
            assert each["state"] == "waiting"
        context.database.write(lambda session: [setattr(job, "state", "done") for job in session.scalars(select(Job))])
    told = tree(client, made["project"]["id"])
    assert len(told["nodes"]) == 1025 and len(json.dumps(told)) < 2_000_000
    first = told["nodes"][1]["id"]
    assert len(ok(client.post(f"{NODES}/{first}/prune"))) == 1 + 15 * 64
    assert tree(client, made["project"]["id"])["project"]["nodes"] == 64
    assert len(ok(client.post(f"{NODES}/{first}/restore"))) == 1 + 15 * 64
    client.delete(f"/api/v1/projects/{made['project']['id']}")
    assert client.delete(f"/api/v1/projects/{made['project']['id']}?for_good=true").status_code == 204
    with context.database.read() as session:
        assert session.scalars(select(Node)).all() == []


@pytest.mark.parametrize("method", ["put", "delete"])
def test_methods_and_places_that_are_not_there(client: TestClient, method: str) -> None:
    problem(client.request(method, f"{NODES}/{'0' * 26}"), 405, "bad-method")
    problem(client.request(method, "/nowhere"), 404, "not-found")
