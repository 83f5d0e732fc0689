"""A worker notices that its work does not go on, ends itself, and gives back what it held."""

import os
import threading

import pytest
from tests.server.living import waited
from tests.server.yard import MODELS, Yard

from retouch.server.jobs.state import queue_state
from retouch.server.store.columns import new_id, now
from retouch.server.store.tables import LOCAL_OWNER
from retouch.server.worker.fakes import FakeGrounds, slow_editor
from retouch.server.worker.loaded import LoadedModels
from retouch.server.worker.process import work
from retouch.server.worker.pulse import Pulse
from retouch.server.worker.watch import STALLED, Beat, Identity
from retouch.server.worker.work import Pace, Tools


@pytest.fixture
def place(sqlite_yard: Yard) -> Yard:
    return sqlite_yard


def identity() -> Identity:
    return Identity(id=new_id(), host="here", pid=os.getpid(), models=MODELS)


def test_steps_and_loading_have_limits_of_their_own() -> None:
    at = [0.0]
    pulse = Pulse(step=10, loading=100, clock=lambda: at[0])
    at[0] = 1000.0
    assert not pulse.stalled and pulse.loading == ""
    pulse.went_on()
    at[0] += 10
    assert not pulse.stalled
    at[0] += 1
    assert pulse.stalled
    pulse.went_on()
    with pulse.loads("large"):
        at[0] += 100
        assert not pulse.stalled and pulse.loading == "large"
        at[0] += 1
        assert pulse.stalled
    assert not pulse.stalled and pulse.loading == "", "what was loaded is as good as a step"
    at[0] += 11
    assert pulse.stalled
    pulse.rest()
    assert not pulse.stalled
    endless = Pulse(clock=lambda: at[0])
    endless.went_on()
    at[0] += 1e9
    assert not endless.stalled


def test_what_hangs_is_given_back_then_fails_with_a_sentence(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    for attempt, state in ((1, "waiting"), (2, "failed")):
        left: list[int] = []
        who = identity()
        with Beat(place.queue, who, threading.Event(), pulse=Pulse(step=0.1), leave=left.append) as beat:
            claim = place.queue.claim(who.id, MODELS)
            assert claim is not None and claim.held[0].attempt == attempt
            beat.hold(claim.held)
            waited(lambda left=left: left or None)
        assert left == [STALLED] and place.node(node).state == state
        assert not place.finish(claim.held[0]), "who gave it back hands nothing in"
    assert "did not go on for 0.1 seconds" in (place.node(node).error or "")
    assert "attempt 2 of 2" in (place.node(node).error or "")


def test_what_is_told_at_every_step_does_not_hang(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    left: list[int] = []
    stop, who, pulse = threading.Event(), identity(), Pulse(step=2.5)
    models = LoadedModels(names=MODELS, load=lambda name, _: slow_editor(name, 0.9))
    tools = Tools(queue=place.queue, models=models, grounds=FakeGrounds(), pace=Pace(), pulse=pulse)
    with Beat(place.queue, who, stop, pulse=pulse, leave=left.append) as beat:
        thread = threading.Thread(target=work, args=(place.queue, tools, who, beat, stop))
        thread.start()
        waited(lambda: True if place.node(node).state == "done" else None)
        stop.set()
        thread.join()
    assert not left


def test_while_a_model_is_loading_edits_wait_and_it_is_told(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    pulse, who = Pulse(), identity()
    assert place.queue.claim(who.id, MODELS, lookups_only=True) is None
    with (
        pulse.loads("pocket"),
        Beat(place.queue, who, threading.Event(), pulse=pulse),
        place.database.read() as session,
    ):
        assert queue_state(session, LOCAL_OWNER, place.clock).loading == ("pocket",)
    place.stop(node)
    assert place.node(node).state == "cancelled"
    with Beat(place.queue, who, threading.Event(), pulse=pulse), place.database.read() as session:
        assert queue_state(session, LOCAL_OWNER, now()).loading == ()
