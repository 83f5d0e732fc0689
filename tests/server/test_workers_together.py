"""Several workers on one PostgreSQL: as many edits as were asked for are made, each once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.server.invariants import check_all
from tests.server.living import living, waited
from tests.server.rooms import png

from retouch.server.jobs.state import queue_state
from retouch.server.store.columns import now
from retouch.server.store.database import open_database
from retouch.server.store.tables import LOCAL_OWNER, Event
from retouch.server.store.work_tables import Job

JOBS, WORKERS = 40, 3


@pytest.mark.slow
def test_forty_edits_and_three_workers(tmp_path: Path, make_address: Callable[[str, bool], str]) -> None:
    address = make_address("postgresql", True)
    environment = {"RETOUCH_SERVER_BATCH": "1", "RETOUCH_SERVER_STEP_SECONDS": "0.01"}
    with living(
        tmp_path, "--fake", "--database", address, "--workers", str(WORKERS), environment=environment
    ) as server:
        database = open_database(address)

        def all_here() -> bool | None:
            with database.read() as session:
                return queue_state(session, LOCAL_OWNER, now()).workers == WORKERS or None

        waited(all_here)
        trees = [server.begun(png(colour=colour)) for colour in ("red", "navy")]
        nodes = {
            node["id"]
            for tree in trees
            for node in server.branched(tree["project"]["root_id"], count=JOBS // len(trees), settings={"seed": 1})
        }
        for tree in trees:
            server.ended(tree["project"]["id"], 60)
    with database.read() as session:
        jobs = session.scalars(select(Job)).all()
        begins: Counter[str] = Counter()
        for event in session.scalars(select(Event).where(Event.kind == "nodes")):
            begins.update(event.payload["ids"])
    database.close()
    assert len(jobs) == JOBS and {job.node_id for job in jobs} == nodes
    assert {job.attempts for job in jobs} == {1} and len({job.worker_id for job in jobs}) > 1
    # Of each: it was asked for, it began, it was done.
    assert {begins[node] for node in nodes} == {3}
    assert Counter(check_all(address, tmp_path).values()) == {"done": JOBS + len(trees)}
