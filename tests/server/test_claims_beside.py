"""Which edits are claimed beside one another, on SQLite and PostgreSQL: what is alike, in turn, while there is room."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.server.yard import MODELS, PLAIN, Yard, noise, yard

from retouch.core.settings import EditSettings
from retouch.designs.request import Shown, Where
from retouch.server.jobs.state import pause
from retouch.server.store.columns import new_id
from retouch.server.store.database import Database
from retouch.server.store.tables import LOCAL_OWNER
from retouch.server.worker.watch import Identity

if TYPE_CHECKING:
    pass

TWO_STEPS = replace(PLAIN, settings=EditSettings(steps=2))


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Yard:
    return yard(database, tmp_path / "blobs")


def beside(place: Yard, most: int = 8, *, missing: bool = False) -> list[list[str | None]]:
    """The nodes of what is claimed now, and beside it; none only where they may be `missing`."""
    first = place.queue.claim(new_id(), MODELS)
    if first is None:
        assert missing
        return []
    found = [first]
    while (held := sum(len(claim.held) for claim in found)) < most:
        other = place.queue.claim_beside(first, held, most - held)
        if other is None:
            break
        assert other.held[0].worker_id == first.held[0].worker_id
        found.append(other)
    return [[held.node_id for held in claim.held] for claim in found]


def test_owners_take_turns_beside_a_claim_too(place: Yard) -> None:
    one, two, three = (place.owner(name) for name in ("one", "two", "three"))
    ones = [place.branch(place.project(one), instruction=f"i{number}")[0] for number in range(4)]
    twos = [place.branch(place.project(two), instruction=f"i{number}")[0] for number in range(2)]
    (threes,) = place.branch(place.project(three))
    first, *others = (nodes[0] for nodes in beside(place, 5))
    assert {first, *others[:2]} == {ones[0], twos[0], threes}
    assert set(others[2:]) == {ones[1], twos[1]}
    assert beside(place) == [[ones[2]], [ones[3]]]


def test_who_is_next_stays_next(place: Yard) -> None:
    one, two = place.owner("one"), place.owner("two")
    first = place.branch(place.project(one), instruction="a")[0]
    assert beside(place, 1) == [[first]], "it was the last to begin"
    many = [place.branch(place.project(one), instruction=f"i{number}")[0] for number in range(3)]
    other = place.branch(place.project(two), instruction="a", like=TWO_STEPS)[0]
    assert beside(place) == [[other]], "nothing that waits can be made with it"
    assert beside(place, 2) == [[many[0]], [many[1]]]


def test_seeds_come_along_as_far_as_there_is_room(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    alone, many = place.branch(root, instruction="a", seed=3), place.branch(root, 6, instruction="b")
    assert beside(place, 4) == [alone, many[:3]]
    assert beside(place, 4) == [many[3:]]


@pytest.mark.parametrize(
    "like",
    [
        replace(PLAIN, settings=EditSettings(steps=3)),
        replace(PLAIN, settings=EditSettings(profile="fast")),
        replace(PLAIN, model="pocket/insert"),
        replace(PLAIN, model=None),
        replace(PLAIN, region=Where(kind="box", numbers=(1, 1, 9, 9))),
        replace(PLAIN, region=Where(kind="whole", invert=True)),
        replace(PLAIN, references=(Shown(upload="u"),)),
    ],
)
def test_what_asks_for_something_else_is_made_apart(place: Yard, like: Any) -> None:
    first = place.branch(place.project(place.owner("one")), instruction="a")
    other = place.branch(place.project(place.owner("two")), instruction="b", like=like)
    found = [beside(place), beside(place)]
    assert sorted(found) == sorted([[first], [other]])


def test_nothing_is_made_beside_a_region_or_an_empty_instruction(place: Yard) -> None:
    regional = replace(PLAIN, region=Where(kind="box", numbers=(1, 1, 9, 9)), settings=EditSettings())
    for owner, (instruction, like) in enumerate([("a", regional), ("a", regional), (" ", PLAIN), ("", PLAIN)]):
        place.branch(place.project(place.owner(str(owner))), instruction=instruction, like=like)
    assert [len(beside(place)) for _ in range(4)] == [1] * 4


def test_a_region_of_the_whole_picture_is_none(place: Yard) -> None:
    place.branch(place.project(place.owner("one")), like=replace(PLAIN, region=Where(kind="whole")))
    place.branch(place.project(place.owner("two")))
    assert [len(nodes) for nodes in beside(place)] == [1, 1]


def test_pictures_of_other_proportions_are_made_apart(place: Yard) -> None:
    sizes = [(64, 48), (128, 96), (48, 64), (64, 47), (60_000, 45_000)]
    nodes = {}
    for number, size in enumerate(sizes[:-1]):
        root = place.project(place.owner(str(number)), noise(number, size))
        nodes[place.branch(root, instruction=str(number))[0]] = size
    found = [beside(place), beside(place), beside(place)]
    together = [sorted(nodes[name or ""] for claim in each for name in claim) for each in found]
    assert sorted(together) == [[(48, 64)], [(64, 47)], [(64, 48), (128, 96)]]


def test_sizes_that_are_huge_are_compared(place: Yard) -> None:
    from sqlalchemy import update
    from sqlalchemy.orm import Session

    from retouch.server.store.tables import Picture

    for number in range(2):
        place.branch(place.project(place.owner(str(number)), noise(number)))

    def enlarge(session: Session) -> None:
        session.execute(update(Picture).values(width=2**31 - 1, height=2**31 - 1))

    place.database.write(enlarge)
    assert len(beside(place)) == 2


def test_what_cannot_begin_yet_or_was_tried_is_left(place: Yard) -> None:
    # Of those that never began anything, the one of the lowest id is next.
    two, one, three = sorted(place.owner(name) for name in ("two", "one", "three"))
    (tried,) = place.branch(place.project(one), instruction="tried")
    assert beside(place, 1) == [[tried]]
    place.clock += timedelta(seconds=31)
    place.queue.expire()
    (paused,) = place.branch(place.project(three), instruction="paused")
    place.database.write(lambda session: pause(session, three, True))
    (first,) = place.branch(place.project(two), instruction="first")
    (later,) = place.branch(first, instruction="later")
    assert [beside(place), beside(place)] == [[[first]], [[tried]]]
    assert place.states([paused, later]) == ["waiting"] * 2


def lives(place: Yard, *, models: tuple[str, ...] = MODELS, loading: str = "") -> str:
    """A worker that gives a sign of life; its id."""
    row = Identity(id=new_id(), host="here", pid=1, models=models).row()
    row.loading = loading
    place.queue.renew((), row)
    return row.id


def test_workers_that_hold_nothing_get_their_share(place: Yard) -> None:
    lives(place)
    place.clock += timedelta(seconds=20)
    for _ in range(2):
        lives(place)
    lives(place, models=("another",))
    lives(place, loading="pocket")
    for number in range(7):
        place.branch(place.project(place.owner(str(number))))
    # Two others could begin: of seven, three are taken, and two are left to each.
    assert len(beside(place)) == 3
    place.clock += timedelta(seconds=20)
    assert len(beside(place)) == 4, "nobody else lives any more"


def test_what_busy_workers_leave_is_taken(place: Yard) -> None:
    workers = [lives(place) for _ in range(3)]
    for number in range(7):
        place.branch(place.project(place.owner(str(number))))
    for worker in workers[:2]:
        assert place.queue.claim(worker, MODELS) is not None
    place.queue.bury(workers[2])
    assert len(beside(place)) == 5


def test_those_that_several_workers_claim_are_not_claimed_twice(place: Yard) -> None:
    nodes = [place.branch(place.project(place.owner(str(number))), instruction="a")[0] for number in range(12)]
    gate = threading.Barrier(3)

    def work(_: int) -> list[list[str | None]]:
        gate.wait()
        found = []
        while claims := beside(place, 3, missing=True):
            found += claims
        return found

    with ThreadPoolExecutor(3) as pool:
        found = [str(name) for each in pool.map(work, range(3)) for claim in each for name in claim]
    assert sorted(found) == sorted(nodes)
