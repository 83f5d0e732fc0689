"""A server with two users and those who are not let in, for tests of who may do what."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import update
from tests.server.loopback import served
from tests.server.rooms import finish, png

from retouch.server.app import create_app
from retouch.server.blobs import open_blobs
from retouch.server.context import Context, Limits
from retouch.server.schemas import Model, Settings
from retouch.server.security.people import People
from retouch.server.security.rates import Rate
from retouch.server.store.database import Database
from retouch.server.store.tables import Node
from retouch.server.store.work_tables import Lookup

Json = dict[str, Any]
PASSWORD = "correct horse"
PICTURE = {"image": ("room.png", png(), "image/png")}
NODE_OF = {"retry": "failed", "move": "waiting", "cancel": "waiting"}
"""On which of the owner's nodes a route is tried; on the one that is done where it is not said."""


@dataclass
class Place:
    """A server with two users, and clients of it by what they show."""

    context: Context
    app: FastAPI
    address: str
    clients: dict[str, httpx.Client]

    def things(self) -> Json:
        """A project of the owner's with a node in every state, an upload and a lookup: their ids."""
        owner = self.clients["owner"]
        made = good(owner.post("/api/v1/projects", files=PICTURE))
        root = made["project"]["root_id"]
        body = {"instruction": "make it green", "count": 3}
        nodes = [each["id"] for each in good(owner.post(f"/api/v1/nodes/{root}/branches", json=body))]
        finish(self.context, nodes[0])
        finish(self.context, nodes[1], state="failed")
        upload = good(owner.post("/api/v1/uploads", files=PICTURE))["id"]
        lookup = good(owner.post(f"/api/v1/nodes/{root}/lookups", json={"kind": "phrase", "phrase": "sofa"}))["id"]
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

    def ask(self, who: str, route: str, things: Json, what: Json) -> int:
        """The status that somebody gets for a route."""
        method, path = route.split()
        filled = path.format(**names_in(path, things))
        with self.clients[who].stream(method, filled, **what) as answer:
            if who != "owner" or not path.endswith("/events"):
                answer.read()
            if answer.status_code >= 400:
                told = answer.json()
                assert set(told) == ({"error"} if path.startswith("/v1/") else set(told)), told
            return answer.status_code


def names_in(path: str, things: Json) -> Json:
    """What stands for the parameters of a path."""
    node = things[NODE_OF.get(path.rpartition("/")[2], "done")]
    return {**things, "node_id": node, "other_id": things["root"], "name": "nothing"}


@contextmanager
def two_users(database: Database, folder: Path) -> Iterator[Place]:
    """A server on a database that holds nobody but "local", with its clients."""
    context = _context(database, folder)
    people = People(database=database)
    for name in ("anna", "boris", "clara"):
        people.add(name, PASSWORD)
    secrets = {name: people.new_token(name, "test") for name in ("anna", "boris", "clara")}
    secrets["revoked"] = people.new_token("anna", "revoked")
    people.revoke(next(key.id for key in people.tokens("anna") if key.name == "revoked"))
    app = create_app(context)
    with served(app) as address:
        # Logged in before, then disabled: neither her cookie nor her token counts.
        cookie = httpx.post(
            f"{address}/api/v1/login", json={"name": "clara", "password": PASSWORD}, trust_env=False
        ).cookies
        people.disable("clara")
        shown: dict[str, Json] = {
            "owner": bearer(secrets["anna"]),
            "other": bearer(secrets["boris"]),
            "anonymous": {},
            "disabled": bearer(secrets["clara"]),
            "disabled in a browser": {"cookies": cookie},
            "revoked": bearer(secrets["revoked"]),
            "invented": bearer("rt_invented"),
        }
        clients = {
            who: httpx.Client(base_url=address, timeout=30, trust_env=False, **more) for who, more in shown.items()
        }
        yield Place(context=context, app=app, address=address, clients=clients)
        for client in clients.values():
            client.close()


def _context(database: Database, folder: Path) -> Context:
    words = Model(
        name="pocket", title="Pocket", reads_words=True, reads_references=False, default=True, defaults=Settings()
    )
    shown = words.model_copy(update={"name": "exemplar", "reads_words": False, "reads_references": True})
    context = Context(database=database, blobs=open_blobs(str(folder / "pictures")), models=(words, shown))
    return replace(context, limits=Limits(requests=Rate(per_second=0, burst=0)))


def bearer(secret: str) -> dict[str, Any]:
    """What a client shows."""
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def good(answer: httpx.Response) -> Any:
    """The JSON of an answer that is no problem."""
    assert answer.status_code < 300, answer.text
    return answer.json()
