"""Two things of a kind in a picture drawn by hand: which is named, and which is judged to have changed."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from retouch.core.images import png_bytes
from retouch.evaluation.twins import TwinCase, judge_twins, twin_cases
from retouch.records.pair import JSON, PairRecord

GREY = 128
THINGS: list[JSON] = [
    {"kind": "chair", "colour": "red"},
    {"kind": "chair", "colour": "blue"},
    {"kind": "sofa", "colour": "blue"},
]


def record(things: list[JSON], *, second: int = 40) -> PairRecord:
    """Chairs at columns 8 to 16 and from `second` on, and a sofa between them."""
    numbers = np.zeros((64, 64), dtype=np.uint8)
    numbers[20:40, second : second + 8] = 1
    numbers[20:40, 8:16] = 2
    numbers[50:60, 20:40] = 3
    picture = png_bytes(Image.fromarray(np.full((64, 64, 3), GREY, dtype=np.uint8)))
    return PairRecord(
        id="room",
        source_image=picture,
        target_image=picture,
        edit_prompt="make the sofa red",
        source_caption="a room",
        target_caption="a room",
        engine="test",
        seed=0,
        params={"kind": "recolour", "segments": things},
        split="bench",
        segments=png_bytes(Image.fromarray(numbers)),
    )


def changed(case: TwinCase, named: int, other: int) -> np.ndarray:
    output = case.source.copy()
    output[case.named] = named
    output[case.other] = other
    return output


def test_one_of_two_is_named_by_its_side_in_a_colour_that_neither_has() -> None:
    case, *others = twin_cases([record(THINGS)])
    assert not others
    side = "left" if np.nonzero(case.named)[1].mean() < 32 else "right"
    assert case.phrase == f"the {side} chair"
    assert case.instruction.startswith(f"make {case.phrase} ")
    assert case.instruction.split()[-1] not in ("red", "blue")
    assert not (case.named & case.other).any()
    assert next(twin_cases([record(THINGS)])).instruction == case.instruction
    asked = {next(twin_cases([record(THINGS)], seed=seed)).phrase for seed in range(8)}
    assert asked == {"the left chair", "the right chair"}


@pytest.mark.parametrize(
    "odd",
    [
        record([*THINGS, {"kind": "chair", "colour": "red"}]),
        record(THINGS, second=12),
        record([{"kind": "plant"}, {"kind": "plant"}]),
        replace(record(THINGS), segments=None),
    ],
    ids=["three", "too near", "only a part has the colour", "nothing told"],
)
def test_what_is_not_two_of_a_kind_well_apart_is_left_out(odd: PairRecord) -> None:
    assert not list(twin_cases([odd]))


def test_only_the_named_one_may_change() -> None:
    case = next(twin_cases([record(THINGS)]))
    assert judge_twins(case, changed(case, 220, GREY)).right
    assert not judge_twins(case, changed(case, GREY, 220)).right
    assert not judge_twins(case, changed(case, 220, 220)).right
    assert not judge_twins(case, changed(case, GREY + 2, GREY)).right
