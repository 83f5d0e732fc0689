"""How long a claim holds, how often it may be tried, and what the time is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retouch.server.store.columns import now

Clock = Callable[[Session], datetime]
"""The time, in UTC, as all who share a database agree on it."""

CRASHED = "The worker crashed {times} on this edit; try other settings, or look into the server's log."
STALLED = (
    "The edit did not go on for {time}, so that its worker was ended, on attempt {attempt} of {attempts}; take another "
    "model or other settings, or allow more by RETOUCH_SERVER_{setting}."
)
BEFORE_IT = "The picture that this one begins with was not made; retry that one first, then this."


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the queue deals with workers.

    lease: how long a claim holds without a sign of life. heartbeat: how often a worker gives one.
    attempts: how often a job is begun before it counts as failed. batch: how many jobs are made in one edit at most.
    """

    lease: timedelta = timedelta(seconds=30)
    heartbeat: timedelta = timedelta(seconds=5)
    attempts: int = 2
    batch: int = 4


def database_time(session: Session) -> datetime:
    """The time by the database's own clock where several machines may share it, else by ours."""
    if session.get_bind().dialect.name == "sqlite":
        return now()
    return session.execute(select(func.clock_timestamp())).scalar_one()


def crashed(attempts: int) -> str:
    """What to tell of a job whose workers died so many times."""
    words = {1: "once", 2: "twice"}
    return CRASHED.format(times=words.get(attempts, f"{attempts} times"))


def stalled(attempt: int, attempts: int, seconds: float, setting: str) -> str:
    """What to tell of a job that did not go on for so long, the last time that it was tried."""
    time = f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"
    return STALLED.format(time=time, attempt=attempt, attempts=attempts, setting=setting)
