"""Who may do what: every route of the OpenAPI for its owner, for another user, and for those who are not let in."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.server.loopback import served
from tests.server.rooms import finish, png

from retouch.server.app import create_app
from retouch.server.blobs import open_blobs
from retouch.server.context import Context, Limits
from retouch.server.schemas import Model, Settings
from retouch.server.security.people import People
from retouch.server.security.rates import Rate
from retouch.server.store.database import Database, open_database
from retouch.server.store.tables import Node
from retouch.server.store.work_tables import Lookup

Json = dict[str, Any]
PASSWORD = "correct horse"


@dataclass(frozen=True, kw_only=True)
class Row:
    """How a route is asked, and what its owner and another user are answered; all others get 401."""

    owner: int
    other: int = 404
    what: Callable[[Json], Json] = field(default=lambda things: {})


def own(status: int = 200, **what: Any) -> Row:
    """A route on a thing that belongs to somebody."""
    return Row(owner=status, what=lambda things: what)


def anybody(status: int = 200, **what: Any) -> Row:
    """A route on nothing that belongs to anybody."""
    return Row(owner=status, other=status, what=lambda things: what)


PICTURE = {"image": ("room.png", png(), "image/png")}
ROWS: dict[str, Row] = {
    "GET /api/v1/projects": anybody(),
    "POST /api/v1/projects": anybody(201, files=PICTURE),
    "POST /api/v1/projects/import": Row(
        owner=201, other=201, what=lambda things: {"files": {"archive": ("a.zip", things["archive"])}}
    ),
    "GET /api/v1/projects/{project_id}": own(),
    "PATCH /api/v1/projects/{project_id}": own(json={"title": "Another"}),
    "DELETE /api/v1/projects/{project_id}": own(204),
    "POST /api/v1/projects/{project_id}/restore": own(),
    "POST /api/v1/projects/{project_id}/duplicate": own(201),
    "GET /api/v1/projects/{project_id}/export": own(),
    "POST /api/v1/projects/{project_id}/undo": own(),
    "GET /api/v1/projects/{project_id}/events": own(),
    "GET /api/v1/nodes/{node_id}": own(),
    "PATCH /api/v1/nodes/{node_id}": own(json={"starred": True}),
    "POST /api/v1/nodes/{node_id}/branches": own(202, json={"instruction": "make it red"}),
    "POST /api/v1/nodes/{node_id}/prune": own(),
    "POST /api/v1/nodes/{node_id}/restore": own(),
    "POST /api/v1/nodes/{node_id}/cancel": own(),
    "POST /api/v1/nodes/{node_id}/retry": own(202),
    "POST /api/v1/nodes/{node_id}/move": own(params={"to": "front"}),
    "POST /api/v1/nodes/{node_id}/replay": own(202, json={}),
    "GET /api/v1/nodes/{node_id}/compare/{other_id}": own(),
    "POST /api/v1/nodes/{node_id}/lookups": own(202, json={"kind": "phrase", "phrase": "sofa"}),
    "GET /api/v1/nodes/{node_id}/image": own(),
    "GET /api/v1/nodes/{node_id}/download": own(),
    "GET /api/v1/nodes/{node_id}/mask": own(),
    "POST /api/v1/uploads": anybody(201, files=PICTURE),
    "GET /api/v1/uploads/{upload_id}/image": own(),
    "GET /api/v1/lookups/{lookup_id}": own(),
    "GET /api/v1/lookups/{lookup_id}/mask": own(),
    "GET /api/v1/models": anybody(),
    "GET /api/v1/gallery": anybody(),
    "GET /api/v1/gallery/{name}": anybody(404),
    "GET /api/v1/queue": anybody(),
    "POST /api/v1/queue/pause": anybody(),
    "GET /api/v1/me": anybody(),
    "POST /api/v1/logout": anybody(204),
    "POST /v1/images/edits": anybody(400, data={"prompt": "make it green"}),
}
NODE_OF = {"retry": "failed", "move": "waiting", "cancel": "waiting"}
"""On which of the owner's nodes a route is tried; on the one that is done where it is not said."""


@dataclass
class Place:
    """A server with two users, and clients of it by what they show."""

    context: Context
    address: str
    clients: dict[str, httpx.Client]

    def things(self) -> Json:
        """A project of the owner's with a node in every state, an upload and a lookup: their ids."""
        owner = self.clients["owner"]
        made = _ok(owner.post("/api/v1/projects", files=PICTURE))
        root = made["project"]["root_id"]
        body = {"instruction": "make it green", "count": 3}
        nodes = [each["id"] for each in _ok(owner.post(f"/api/v1/nodes/{root}/branches", json=body))]
        finish(self.context, nodes[0])
        finish(self.context, nodes[1], state="failed")
        upload = _ok(owner.post("/api/v1/uploads", files=PICTURE))["id"]
        lookup = _ok(owner.post(f"/api/v1/nodes/{root}/lookups", json={"kind": "phrase", "phrase": "sofa"}))["id"]
        with self.context.database.read() as session:
            mask = session.get_one(Node, nodes[0]).mask_image_id
        done = update(Lookup).where(Lookup.id == lookup).values(state="done", mask_image_id=mask)
        self.context.database.write(lambda session: session.execute(done))
        project = made["project"]["id"]
        archive = owner.get(f"/api/v1/projects/{project}/export").content
        return {
            "project_id": project,
            "root": root,
            "done": nodes[0],
            "failed": nodes[1],
            "waiting": nodes[2],
            "upload_id": upload,
            "lookup_id": lookup,
            "archive": archive,
        }

    def ask(self, who: str, route: str, things: Json) -> int:
        """The status that somebody gets for a route."""
        method, path = route.split()
        node = things[NODE_OF.get(path.rpartition("/")[2], "done")]
        filled = path.format(**{**things, "node_id": node, "other_id": things["root"], "name": "nothing"})
        what = ROWS[route].what(things)
        with self.clients[who].stream(method, filled, **what) as answer:
            if who != "owner" or not path.endswith("/events"):
                answer.read()
            if answer.status_code >= 400:
                told = answer.json()
                assert set(told) == ({"error"} if path.startswith("/v1/") else set(told)), told
            return answer.status_code


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, ready_sqlite: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("ownership")
    (folder / "two.db").write_bytes(ready_sqlite.read_bytes())
    database = open_database(f"sqlite:///{folder}/two.db")
    context = _context(database, folder)
    people = People(database=database)
    for name in ("anna", "boris", "clara"):
        people.add(name, PASSWORD)
    secrets = {name: people.new_token(name, "test") for name in ("anna", "boris", "clara")}
    secrets["revoked"] = people.new_token("anna", "revoked")
    people.revoke(next(key.id for key in people.tokens("anna") if key.name == "revoked"))
    with served(create_app(context)) as address:
        # Logged in before, then disabled: neither her cookie nor her token counts.
        cookie = httpx.post(
            f"{address}/api/v1/login", json={"name": "clara", "password": PASSWORD}, trust_env=False
        ).cookies
        people.disable("clara")
        shown: dict[str, Json] = {
            "owner": _bearer(secrets["anna"]),
            "other": _bearer(secrets["boris"]),
            "anonymous": {},
            "disabled": _bearer(secrets["clara"]),
            "disabled in a browser": {"cookies": cookie},
            "revoked": _bearer(secrets["revoked"]),
            "invented": _bearer("rt_invented"),
        }
        clients = {
            who: httpx.Client(base_url=address, timeout=30, trust_env=False, **more) for who, more in shown.items()
        }
        yield Place(context=context, address=address, clients=clients)
        for client in clients.values():
            client.close()
    database.close()


def test_every_route_has_a_row(place: Place) -> None:
    told = httpx.get(f"{place.address}/openapi.json", trust_env=False).json()["paths"]
    routes = {f"{method.upper()} {path}" for path, item in told.items() for method in item}
    assert routes - {"POST /api/v1/login"} == set(ROWS)


@pytest.mark.parametrize("route", ROWS)
def test_a_route(place: Place, route: str) -> None:
    things = place.things()
    before = _tree(place, things)
    strangers = [who for who in place.clients if who not in ("owner", "other")]
    assert {who: place.ask(who, route, things) for who in strangers} == dict.fromkeys(strangers, 401)
    assert place.ask("other", route, things) == ROWS[route].other
    assert _tree(place, things) == before
    assert place.ask("owner", route, things) == ROWS[route].owner


def test_lists_hold_nothing_of_another(place: Place) -> None:
    things = place.things()
    other = place.clients["other"]
    listed = _ok(other.get("/api/v1/projects", params={"limit": 100}))["items"]
    assert things["project_id"] not in [each["id"] for each in listed]
    assert _ok(other.get("/api/v1/queue"))["waiting"] < _ok(place.clients["owner"].get("/api/v1/queue"))["waiting"]


def test_nothing_of_another_is_reached_through_ones_own(place: Place) -> None:
    things, other = place.things(), place.clients["other"]
    root = _ok(other.post("/api/v1/projects", files=PICTURE))["project"]["root_id"]
    shown = {"instruction": "put it in", "references": [{"upload": things["upload_id"]}]}
    masked = {"instruction": "red", "region": {"kind": "mask", "upload": things["upload_id"]}}
    for body in (shown, masked):
        answer = other.post(f"/api/v1/nodes/{root}/branches", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown-upload")
    assert other.get(f"/api/v1/nodes/{root}/compare/{things['done']}").status_code == 404
    assert other.get(f"/api/v1/nodes/{things['done']}/compare/{root}").status_code == 404
    mine = _ok(other.post(f"/api/v1/nodes/{root}/branches", json={"instruction": "red"}))[0]["id"]
    finish(place.context, mine)
    assert other.post(f"/api/v1/nodes/{mine}/replay", json={"onto": things["root"]}).status_code == 404


def test_the_same_key_of_two_users_is_two_requests(place: Place) -> None:
    made = [
        _ok(place.clients[who].post("/api/v1/projects", files=PICTURE, headers={"Idempotency-Key": "one"}))
        for who in ("owner", "other")
    ]
    assert made[0]["project"]["id"] != made[1]["project"]["id"]


def test_who_follows_hears_nothing_more_once_the_token_is_revoked(place: Place) -> None:
    people = People(database=place.context.database)
    secret = people.new_token("anna", "follower")
    things = place.things()
    with httpx.stream(
        "GET",
        f"{place.address}/api/v1/projects/{things['project_id']}/events",
        timeout=20,
        trust_env=False,
        **_bearer(secret),
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": following"
        people.revoke(next(key.id for key in people.tokens("anna") if key.name == "follower"))
        _ok(place.clients["owner"].patch(f"/api/v1/nodes/{things['done']}", json={"label": "secret"}))
        assert not any("secret" in line for line in lines)


def _context(database: Database, folder: Path) -> Context:
    words = Model(
        name="pocket", title="Pocket", reads_words=True, reads_references=False, default=True, defaults=Settings()
    )
    shown = words.model_copy(update={"name": "exemplar", "reads_words": False, "reads_references": True})
    context = Context(database=database, blobs=open_blobs(str(folder / "pictures")), models=(words, shown))
    return replace(context, limits=Limits(requests=Rate(per_second=0, burst=0)))


def _bearer(secret: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def _tree(place: Place, things: Json) -> str:
    told = _ok(place.clients["owner"].get(f"/api/v1/projects/{things['project_id']}"))
    for node in told["nodes"]:
        node.pop("place")
    return json.dumps(told)


def _ok(answer: httpx.Response) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json()
