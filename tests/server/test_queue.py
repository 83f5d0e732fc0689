"""The queue's promises one by one, on SQLite and PostgreSQL: turns, leases, fencing, attempts, batches, ends."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.server.yard import MODELS, Yard, picture, yard

from retouch.server.jobs.held import Held, Made
from retouch.server.jobs.state import pause, queue_state
from retouch.server.store import work
from retouch.server.store.columns import new_id
from retouch.server.store.database import Database
from retouch.server.store.tables import LOCAL_OWNER, Event, Project
from retouch.server.store.work_tables import Preview


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Yard:
    return yard(database, tmp_path / "blobs")


def claimed(place: Yard, worker: str = "") -> tuple[Held, ...]:
    claim = place.queue.claim(worker or new_id(), MODELS)
    return () if claim is None else claim.held


def test_an_edit_is_claimed_made_and_done(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    (node,) = place.branch(root)
    claim = place.queue.claim(new_id(), MODELS)
    assert claim is not None and claim.kind == "edit" and claim.source == picture().sha256
    assert (place.node(node).state, place.job(node).state, place.job(node).attempts) == ("running", "running", 1)
    assert place.finish(claim.held[0]) and not place.finish(claim.held[0])
    done = place.node(node)
    assert (done.state, place.job(node).state) == ("done", "done") and place.blobs.has(done.image_id or "")
    assert claimed(place) == ()
    with place.database.read() as session:
        events = session.scalars(select(Event).order_by(Event.id)).all()
        assert [event.payload["ids"] for event in events] == [[node], [node]]
        assert session.get_one(Project, done.project_id).version == events[-1].id


def test_edits_that_differ_in_their_seeds_alone_are_made_at_once(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    same, other = place.branch(root, 6, seed=7), place.branch(root, 1, seed=7, instruction="blue")
    first = claimed(place)
    assert [held.node_id for held in first] == same[:4] and [held.seed for held in first] == [7, 8, 9, 10]
    assert [held.node_id for held in claimed(place)] == same[4:]
    assert [held.node_id for held in claimed(place)] == other


def test_seeds_that_do_not_follow_each_other_are_not(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    first, far = place.branch(root, 1, seed=1)[0], place.branch(root, 1, seed=3)[0]
    assert [[held.node_id for held in claimed(place)] for _ in range(2)] == [[first], [far]]


def test_a_seed_that_was_left_open_is_drawn_once(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER), seed=None)
    (held,) = claimed(place)
    assert (place.node(node).request or {})["settings"]["seed"] == held.seed
    place.clock += timedelta(seconds=31)
    place.queue.expire()
    assert claimed(place)[0].seed == held.seed


def test_a_step_waits_for_the_one_before_it_and_ends_with_it(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    (first,) = place.branch(root)
    (second,) = place.branch(first)
    (third,) = place.branch(second)
    (held,) = claimed(place)
    assert held.node_id == first and claimed(place) == ()
    place.queue.fail(held, "It broke.")
    assert [place.node(each).state for each in (first, second, third)] == ["failed"] * 3
    assert "begins with" in (place.node(third).error or "")


def test_what_waits_for_a_cancelled_picture_ends_too(place: Yard) -> None:
    (first,) = place.branch(place.project(LOCAL_OWNER))
    (second,) = place.branch(first)
    place.stop(first)
    assert place.queue.expire() == 1 and place.queue.expire() == 0
    assert [place.node(each).state for each in (first, second)] == ["cancelled"] * 2


def test_owners_take_turns_whatever_they_ask_for(place: Yard) -> None:
    one, two = place.owner("one"), place.owner("two")
    many = [place.branch(place.project(one), instruction=f"i{number}")[0] for number in range(4)]
    few = [place.branch(place.project(two), instruction=f"i{number}")[0] for number in range(2)]
    order = []
    for _ in range(6):
        (held,) = claimed(place)
        order.append(held.node_id)
        place.finish(held)
        place.clock += timedelta(seconds=1)
    begins = {order[0], order[1]}
    assert begins == {many[0], few[0]} and set(order[2:4]) == {many[1], few[1]} and order[4:] == many[2:]


def test_who_has_less_running_is_next(place: Yard) -> None:
    one, two = place.owner("one"), place.owner("two")
    for number in range(3):
        place.branch(place.project(one), instruction=f"i{number}")
    assert claimed(place) and claimed(place)
    (late,) = place.branch(place.project(two))
    assert claimed(place)[0].node_id == late


def test_the_order_of_an_owner_can_be_changed(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    nodes = [place.branch(root, instruction=f"i{number}")[0] for number in range(3)]

    def to(node: str, where: str) -> None:
        job = place.job(node)
        place.database.write(lambda session: work.move(session, session.merge(job), where))

    to(nodes[2], "front")
    to(nodes[0], "back")
    assert [claimed(place)[0].node_id for _ in range(3)] == [nodes[2], nodes[1], nodes[0]]


def test_a_paused_queue_begins_nothing(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    other = place.branch(place.project(place.owner("other")))
    place.database.write(lambda session: pause(session, LOCAL_OWNER, True))
    assert [claimed(place)[0].node_id] == other and claimed(place) == ()
    with place.database.read() as session:
        state = queue_state(session, LOCAL_OWNER, place.clock)
    assert state.paused and (state.waiting, state.running, state.workers) == (1, 0, 0)
    place.database.write(lambda session: pause(session, LOCAL_OWNER, False))
    assert claimed(place)[0].node_id == node


def test_a_lost_lease_gives_one_more_attempt_then_fails(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    (first,) = claimed(place)
    place.clock += timedelta(seconds=29)
    assert place.queue.expire() == 0
    place.clock += timedelta(seconds=2)
    assert place.queue.expire() == 1 and place.node(node).state == "waiting"
    (second,) = claimed(place)
    assert second.attempt == 2 and not place.finish(first), "only who holds the job may hand in"
    place.clock += timedelta(seconds=31)
    assert place.queue.expire() == 1
    assert place.node(node).state == "failed" and "crashed twice" in (place.node(node).error or "")
    assert not place.finish(second) and place.node(node).image_id is None


def test_a_tried_edit_is_tried_again_alone(place: Yard) -> None:
    place.branch(place.project(LOCAL_OWNER), 3)
    assert len(claimed(place)) == 3
    place.clock += timedelta(seconds=31)
    assert place.queue.expire() == 3 and [len(claimed(place)) for _ in range(4)] == [1, 1, 1, 0]


def test_signs_of_life_keep_a_lease(place: Yard) -> None:
    from retouch.server.worker.watch import Identity

    place.branch(place.project(LOCAL_OWNER))
    worker = new_id()
    held = claimed(place, worker)
    for _ in range(4):
        place.clock += timedelta(seconds=20)
        place.queue.renew(held, Identity(id=worker, host="here", pid=1, models=MODELS).row())
        assert place.queue.expire() == 0
    with place.database.read() as session:
        assert queue_state(session, LOCAL_OWNER, place.clock).workers == 1
    assert place.queue.bury(worker) == 1 and place.queue.bury(worker) == 0


def test_work_that_is_given_back_was_no_attempt(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    for _ in range(4):
        (held,) = claimed(place)
        assert place.queue.give_back(held) and not place.queue.give_back(held)
    assert place.job(node).attempts == 0 and place.node(node).state == "waiting"


def test_cancelling(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    waits, runs, late = (place.branch(root, instruction=word)[0] for word in ("a", "b", "c"))
    place.stop(waits)
    assert place.node(waits).state == "cancelled"
    (held,) = claimed(place)
    assert place.queue.wanted([held]) == {held.job_id: True}
    place.stop(runs)
    assert place.queue.wanted([held]) == {held.job_id: False}
    assert place.queue.cancelled(held) and place.node(runs).state == "cancelled"
    assert place.queue.wanted([held]) == {}
    (held,) = claimed(place)
    place.stop(late)
    assert not place.finish(held) and place.node(late).state == "cancelled", "a picture that comes after is dropped"


def test_the_lost_lease_of_what_was_to_stop_is_cancelled(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    claimed(place)
    place.stop(node)
    place.clock += timedelta(seconds=31)
    place.queue.expire()
    assert place.node(node).state == "cancelled"


def test_previews_are_there_while_it_runs(place: Yard) -> None:
    nodes = place.branch(place.project(LOCAL_OWNER), 2)
    held = claimed(place)
    place.queue.report(held, 1, 4, [b"one", b"two"])
    place.queue.report(held, 2, 4, [b"three", b"four"])
    place.queue.report(held, 3, 4)

    def shown() -> list[bytes]:
        with place.database.read() as session:
            return [row.image for row in session.scalars(select(Preview).order_by(Preview.image))]

    assert shown() == [b"four", b"three"] and (place.job(nodes[0]).done, place.job(nodes[0]).total) == (3, 4)
    place.finish(held[0])
    assert shown() == [b"four"]
    place.queue.fail(held[1], "It broke.")
    assert shown() == []
    place.queue.report(held, 4, 4, [b"late", b"late"])
    assert shown() == []


def test_a_model_that_a_worker_lacks_is_left_to_others(place: Yard) -> None:
    place.branch(place.project(LOCAL_OWNER))
    assert place.queue.claim(new_id(), ("another",)) is None
    assert place.queue.claim(new_id(), MODELS) is not None


def test_many_claim_at_once_and_nobody_twice(place: Yard) -> None:
    root, other = place.project(LOCAL_OWNER), place.project(LOCAL_OWNER)
    nodes = {place.branch(where, instruction=f"i{number}")[0] for number in range(12) for where in (root, other)}

    def all_of(worker: str) -> list[str | None]:
        found = []
        while held := claimed(place, worker):
            found += [one.node_id for one in held]
            assert all(place.finish(one) for one in held)
        return found

    with ThreadPoolExecutor(4) as pool:
        taken = [node for found in pool.map(all_of, [new_id() for _ in range(4)]) for node in found]
    assert sorted(map(str, taken)) == sorted(nodes)
    assert {place.node(node).state for node in nodes} == {"done"}
    with place.database.read() as session:
        versions = session.scalars(select(Project.version)).all()
        assert max(versions) == max(session.scalars(select(Event.id)))


def test_a_project_that_was_deleted_takes_its_work_along(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    (held,) = claimed(place)
    project = place.node(node).project_id

    def delete(session: Session) -> None:
        session.delete(session.get_one(Project, project))

    place.database.write(delete)
    made = Made(image=picture(9), mask=None, request={})
    assert not place.queue.finish_edit(held, made) and not place.queue.fail(held, "It broke.")
