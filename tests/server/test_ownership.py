"""Who may do what: every route of the OpenAPI for its owner, for another user, and for those who are not let in."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.server.place import PICTURE, Json, Place, bearer, good
from tests.server.rooms import finish

from retouch.server.security.people import People


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


def test_every_route_has_a_row(place: Place) -> None:
    told = httpx.get(f"{place.address}/openapi.json", trust_env=False).json()["paths"]
    routes = {f"{method.upper()} {path}" for path, item in told.items() for method in item}
    assert routes - {"POST /api/v1/login"} == set(ROWS)


@pytest.mark.parametrize("route", ROWS)
def test_a_route(place: Place, route: str) -> None:
    things = place.things()
    what, before = ROWS[route].what(things), _tree(place, things)
    strangers = [who for who in place.clients if who not in ("owner", "other")]
    assert {who: place.ask(who, route, things, what) for who in strangers} == dict.fromkeys(strangers, 401)
    assert place.ask("other", route, things, what) == ROWS[route].other
    assert _tree(place, things) == before
    assert place.ask("owner", route, things, what) == ROWS[route].owner


def test_lists_hold_nothing_of_another(place: Place) -> None:
    things = place.things()
    other = place.clients["other"]
    listed = good(other.get("/api/v1/projects", params={"limit": 100}))["items"]
    assert things["project_id"] not in [each["id"] for each in listed]
    assert good(other.get("/api/v1/queue"))["waiting"] < good(place.clients["owner"].get("/api/v1/queue"))["waiting"]


def test_nothing_of_another_is_reached_through_ones_own(place: Place) -> None:
    things, other = place.things(), place.clients["other"]
    root = good(other.post("/api/v1/projects", files=PICTURE))["project"]["root_id"]
    shown = {"instruction": "put it in", "references": [{"upload": things["upload_id"]}]}
    masked = {"instruction": "red", "region": {"kind": "mask", "upload": things["upload_id"]}}
    for body in (shown, masked):
        answer = other.post(f"/api/v1/nodes/{root}/branches", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown-upload")
    assert other.get(f"/api/v1/nodes/{root}/compare/{things['done']}").status_code == 404
    assert other.get(f"/api/v1/nodes/{things['done']}/compare/{root}").status_code == 404
    mine = good(other.post(f"/api/v1/nodes/{root}/branches", json={"instruction": "red"}))[0]["id"]
    finish(place.context, mine)
    assert other.post(f"/api/v1/nodes/{mine}/replay", json={"onto": things["root"]}).status_code == 404


def test_the_same_key_of_two_users_is_two_requests(place: Place) -> None:
    made = [
        good(place.clients[who].post("/api/v1/projects", files=PICTURE, headers={"Idempotency-Key": "one"}))
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
        **bearer(secret),
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": following"
        people.revoke(next(key.id for key in people.tokens("anna") if key.name == "follower"))
        good(place.clients["owner"].patch(f"/api/v1/nodes/{things['done']}", json={"label": "secret"}))
        assert not any("secret" in line for line in lines)


def _tree(place: Place, things: Json) -> str:
    told = good(place.clients["owner"].get(f"/api/v1/projects/{things['project_id']}"))
    for node in told["nodes"]:
        node.pop("place")
    return json.dumps(told)
