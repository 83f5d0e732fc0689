"""A path repeated elsewhere or merged into one edit, and paths compared."""

from dataclasses import replace

import pytest
from hypothesis import given
from tests.designs.trees import AT, asked, new_design, requests

from retouch.core.errors import DesignError
from retouch.designs import changes
from retouch.designs.design import Design
from retouch.designs.replay import FieldChange, compared, compared_paths, merged, replayed
from retouch.designs.request import Request, Shown, Where


def grown() -> Design:
    ids = ["a", "b"]
    steps = [asked("green", seed=1), asked("remove the lamp", seed=2)]
    design = changes.chain(new_design(), "root", steps, ids=ids, change="1", at=AT).design
    return changes.branch(design, "a", [asked("night", seed=2, steps=9)], ids=["c"], change="2", at=AT).design


def test_replayed_is_the_path() -> None:
    design = grown()
    assert [request.instruction for request in replayed(design, "b", "c")] == ["green", "remove the lamp"]
    pruned = changes.prune(design, "c", change="3").design
    for node, onto in (("root", "a"), ("nowhere", "a"), ("b", "nowhere")):
        with pytest.raises(DesignError):
            replayed(design, node, onto)
    with pytest.raises(DesignError, match="pruned"):
        replayed(pruned, "b", "c")


def test_merged_instructions_are_joined_and_the_last_seed_counts() -> None:
    steps = [asked("green", seed=1, steps=9), asked("", seed=5, steps=9), asked("night", seed=2, steps=9)]
    assert merged(steps, " and ".join) == asked("green and night", seed=2, steps=9)


@given(request=requests)
def test_merging_one_changes_nothing(request: Request) -> None:
    assert merged([request], " and ".join) == request


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (asked("night", steps=8), "steps"),
        (replace(asked("night", steps=9), model="big"), "model"),
        (replace(asked("night", steps=9), region=Where(kind="point", numbers=(1, 2))), "regions"),
        (replace(asked("night", steps=9), references=(Shown(upload="a"),)), "references"),
        (asked("x" * 9_999, steps=9), "characters"),
    ],
)
def test_what_cannot_be_merged(other: Request, reason: str) -> None:
    with pytest.raises(DesignError, match=reason):
        merged([asked("green", steps=9), other], " and ".join)


def test_what_finds_its_own_region_cannot_be_merged() -> None:
    found = replace(asked("green"), region=Where(kind="auto"))
    with pytest.raises(DesignError, match="where they act"):
        merged([found, found], " and ".join)
    everywhere = replace(asked("night"), region=Where(kind="whole"))
    assert merged([asked("green"), everywhere], " and ".join).instruction == "green and night"


def test_nothing_to_merge() -> None:
    with pytest.raises(DesignError):
        merged([], " and ".join)


@given(one=requests, other=requests)
def test_compared_finds_every_difference_and_nothing_else(one: Request, other: Request) -> None:
    assert compared(one, one) == ()
    mirrored = tuple(replace(each, left=each.right, right=each.left) for each in compared(other, one))
    assert sorted(map(repr, mirrored)) == sorted(map(repr, compared(one, other)))


def test_compared_paths_tell_the_step() -> None:
    assert compared_paths(grown(), "b", "b") == ()
    assert compared_paths(grown(), "b", "c") == (
        FieldChange(field="step 2: instruction", left="remove the lamp", right="night"),
        FieldChange(field="step 2: steps", left="–", right="9"),
    )
    assert FieldChange(field="step 1: instruction", left="–", right="green") in compared_paths(grown(), "root", "a")
