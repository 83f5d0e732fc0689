"""A small place of work for tests: a database, a folder of pictures, projects and edits that wait."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from retouch.designs.request import Request, to_json
from retouch.server.blobs import Blobs, open_blobs
from retouch.server.jobs.held import Held, Made
from retouch.server.jobs.queue import WorkQueue
from retouch.server.jobs.rules import Rules
from retouch.server.pictures import StoredPicture, picture_from
from retouch.server.store import images, work
from retouch.server.store.columns import new_id, now
from retouch.server.store.database import Database
from retouch.server.store.tables import Node, Project, User
from retouch.server.store.work_tables import Job

MODELS = ("pocket", "pocket/insert", "pocket/exemplar")
PLAIN = Request(model="pocket")
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


def picture(level: int = 90, size: tuple[int, int] = (32, 24)) -> StoredPicture:
    """A plain picture."""
    return picture_from(Image.new("RGB", size, (level % 256, level // 256 % 256, 60)))


def noise(seed: int, size: tuple[int, int] = (64, 48)) -> StoredPicture:
    """A picture of noise of its own."""
    levels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return picture_from(Image.fromarray(levels))


@dataclass(kw_only=True)
class Yard:
    """What the tests of the queue work with; `clock` moves only when it is told to."""

    database: Database
    blobs: Blobs
    clock: datetime = BEGIN
    rules: Rules = field(default_factory=lambda: Rules(lease=timedelta(seconds=30)))

    @property
    def queue(self) -> WorkQueue:
        """The queue under the yard's clock."""
        return WorkQueue(database=self.database, blobs=self.blobs, rules=self.rules, clock=lambda _: self.clock)

    def owner(self, name: str) -> str:
        """A new user."""
        row = User(id=new_id(), name=name, created_at=now())
        self.database.write(lambda session: session.add(row))
        return row.id

    def project(self, owner: str, source: StoredPicture | None = None) -> str:
        """A project of nothing but its root; the root's id."""
        root = source or picture()
        project, node = new_id(), new_id()

        def make(session: Session) -> None:
            images.keep(session, self.blobs, images.facts_of(root), lambda: root)
            times = {"created_at": now(), "updated_at": now()}
            session.add(Project(id=project, owner_id=owner, title="t", words="t", root_id=node, version=0, **times))
            session.flush()
            session.add(_node(node, project, None, 0, None, state="done", image=root.sha256))

        self.database.write(make)
        return node

    def branch(
        self,
        parent: str,
        count: int = 1,
        *,
        seed: int | None = 5,
        instruction: str = "green",
        like: Request = PLAIN,
    ) -> list[str]:
        """Edits of a node that wait, otherwise `like` a request; their nodes."""

        def make(session: Session) -> list[str]:
            source = session.get_one(Node, parent)
            project = session.get_one(Project, source.project_id)
            seq = len(session.scalars(select(Node.id).where(Node.project_id == project.id)).all())
            rows = []
            for number in range(count):
                seeded = like.with_seed(None if seed is None else seed + number)
                request = replace(seeded, instruction=instruction)
                rows.append(_node(new_id(), project.id, parent, seq + number, request, state="waiting", image=None))
            session.add_all(rows)
            session.flush()
            work.enqueue_nodes(session, project.owner_id, rows, 10_000)
            return [row.id for row in rows]

        return self.database.write(make)

    def stop(self, node: str) -> None:
        """Cancel a node as its owner does."""
        self.database.write(lambda session: work.stop(session, [node]))

    def job(self, node: str) -> Job:
        """The job of a node."""
        with self.database.read() as session:
            return session.execute(select(Job).where(Job.node_id == node)).scalar_one()

    def node(self, node: str) -> Node:
        """A node."""
        with self.database.read() as session:
            return session.get_one(Node, node)

    def states(self, nodes: Sequence[str]) -> list[str]:
        """The states of nodes."""
        return [self.node(node).state for node in nodes]

    def finish(self, held: Held) -> bool:
        """Hand in a picture for a job, as a worker does."""
        made = picture(held.seed)
        self.blobs.put(made)
        request = self.node(held.node_id or "").request or {}
        return self.queue.finish_edit(held, Made(image=made, mask=None, request=request))


def yard(database: Database, folder: Path) -> Yard:
    """A yard on a database."""
    return Yard(database=database, blobs=open_blobs(str(folder)))


def _node(
    name: str, project: str, parent: str | None, seq: int, request: Request | None, *, state: str, image: str | None
) -> Node:
    return Node(
        id=name,
        project_id=project,
        parent_id=parent,
        seq=seq,
        request=None if request is None else to_json(request),
        words="",
        state=state,
        label="",
        starred=False,
        image_id=image,
        warnings=[],
        created_at=now(),
    )
