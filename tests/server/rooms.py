"""Pictures, and work done as a worker would, for the server's tests."""

import io
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from retouch.server.context import Context
from retouch.server.pictures import picture_from
from retouch.server.store import events, images
from retouch.server.store.columns import now
from retouch.server.store.tables import Node, Project
from retouch.server.store.work_tables import Job

Json = dict[str, Any]
_numbers = iter(range(1, 10**6))


def png(size: tuple[int, int] = (40, 30), colour: str | tuple[int, ...] = "green", mode: str = "RGB") -> bytes:
    """A picture of one colour as PNG."""
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def ok(answer: Response) -> Any:
    """The JSON of an answer that is no problem."""
    assert answer.status_code < 300, answer.text
    return answer.json()


def problem(answer: Response, status: int, code: str) -> Json:
    """The problem that an answer tells."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code), told
    assert told["detail"].rstrip().endswith("."), told
    return told


def begun(client: TestClient, title: str = "My room", **headers: str) -> Json:
    """The tree of a new project."""
    files = {"image": ("room.png", png(), "image/png")}
    return ok(client.post("/api/v1/projects", data={"title": title}, files=files, headers=headers))


def branched(client: TestClient, node: str, instruction: str = "make it green", **more: Any) -> list[Json]:
    """New nodes."""
    return ok(client.post(f"/api/v1/nodes/{node}/branches", json={"instruction": instruction, **more}))


def tree(client: TestClient, project: str) -> Json:
    """A project as it is."""
    return ok(client.get(f"/api/v1/projects/{project}"))


def finish(context: Context, *nodes: str, state: str = "done") -> None:
    """End the work on nodes as a worker does, each with a picture of its own where it is done."""
    for name in nodes:
        number = next(_numbers)
        picture = picture_from(Image.new("RGB", (40, 30), (number % 256, number // 256 % 256, 7)))
        mask = picture_from(Image.new("L", (40, 30), number % 256))
        for each in (picture, mask):
            context.blobs.put(each)

        def work(session: Session, name: str = name, picture: Any = picture, mask: Any = mask) -> None:
            node = session.scalars(select(Node).where(Node.id == name)).one()
            project = session.scalars(select(Project).where(Project.id == node.project_id).with_for_update()).one()
            node.state, node.finished_at = state, now()
            if state == "done":
                for each in (picture, mask):
                    images.keep(session, context.blobs, images.facts_of(each), lambda each=each: each)
                node.image_id, node.mask_image_id = picture.sha256, mask.sha256
            session.execute(update(Job).where(Job.node_id == name).values(state=state, finished_at=now()))
            events.record(session, project, "nodes", [name])

        context.database.write(work)


def run(context: Context, *nodes: str) -> None:
    """Let the work on nodes have begun."""

    def work(session: Session) -> None:
        session.execute(update(Job).where(Job.node_id.in_(nodes)).values(state="running", attempts=1, done=2, total=8))
        session.execute(update(Node).where(Node.id.in_(nodes)).values(state="running"))

    context.database.write(work)
