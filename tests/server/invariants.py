"""What must hold of a server's database and pictures whenever nothing runs, whatever was killed before."""

import hashlib
import io
from pathlib import Path

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.server.living import FINAL, Follower

from retouch.server.blobs import Blobs, open_blobs
from retouch.server.store.database import open_database
from retouch.server.store.tables import Event, Node, Picture, Project, Upload
from retouch.server.store.work_tables import Job, Lookup, Preview


def check_all(address: str, folder: Path) -> dict[str, str]:
    """Check everything, and return the states of the nodes by their ids."""
    database, blobs = open_database(address), open_blobs(str(folder / "blobs"))
    with database.read() as session:
        _check_jobs(session)
        _check_pictures(session, blobs)
        _check_events(session)
        assert session.scalars(select(Preview.job_id)).all() == []
        states = {node.id: node.state for node in session.scalars(select(Node))}
    database.close()
    return states


def check_heard(follower: Follower) -> None:
    """What was told of each node never goes back from an end, and versions only grow."""
    ends: dict[str, str] = {}
    for _, kind, body in follower.heard:
        if kind == "node":
            assert ends.get(body["id"], body["state"]) == body["state"]
            if body["state"] in FINAL:
                ends[body["id"]] = body["state"]
    versions = [number for number, _, _ in follower.heard if number is not None]
    assert versions == sorted(set(versions))


def _check_jobs(session: Session) -> None:
    for job in session.scalars(select(Job)):
        subject = session.get_one(Node, job.node_id) if job.node_id else session.get_one(Lookup, job.lookup_id)
        assert job.state in FINAL and subject.state == job.state, (job.id, job.state, subject.state)
        assert job.lease_until is None and 0 <= job.attempts <= 2 and job.finished_at is not None
    waits = select(Node).where(Node.state.in_(("waiting", "running")))
    assert session.scalars(waits).all() == [] and _nodes_without_job(session) == []


def _nodes_without_job(session: Session) -> list[str]:
    orphan = select(Node.id).outerjoin(Job, Job.node_id == Node.id).where(Job.id.is_(None), Node.parent_id.is_not(None))
    return list(session.scalars(orphan))


def _check_pictures(session: Session, blobs: Blobs) -> None:
    sizes = {row.sha256: (row.width, row.height, row.bytes) for row in session.scalars(select(Picture))}
    for digest, (width, height, count) in sizes.items():
        data = blobs.read(digest)
        assert hashlib.sha256(data).hexdigest() == digest and len(data) == count
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == (width, height)
    for node in session.scalars(select(Node)):
        assert (node.image_id is not None) == (node.state == "done") and node.image_id in {None, *sizes}
        assert node.mask_image_id in {None, *sizes}
    assert {upload.sha256 for upload in session.scalars(select(Upload))} <= set(sizes)


def _check_events(session: Session) -> None:
    for project in session.scalars(select(Project)):
        numbers = session.scalars(select(Event.id).where(Event.project_id == project.id).order_by(Event.id)).all()
        assert project.version == (numbers[-1] if numbers else project.version)
