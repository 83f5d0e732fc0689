"""Triples of rooms: the same for the same seed, of one split, and sound by the judge."""

from itertools import pairwise

from retouch.datagen.triples import room_triples
from retouch.evaluation.triples import fault_of


def test_the_same_arguments_give_the_same_triples() -> None:
    made = list(room_triples(60, seed=4))
    assert len(made) == 60
    assert made == list(room_triples(60, seed=4))
    assert made[:20] == list(room_triples(20, seed=4))
    assert made != list(room_triples(60, seed=5))
    assert made != list(room_triples(60, seed=4, split="validation"))
    assert len({triple.instruction for triple in made}) > 50


def test_progress_rises_to_what_was_asked_for() -> None:
    told: list[int] = []
    list(room_triples(80, seed=0, on_progress=lambda done, _total: told.append(done)))
    assert all(one < other for one, other in pairwise(told))


def test_the_judge_passes_what_the_rooms_themselves_tell() -> None:
    faults = [(fault_of(triple), triple) for triple in room_triples(600, seed=11, split="bench")]
    wrong = [found for found in faults if found[0] is not None]
    assert len(wrong) <= 0.02 * len(faults), wrong
