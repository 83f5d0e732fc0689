"""The routes of projects, on both databases."""

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import func, select
from tests.server.rooms import begun, branched, finish, ok, png, problem, tree

from retouch.server.context import Context
from retouch.server.store import projects
from retouch.server.store.tables import LOCAL_OWNER, Event, Node, Picture, Project
from retouch.server.store.work_tables import Job

PROJECTS = "/api/v1/projects"


def count(context: Context, table: type[Any]) -> int:
    with context.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_begin_and_read(client: TestClient) -> None:
    made = begun(client)
    assert tree(client, made["project"]["id"]) == made
    (root,) = made["nodes"]
    assert (root["state"], root["width"], root["height"], root["parent_id"]) == ("done", 40, 30, None)
    project = made["project"]
    assert (project["title"], project["nodes"], project["starred"]) == ("My room", 1, 0)
    assert project["root_id"] == project["cover_id"] == root["id"]
    assert made["can_undo"] is None and made["can_redo"] is None and made["version"] > 0


def test_begin_with_a_gallery_picture(client: TestClient) -> None:
    assert ok(client.get("/api/v1/gallery"))[0]["name"] == "blue"
    assert client.get("/api/v1/gallery/blue").content.startswith(b"\x89PNG")
    assert ok(client.post(PROJECTS, data={"gallery": "blue"}))["project"]["title"] == "A blue room"
    problem(client.post(PROJECTS, data={"gallery": "../room"}), 404, "not-found")
    problem(client.get("/api/v1/gallery/room"), 404, "not-found")


def test_titles_come_from_the_file(client: TestClient) -> None:
    for name, title in (
        ("C:\\x\\my_room.png", "my room"),
        ("../../a.b.png", "a.b"),
        (".png", ".png"),
        ("", "Untitled"),
    ):
        answer = client.post(PROJECTS, files={"image": (name or "blob", png(), "image/png")})
        assert ok(answer)["project"]["title"] == (title if name else "blob")


def test_pictures_that_are_none(client: TestClient) -> None:
    for data in (b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", png()[:60], png((8, 8))):
        problem(client.post(PROJECTS, files={"image": ("a.png", data, "image/png")}), 422, "bad-image")
    problem(client.post(PROJECTS, files={"image": ("a.png", bytes(2**20 + 1), "image/png")}), 413, "too-large")
    problem(client.post(PROJECTS), 422, "bad-request")
    both = client.post(PROJECTS, data={"gallery": "blue"}, files={"image": ("a.png", png(), "image/png")})
    problem(both, 422, "bad-request")
    nul = client.post(PROJECTS, data={"title": "a\0b"}, files={"image": ("a.png", png(), "image/png")})
    problem(nul, 422, "bad-settings")


def test_what_came_along_with_a_picture_is_not_kept(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret place"
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "JPEG", exif=exif)
    made = ok(client.post(PROJECTS, files={"image": ("a.jpg", buffer.getvalue(), "image/jpeg")}))
    root = made["nodes"][0]
    data = client.get(f"/api/v1/nodes/{root['id']}/image").content
    assert b"secret" not in data and Image.open(io.BytesIO(data)).size == (30, 40) == (root["width"], root["height"])


def test_rename_trash_restore_and_delete(client: TestClient, context: Context) -> None:
    made, other = begun(client), begun(client, "Other")
    place = f"{PROJECTS}/{made['project']['id']}"
    assert ok(client.patch(place, json={"title": " New "}))["title"] == "New"
    problem(client.patch(place, json={"title": ""}), 422, "bad-request")
    problem(client.patch(place, json={"title": "\0"}), 422, "bad-settings")
    problem(client.patch(place, json={"title": "a", "owner_id": "b"}), 422, "bad-request")
    problem(client.delete(f"{place}?for_good=true"), 409, "not-trashed")
    assert client.delete(place).status_code == 204
    assert client.delete(place).status_code == 204
    assert [each["title"] for each in ok(client.get(PROJECTS))["items"]] == ["Other"]
    assert [each["title"] for each in ok(client.get(f"{PROJECTS}?trashed=true"))["items"]] == ["New"]
    root = made["nodes"][0]["id"]
    problem(client.post(f"/api/v1/nodes/{root}/branches", json={"instruction": "a"}), 409, "trashed")
    assert ok(client.post(f"{place}/restore"))["trashed_at"] is None
    client.delete(place)
    (node,) = branched(client, other["nodes"][0]["id"])
    finish(context, node["id"])
    assert client.delete(f"{place}?for_good=true").status_code == 204
    problem(client.get(place), 404, "not-found")
    problem(client.delete(f"{place}?for_good=true"), 404, "not-found")
    shared = client.get(f"/api/v1/nodes/{other['nodes'][0]['id']}/image")
    assert shared.status_code == 200, "the other project shows the same picture"
    assert count(context, Picture) == 3
    client.delete(f"{PROJECTS}/{other['project']['id']}")
    client.delete(f"{PROJECTS}/{other['project']['id']}?for_good=true")
    assert [count(context, table) for table in (Project, Node, Job, Picture, Event)] == [0] * 5
    assert not [path for path in context.blobs.files.find(context.blobs.root) if path.endswith(".png")]


def test_work_stops_when_its_project_is_thrown_away(client: TestClient, context: Context) -> None:
    made = begun(client)
    (node,) = branched(client, made["nodes"][0]["id"])
    place = f"{PROJECTS}/{made['project']['id']}"
    client.delete(place)
    assert tree(client, made["project"]["id"])["nodes"][1]["state"] == "cancelled"
    problem(client.post(f"/api/v1/nodes/{node['id']}/retry"), 409, "trashed")
    client.post(f"{place}/restore")
    assert ok(client.post(f"/api/v1/nodes/{node['id']}/retry"))["state"] == "waiting"


def test_pages_over_a_thousand_projects(client: TestClient, context: Context) -> None:
    first = begun(client, "First")
    digest = client.get(f"/api/v1/nodes/{first['nodes'][0]['id']}/image").headers["etag"].strip('"').partition("-")[0]

    def many(session: Any) -> None:
        for number in range(1000):
            projects.begin(session, LOCAL_OWNER, f"Room {number}", digest)

    context.database.write(many)
    seen, cursor = [], None
    while True:
        page = ok(client.get(PROJECTS, params={"limit": 100, **({"cursor": cursor} if cursor else {})}))
        seen += [each["title"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [*(f"Room {number}" for number in reversed(range(1000))), "First"]
    found = ok(client.get(PROJECTS, params={"search": "ROOM 99", "limit": 100}))
    assert len(found["items"]) == 11 and found["next"] is None


@pytest.mark.parametrize("cursor", ["", "x", "bm9uZQ==", "WzEsIDJd", "WyIyMDI2LTAxLTAxIiwgImEiXQ==", "é", "W" * 10_000])
def test_cursors_that_are_none(client: TestClient, cursor: str) -> None:
    problem(client.get(PROJECTS, params={"cursor": cursor}), 422, "bad-cursor")


def test_search_finds_titles_and_instructions_that_are_shown(client: TestClient) -> None:
    made = begun(client, "Straße 100%")
    begun(client, "Other_room")
    (node,) = branched(client, made["nodes"][0]["id"], "Make the SOFA grün")

    def found(words: str) -> list[str]:
        return [each["title"] for each in ok(client.get(PROJECTS, params={"search": words}))["items"]]

    assert found("sofa") == found("GRÜN") == found("STRASSE") == found("0%") == found(" sofa ") == ["Straße 100%"]
    assert found("r_r") == ["Other_room"] and found("o%r") == found("'; --") == []
    client.post(f"/api/v1/nodes/{node['id']}/prune")
    assert found("sofa") == []
    problem(client.get(PROJECTS, params={"search": "a\0"}), 422, "bad-request")


def test_the_cover_is_the_last_starred_else_the_last_done(client: TestClient, context: Context) -> None:
    made = begun(client)
    one, two, three = branched(client, made["nodes"][0]["id"], count=3)

    def cover() -> str:
        return tree(client, made["project"]["id"])["project"]["cover_id"]

    assert cover() == made["project"]["root_id"]
    finish(context, one["id"], two["id"])
    assert cover() == two["id"]
    client.patch(f"/api/v1/nodes/{one['id']}", json={"starred": True})
    client.patch(f"/api/v1/nodes/{three['id']}", json={"starred": True})
    assert cover() == one["id"]
    client.post(f"/api/v1/nodes/{one['id']}/prune")
    assert cover() == two["id"]


def edited(client: TestClient, context: Context) -> dict[str, Any]:
    """A project with all that an export has to carry."""
    made = begun(client)
    root = made["nodes"][0]["id"]
    mask = ok(client.post("/api/v1/uploads", files={"image": ("m.png", png(colour="white"), "image/png")}))
    shown = ok(client.post("/api/v1/uploads", files={"image": ("r.png", png(mode="RGBA", colour="#11223344"))}))
    region = {"kind": "mask", "upload": mask["id"]}
    settings = {"seed": 3, "region": {"grow": 2}, "reference": {"detail": 0.5}, "text_guidance": 7.5}
    (one,) = branched(
        client, root, references=[{"upload": shown["id"], "weight": 0.5}], region=region, settings=settings
    )
    two, three = branched(client, root, "b", count=2)
    finish(context, one["id"], two["id"])
    client.patch(f"/api/v1/nodes/{one['id']}", json={"starred": True, "label": "ünïcödé"})
    client.post(f"/api/v1/nodes/{two['id']}/prune")
    assert three["state"] == "waiting"
    return tree(client, made["project"]["id"])


def alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two trees are the same up to ids and work that was not done."""
    assert len(one["nodes"]) == len(other["nodes"])
    names = {node["id"]: twin["id"] for node, twin in zip(one["nodes"], other["nodes"], strict=True)}
    for node, twin in zip(one["nodes"], other["nodes"], strict=True):
        assert names.get(node["parent_id"]) == twin["parent_id"]
        for field in ("label", "starred", "pruned", "created_at", "width", "height", "warnings"):
            assert node[field] == twin[field]
        assert twin["state"] == ("cancelled" if node["state"] == "waiting" else node["state"])
        for field in ("instruction", "settings", "model"):
            assert (node["request"] or {}).get(field) == (twin["request"] or {}).get(field)


def test_export_and_import(client: TestClient, context: Context) -> None:
    made = edited(client, context)
    exported = client.get(f"{PROJECTS}/{made['project']['id']}/export")
    assert exported.headers["content-disposition"] == 'attachment; filename="my-room.zip"'
    assert len(zipfile.ZipFile(io.BytesIO(exported.content)).namelist()) == 1 + 5 + 2
    pictures = count(context, Picture)
    brought = ok(client.post(f"{PROJECTS}/import", files={"archive": ("a.zip", exported.content)}))
    alike(made, brought)
    assert brought["project"]["id"] != made["project"]["id"] and count(context, Picture) == pictures
    assert client.get(f"{PROJECTS}/{brought['project']['id']}/export").content[-200:] != b""
    for node, twin in zip(made["nodes"], brought["nodes"], strict=True):
        for what in ("image", "mask"):
            here, there = (client.get(f"/api/v1/nodes/{each['id']}/{what}") for each in (node, twin))
            assert here.status_code == there.status_code
            assert here.status_code != 200 or here.content == there.content
    again = ok(client.post(f"/api/v1/nodes/{brought['nodes'][3]['id']}/retry"))
    assert again["state"] == "waiting" and count(context, Job) == 4
    with_mask = brought["nodes"][1]["request"]
    upload = client.get(f"/api/v1/uploads/{with_mask['references'][0]['upload']}/image")
    assert Image.open(io.BytesIO(upload.content)).mode == "RGBA"
    assert with_mask["region"]["upload"] != made["nodes"][1]["request"]["region"]["upload"]
    for project in (made, brought):
        client.delete(f"{PROJECTS}/{project['project']['id']}")
        assert client.delete(f"{PROJECTS}/{project['project']['id']}?for_good=true").status_code == 204


def test_what_is_no_archive(client: TestClient, context: Context) -> None:
    made = begun(client)
    good = client.get(f"{PROJECTS}/{made['project']['id']}/export").content
    for data in (b"", b"PK", good[:-30], png(), good.replace(b"IDAT", b"IDOT")):
        problem(client.post(f"{PROJECTS}/import", files={"archive": ("a.zip", data)}), 422, "bad-archive")
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("../../escaped.png", b"")
    problem(client.post(f"{PROJECTS}/import", files={"archive": ("a.zip", stream.getvalue())}), 422, "bad-archive")
    assert count(context, Project) == 1


def test_duplicate(client: TestClient, context: Context) -> None:
    made = edited(client, context)
    copied = ok(client.post(f"{PROJECTS}/{made['project']['id']}/duplicate"))
    assert copied["title"] == "My room (copy)"
    alike(made, tree(client, copied["id"]))
    client.delete(f"{PROJECTS}/{made['project']['id']}")
    client.delete(f"{PROJECTS}/{made['project']['id']}?for_good=true")
    for node in tree(client, copied["id"])["nodes"]:
        if node["state"] == "done":
            assert client.get(f"/api/v1/nodes/{node['id']}/image?size=thumbnail").status_code == 200
    exported = client.get(f"{PROJECTS}/{copied['id']}/export")
    assert exported.status_code == 200


def test_a_key_makes_one_project(client: TestClient, context: Context) -> None:
    first = begun(client, **{"Idempotency-Key": "k"})
    assert begun(client, **{"Idempotency-Key": "k"}) == first
    files = {"image": ("room.png", png(colour="red"), "image/png")}
    answer = client.post(PROJECTS, data={"title": "My room"}, files=files, headers={"Idempotency-Key": "k"})
    problem(answer, 422, "key-reused")
    assert begun(client, **{"Idempotency-Key": "other"})["project"]["id"] != first["project"]["id"]
    assert count(context, Project) == 2


def test_a_key_sent_many_times_at_once_makes_one_project(client: TestClient, context: Context) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: begun(client, **{"Idempotency-Key": "k"})["project"]["id"], range(16)))
    assert len(set(made)) == 1 and count(context, Project) == 1


@pytest.mark.parametrize("name", ["nothing", "0" * 26, "%00" * 26, "é" * 26, "../x", "0" * 25 + "%00"])
def test_ids_of_nothing(client: TestClient, name: str) -> None:
    for path in (f"projects/{name}", f"projects/{name}/export", f"nodes/{name}", f"uploads/{name}/image"):
        problem(client.get(f"/api/v1/{path}"), 404, "not-found")
