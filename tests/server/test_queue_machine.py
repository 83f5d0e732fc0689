"""Several workers, owners and a clock do to the queue what they like; a model as small as a page says what must be."""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select
from tests.server.yard import MODELS, yard

from retouch.server.jobs.held import Claim, Held
from retouch.server.jobs.state import pause
from retouch.server.store.columns import new_id
from retouch.server.store.database import open_database
from retouch.server.store.tables import FINAL, Event, Node
from retouch.server.store.work_tables import Job, Preview

LEASE = timedelta(seconds=30)
WORKERS = [new_id() for _ in range(3)]


@dataclass
class Expected:
    """What the model says of an edit."""

    owner: int
    parent: str | None
    state: str = "waiting"
    attempts: int = 0
    lease: datetime | None = None
    stop: bool = False


class Queues(RuleBasedStateMachine):
    """Three workers, two owners."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="retouch-queue-"))
        self.database = open_database(f"sqlite:///{self.folder}/retouch.db")
        self.place = yard(self.database, self.folder / "blobs")
        self.owners = [self.place.owner(f"o{number}") for number in range(2)]
        self.roots = [self.place.project(owner) for owner in self.owners]
        self.paused = [False, False]
        self.expected: dict[str, Expected] = {}
        self.held: list[Held] = []
        self.ended: dict[str, str] = {}

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(owner=st.integers(0, 1), count=st.integers(1, 3), data=st.data())
    def branch(self, owner: int, count: int, data: st.DataObject) -> None:
        mine = [name for name, one in self.expected.items() if one.owner == owner]
        parent = data.draw(st.sampled_from([None, *mine]))
        for name in self.place.branch(parent or self.roots[owner], count, seed=data.draw(st.sampled_from([1, None]))):
            self.expected[name] = Expected(owner=owner, parent=parent)
        self.expire()

    @rule(worker=st.sampled_from(WORKERS), together=st.integers(1, 6))
    def claim(self, worker: str, together: int) -> None:
        claim = self.place.queue.claim(worker, MODELS)
        ready = [name for name, one in self.expected.items() if self.ready(one)]
        assert (claim is None) == (not ready)
        if claim is None:
            return
        self.begun(claim, most=self.place.rules.batch)
        held = len(claim.held)
        while held < together:
            beside = self.place.queue.claim_beside(claim, held, together - held)
            untried = [one for one in self.expected.values() if self.ready(one) and one.attempts == 0]
            assert (beside is None) == (not untried or claim.held[0].attempt > 1)
            if beside is None:
                return
            self.begun(beside, most=together - held)
            assert {held.attempt for held in beside.held} == {1}
            held += len(beside.held)

    def begun(self, claim: Claim, *, most: int) -> None:
        """See that what was claimed could begin, and note that it did."""
        assert 1 <= len(claim.held) <= most
        for held in claim.held:
            one = self.expected[held.node_id or ""]
            assert self.ready(one) and held.attempt == one.attempts + 1
            assert one.attempts == 0 or len(claim.held) == 1
            one.state, one.attempts, one.lease = "running", held.attempt, self.place.clock + LEASE
            self.held.append(held)

    @rule(seconds=st.sampled_from([1, 16, 31]))
    def pass_time(self, seconds: int) -> None:
        self.place.clock += timedelta(seconds=seconds)

    @rule()
    def expire(self) -> None:
        self.place.queue.expire()
        for one in self.expected.values():
            if one.state == "running" and one.lease is not None and one.lease < self.place.clock:
                one.state = "cancelled" if one.stop else "failed" if one.attempts == 2 else "waiting"
        self.fall()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["renew", "report", "finish", "fail", "cancelled", "give-back"]))
    def hold(self, data: st.DataObject, how: str) -> None:
        held = data.draw(st.sampled_from(self.held))
        one = self.expected[held.node_id or ""]
        mine = one.state == "running" and held.attempt == one.attempts and held is self.last(held)
        queue = self.place.queue
        if how in ("renew", "report"):
            if how == "report":
                queue.report([held], 1, 4, [b"preview"])
                return
            from retouch.server.jobs import lease

            self.database.write(lambda session: lease.renew(session, [held], queue.rules, self.place.clock))
            if mine:
                one.lease = self.place.clock + LEASE
            return
        if how == "give-back":
            assert queue.give_back(held) == mine or not mine
            if mine:
                one.state, one.attempts = ("cancelled", one.attempts) if one.stop else ("waiting", one.attempts - 1)
        elif how == "finish":
            assert self.place.finish(held) == (mine and not one.stop)
            one.state = ("cancelled" if one.stop else "done") if mine else one.state
        elif how == "fail":
            assert queue.fail(held, "It broke.") == mine
            one.state = ("cancelled" if one.stop else "failed") if mine else one.state
        else:
            assert queue.cancelled(held) == (mine and one.stop)
            one.state = "cancelled" if mine and one.stop else one.state
        self.fall()

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(list(self.expected)))
        self.place.stop(name)
        one = self.expected[name]
        one.state, one.stop = ("cancelled", one.stop) if one.state == "waiting" else (one.state, one.state == "running")
        self.expire()

    @rule(owner=st.integers(0, 1), paused=st.booleans())
    def pause(self, owner: int, paused: bool) -> None:
        self.database.write(lambda session: pause(session, self.owners[owner], paused))
        self.paused[owner] = paused

    @invariant()
    def agrees(self) -> None:
        with self.database.read() as session:
            rows = session.execute(select(Job, Node).join(Node, Node.id == Job.node_id)).all()
            running = {job.id for job, _ in rows if job.state == "running"}
            assert set(session.scalars(select(Preview.job_id))) <= running
            versions = list(session.scalars(select(Event.id).order_by(Event.id)))
        assert len(rows) == len(self.expected) and len(versions) == len(set(versions))
        for job, node in rows:
            one = self.expected[node.id]
            assert (job.state, job.attempts) == (one.state, one.attempts) and node.state == job.state
            assert (node.image_id is not None) == (node.state == "done") and (
                job.error is None or job.state == "failed"
            )
            assert node.image_id is None or self.place.blobs.has(node.image_id)
            assert self.ended.setdefault(node.id, node.state) == node.state if node.state in FINAL else True

    def ready(self, one: Expected) -> bool:
        """Whether an edit may begin."""
        before = one.parent is None or self.expected[one.parent].state == "done"
        return one.state == "waiting" and before and not self.paused[one.owner]

    def last(self, held: Held) -> Held:
        """The last claim of the same edit."""
        return [one for one in self.held if one.job_id == held.job_id][-1]

    def fall(self) -> None:
        """What waits for a picture that will not be made ends with it."""
        for one in self.expected.values():
            above = self.expected[one.parent].state if one.parent else "done"
            if one.state == "waiting" and above in ("failed", "cancelled"):
                one.state = above


TestQueues = Queues.TestCase
# To shrink a failure takes minutes here.
TestQueues.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
