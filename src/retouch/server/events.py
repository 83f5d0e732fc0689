"""Follow a project: what changed in it, told over one connection that can be taken up again where it broke."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from retouch.server import answers
from retouch.server.store import work
from retouch.server.store.database import Database
from retouch.server.store.tables import Event, Node, Project
from retouch.server.store.work_tables import Job, Lookup, Preview

log = structlog.get_logger()
EVERY_SECONDS = 0.1
PLACES_SECONDS = 1.0
"""Between looks at who waits where; one edit that begins moves all behind it."""
COMMENT_SECONDS = 10.0
_AT_ONCE = 500
_PLACES_TOLD = 50
"""How many of an owner's queue are told that they moved up; all are told when the tree is read."""


@dataclass(eq=False)
class Subscriber:
    """One connection: what it has yet to look at, and how it is woken."""

    project: str
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    moved: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def wake(self, moved: Iterable[str] = (), seen: Iterable[str] = ()) -> None:
        """Say that the project changed: these nodes made progress, of these there are new previews."""
        # A loop that is closed has nobody left to wake.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._wake, frozenset(moved), frozenset(seen))

    def taken(self) -> tuple[set[str], set[str]]:
        """The nodes with progress and with previews since this was last asked."""
        taken, self.moved, self.seen = (self.moved, self.seen), set(), set()
        self.woken.clear()
        return taken

    def _wake(self, moved: frozenset[str], seen: frozenset[str]) -> None:
        self.moved |= moved
        self.seen |= seen
        self.woken.set()


@dataclass(frozen=True)
class _Running:
    """How far a running edit is, and the step of its preview; or the place of one that waits."""

    project: str
    done: int = 0
    total: int = 0
    step: int | None = None
    place: int | None = None


class Events:
    """One thread that looks into the database for all who follow; it rests while nobody does."""

    def __init__(self, database: Database, *, every: float = EVERY_SECONDS) -> None:
        self.database = database
        self._every = every
        self._lock = threading.Lock()
        self._subscribers: set[Subscriber] = set()
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing more is told."""
        return self._closed.is_set()

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more, and let every connection end."""
        self._closed.set()
        self._wanted.set()
        with self._lock:
            for subscriber in self._subscribers:
                subscriber.wake()
        if self._thread is not None:
            self._thread.join(10)

    @contextmanager
    def subscribed(self, project: str) -> Iterator[Subscriber]:
        """A place among those who are woken, for as long as the block lasts; within a running loop."""
        subscriber = Subscriber(project=project, loop=asyncio.get_running_loop())
        with self._lock:
            self._subscribers.add(subscriber)
        self._wanted.set()
        try:
            yield subscriber
        finally:
            with self._lock:
                self._subscribers.discard(subscriber)
                if not self._subscribers and not self.closed:
                    self._wanted.clear()

    def _run(self) -> None:
        versions: dict[str, int] = {}
        running: dict[str, _Running] = {}
        places, looked = dict[str, _Running](), 0.0
        while not self.closed:
            self._wanted.wait()
            if self.closed:
                return
            with self._lock:
                subscribers = tuple(self._subscribers)
            projects = {subscriber.project for subscriber in subscribers}
            try:
                with self.database.read() as session:
                    new_versions = _versions(session, projects)
                    if time.monotonic() - looked >= PLACES_SECONDS:
                        places, looked = _places(session, projects), time.monotonic()
                    new_running = places | _running(session, projects)
            except SQLAlchemyError as problem:
                log.warning("events-not-read", problem=str(problem))
                self._closed.wait(1.0)
                continue
            for subscriber in subscribers:
                _wake(subscriber, (versions, new_versions), (running, new_running))
            versions, running = new_versions, new_running
            self._closed.wait(self._every)


async def followed(
    events: Events, project: str, owner: str, after: int, welcome: Callable[[Session], bool] = lambda _: True
) -> AsyncIterator[bytes]:
    """What happens in a project after one of its versions, as server-sent events, until it is gone or we close.

    `welcome` is asked before anything is told, and every few seconds: it ends where who follows is let in no more.

    The id of an event is the version it leads to; it comes with the last of those that belong to it, so that whoever
    takes up again from an id has had all before it. Progress and previews have none: they are not repeated.
    """
    with events.subscribed(project) as subscriber:
        yield b": following\n\n"
        subscriber.wake()
        first = True
        while not events.closed:
            try:
                await asyncio.wait_for(subscriber.woken.wait(), COMMENT_SECONDS)
            except TimeoutError:
                if not await run_in_threadpool(_asks, events.database, welcome):
                    return
                yield b": still here\n\n"
                continue
            if not await run_in_threadpool(_asks, events.database, welcome):
                return
            moved, seen = subscriber.taken()
            follower = _Follower(project=project, owner=owner, after=after, moved=moved, seen=None if first else seen)
            news = await run_in_threadpool(_news, events.database, follower)
            after, first = news.version, False
            for message in news.messages:
                yield message
            if news.gone:
                return
            if news.more:
                subscriber.wake()


def _asks(database: Database, welcome: Callable[[Session], bool]) -> bool:
    with database.read() as session:
        return welcome(session)


def version_of(last_event_id: str | None, after: int | None, now: int) -> int:
    """The version to follow from: by what the browser had last, else as it was asked for, else as it is."""
    if last_event_id and last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 19:
        return int(last_event_id)
    return now if after is None else max(-1, min(after, 2**62))


@dataclass(frozen=True, kw_only=True)
class _News:
    messages: list[bytes]
    version: int
    gone: bool = False
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class _Follower:
    """Who follows what, from which version; nodes with progress, and with previews, None for all that have one."""

    project: str
    owner: str
    after: int
    moved: set[str]
    seen: set[str] | None


def _news(database: Database, who: _Follower) -> _News:
    with database.read() as session:
        row = session.get(Project, who.project)
        if row is None or row.owner_id != who.owner:
            return _News(messages=[_message("reset", {})], version=who.after, gone=True)
        previews = [_message("preview", each) for each in _previews(session, who)]
        if who.after > row.version:
            # Told of a version that never was here, such as before a database was put back.
            return _News(messages=[_message("reset", {}, row.version), *previews], version=row.version)
        newer = select(Event).where(Event.project_id == who.project, Event.id > who.after)
        rows = list(session.scalars(newer.order_by(Event.id).limit(_AT_ONCE)))
        told = _told(session, row, rows, who.moved)
    last = rows[-1].id if rows else who.after
    messages = [_message(kind, body) for kind, body in told[:-1]]
    messages += [_message(kind, body, last if rows else None) for kind, body in told[-1:]]
    return _News(messages=messages + previews, version=last, more=len(rows) == _AT_ONCE)


def _told(session: Session, project: Project, rows: list[Event], moved: set[str]) -> list[tuple[str, object]]:
    """What to say of events: each thing once, as it is now."""
    if any(row.kind == "reset" for row in rows):
        return [("reset", {})]
    nodes, lookups = sorted(_named(rows, "nodes") | moved), sorted(_named(rows, "lookup"))
    found = answers.nodes(session, project.owner_id, project.id, nodes) if nodes else []
    told: list[tuple[str, object]] = [("node", node.model_dump(mode="json")) for node in found]
    asked = session.scalars(select(Lookup).where(Lookup.id.in_(lookups))) if lookups else ()
    told += [("lookup", answers.lookup(row).model_dump(mode="json")) for row in asked]
    if rows:
        told.append(("project", answers.project(session, project).model_dump(mode="json")))
    return told


def _named(rows: list[Event], kind: str) -> set[str]:
    return {name for row in rows if row.kind == kind for name in row.payload["ids"]}


def _previews(session: Session, who: _Follower) -> Iterator[dict[str, str]]:
    wanted = (
        select(Job.node_id, Preview.image)
        .join(Preview, Preview.job_id == Job.id)
        .join(Node, Node.id == Job.node_id)
        .where(Node.project_id == who.project)
    )
    if who.seen is not None:
        wanted = wanted.where(Job.node_id.in_(who.seen))
    for node, image in session.execute(wanted) if who.seen is None or who.seen else ():
        yield {"node_id": node or "", "image": "data:image/jpeg;base64," + base64.b64encode(image).decode()}


def _versions(session: Session, projects: set[str]) -> dict[str, int]:
    return dict(session.execute(select(Project.id, Project.version).where(Project.id.in_(projects))).tuples().all())


def _running(session: Session, projects: set[str]) -> dict[str, _Running]:
    wanted = (
        select(Job.node_id, Node.project_id, Job.done, Job.total, Preview.step)
        .join(Node, Node.id == Job.node_id)
        .outerjoin(Preview, Preview.job_id == Job.id)
        .where(Job.state == "running", Node.project_id.in_(projects))
    )
    rows = session.execute(wanted).tuples()
    return {node: _Running(project, done, total, step) for node, project, done, total, step in rows if node}


def _places(session: Session, projects: set[str]) -> dict[str, _Running]:
    owners = session.scalars(select(Project.owner_id).where(Project.id.in_(projects)).distinct()).all()
    found = {node: place for owner in owners for node, place in work.places(session, owner, most=_PLACES_TOLD).items()}
    wanted = select(Node.id, Node.project_id).where(Node.id.in_(found), Node.project_id.in_(projects))
    return {node: _Running(project, place=found[node]) for node, project in session.execute(wanted).tuples()}


def _wake(
    subscriber: Subscriber,
    versions: tuple[dict[str, int], dict[str, int]],
    running: tuple[dict[str, _Running], dict[str, _Running]],
) -> None:
    """Wake a subscriber where its project is another than before, with what is new of its running edits."""
    project = subscriber.project
    moved, seen = [], []
    for node, now in running[1].items():
        before = running[0].get(node)
        if now.project != project or now == before:
            continue
        if now.place is not None:
            # That it waits at all is told with what lets it; here only where others let it move up.
            moved += [node] if before is not None and before.place is not None else []
            continue
        if before is None or (before.done, before.total) != (now.done, now.total):
            moved.append(node)
        if now.step is not None and (before is None or before.step != now.step):
            seen.append(node)
    if moved or seen or versions[0].get(project) != versions[1].get(project):
        subscriber.wake(moved, seen)


def _message(kind: str, body: object, version: int | None = None) -> bytes:
    head = "" if version is None else f"id: {version}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(body)}\n\n".encode()
