"""The queue as workers and supervisors use it: each call one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from retouch.server.blobs import Blobs
from retouch.server.jobs import claim, lease, settle, share
from retouch.server.jobs.held import Claim, Found, Held, Made
from retouch.server.jobs.rules import Clock, Rules, database_time, stalled
from retouch.server.store.database import Database
from retouch.server.store.work_tables import Worker


@dataclass(frozen=True, kw_only=True)
class WorkQueue:
    """The work to do in a database; pictures go to `blobs`."""

    database: Database
    blobs: Blobs
    rules: Rules = field(default_factory=Rules)
    clock: Clock = database_time

    def claim(self, worker_id: str, models: Sequence[str], *, lookups_only: bool = False) -> Claim | None:
        """Give a worker the next job it can do, with what is made along with it; None where there is none."""
        with self.database.read() as session:
            if not claim.any_waits(session):
                return None
        return self._claim(worker_id, models, self.rules.batch, lookups_only=lookups_only)

    def claim_beside(self, first: Claim, held: int, most: int) -> Claim | None:
        """Give who holds a claim, and `held` pictures with it, the next that can be made in one batch with it.

        It is of at most so many pictures; None where there is none, or it is left to workers that hold nothing.
        """
        with self.database.read() as session:
            if not share.has_more(session, first, held, self.clock(session)):
                return None
        return self._claim(first.held[0].worker_id, (first.model,), min(most, self.rules.batch), beside=first)

    def renew(self, held: Sequence[Held], worker: Worker) -> None:
        """Write that a worker lives and still works at these jobs."""

        def work(session: Session) -> None:
            at = self.clock(session)
            lease.renew(session, held, self.rules, at)
            worker.seen_at = at
            lease.seen(session, worker)

        self.database.write(work)

    def wanted(self, held: Sequence[Held]) -> dict[str, bool]:
        """For each of these jobs that is still held, whether it is still wanted."""
        with self.database.read() as session:
            return lease.wanted(session, held)

    def report(self, held: Sequence[Held], done: int, total: int, previews: Sequence[bytes] = ()) -> None:
        """Write how far an edit is, and how its pictures look."""
        self.database.write(lambda session: lease.report(session, held, done, total, previews))

    def finish_edit(self, held: Held, made: Made) -> bool:
        """Take in a picture; whether it was, which it is not from who no longer holds the job."""
        return self.database.write(
            lambda session: settle.finish_edit(session, self.blobs, held, made, self.clock(session))
        )

    def finish_lookup(self, held: Held, found: Found) -> bool:
        """Take in a region; as `finish_edit`."""
        return self.database.write(
            lambda session: settle.finish_lookup(session, self.blobs, held, found, self.clock(session))
        )

    def fail(self, held: Held, error: str) -> bool:
        """Let a job fail with a sentence; whether it did."""
        return self.database.write(lambda session: settle.end(session, held, "failed", self.clock(session), error))

    def cancelled(self, held: Held) -> bool:
        """Let a job that was asked to stop be cancelled; whether it was."""
        return self.database.write(lambda session: settle.end(session, held, "cancelled", self.clock(session)))

    def give_back(self, held: Held) -> bool:
        """Let a job that was begun wait again, as if it had not been; whether it does."""
        return self._take_back(held.job_id, worker_id=held.worker_id, counts=False)

    def stalled(self, held: Held, seconds: float, setting: str) -> bool:
        """Take back a job that did not go on for so long, more than a setting allows; whether it was."""
        why = stalled(held.attempt, self.rules.attempts, seconds, setting)
        return self._take_back(held.job_id, worker_id=held.worker_id, error=why)

    def expire(self) -> int:
        """Take back what workers hold that gave no sign of life for too long; how many jobs.

        What waits for a picture that will not be made ends with it.
        """
        with self.database.read() as session:
            found, orphans = lease.lapsed(session, self.clock(session)), claim.orphans(session)
        count = sum(self._take_back(job) for job in found)
        return count + sum(self._end_orphan(job) for job in orphans)

    def forget(self) -> None:
        """Forget workers that are long gone."""
        self.database.write(lambda session: lease.forget(session, self.clock(session)))

    def bury(self, worker_id: str) -> int:
        """Take back at once what a worker holds that is known to be dead, and forget it; how many jobs."""
        with self.database.read() as session:
            found = lease.held_by(session, worker_id)
        count = sum(self._take_back(job, worker_id=worker_id) for job in found)
        self.database.write(lambda session: lease.gone(session, worker_id))
        return count

    def _claim(
        self,
        worker_id: str,
        models: Sequence[str],
        most: int,
        *,
        lookups_only: bool = False,
        beside: Claim | None = None,
    ) -> Claim | None:
        def work(session: Session) -> Claim | None:
            who = claim.Claimant(
                worker_id=worker_id,
                models=tuple(models),
                rules=self.rules,
                at=self.clock(session),
                most=most,
                lookups_only=lookups_only,
                beside=beside,
            )
            return claim.claim(session, who)

        return self.database.write(work)

    def _end_orphan(self, job_id: str) -> bool:
        return self.database.write(lambda session: settle.end_orphan(session, job_id, self.clock(session)))

    def _take_back(
        self, job_id: str, *, worker_id: str | None = None, counts: bool = True, error: str | None = None
    ) -> bool:
        return self.database.write(
            lambda session: lease.take_back(
                session, job_id, self.rules, self.clock(session), worker_id=worker_id, counts=counts, error=error
            )
        )
