"""Laws of guidance: the weights of InstructPix2Pix for any scales, and the guidance interval."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouch.core.errors import SettingsError
from retouch.diffusion.guidance import BOTH, IMAGE, NONE, REFERENCE, TEXT, InsertGuidance, InstructGuidance

SCALES = st.floats(min_value=-5.0, max_value=20.0)


@given(text=SCALES, image=SCALES, progress=st.floats(0.0, 0.999))
def test_weights_are_the_published_formula_and_sum_to_one(text: float, image: float, progress: float) -> None:
    weights = InstructGuidance(text=text, image=image).weights(progress)
    none, with_image, both = 0.3, -1.1, 2.7
    combined = weights[NONE] * none + weights[IMAGE] * with_image + weights[BOTH] * both
    published = none + text * (both - with_image) + image * (with_image - none)
    assert combined == pytest.approx(published, abs=1e-9)
    assert sum(weights.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "image", "active"),
    [
        (7.5, 1.5, {NONE, IMAGE, BOTH}),
        (7.5, 1.0, {IMAGE, BOTH}),
        (1.5, 1.5, {NONE, BOTH}),
        (1.0, 1.0, {BOTH}),
        (0.0, 1.0, {IMAGE}),
        (0.0, 0.0, {NONE}),
        (0.5, 0.8, {NONE, IMAGE, BOTH}),
    ],
)
def test_branches_that_count(text: float, image: float, active: set[str]) -> None:
    weights = InstructGuidance(text=text, image=image).weights(0.0)
    assert {name for name, weight in weights.items() if weight != 0.0} == active


def test_outside_the_interval_only_both_conditions_count() -> None:
    guidance = InstructGuidance(text=7.5, image=1.5, interval=(0.25, 0.75))
    assert guidance.weights(0.0) == guidance.weights(0.75) == {BOTH: 1.0}
    assert len(guidance.weights(0.25)) == len(guidance.weights(0.7)) == 3


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_scales_must_be_finite(scale: float) -> None:
    with pytest.raises(SettingsError, match="finite"):
        InstructGuidance(text=scale, image=1.5)
    with pytest.raises(SettingsError, match="finite"):
        InstructGuidance(text=7.5, image=scale)


@pytest.mark.parametrize("interval", [(0.5, 0.2), (-0.1, 0.5), (0.0, 1.1), (math.nan, 1.0)])
def test_interval_must_be_two_ordered_fractions(interval: tuple[float, float]) -> None:
    with pytest.raises(SettingsError, match="interval"):
        InstructGuidance(text=7.5, image=1.5, interval=interval)


@given(reference=SCALES, image=SCALES, words=st.floats(0.0, 1.0), progress=st.floats(0.0, 0.999))
def test_what_is_put_in_stands_in_the_instructions_place(
    reference: float, image: float, words: float, progress: float
) -> None:
    weights = InsertGuidance(reference=reference, image=image, words=words).weights(progress)
    told = InstructGuidance(text=reference, image=image).weights(progress)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert {name: weights[name] for name in (NONE, IMAGE)} == {name: told[name] for name in (NONE, IMAGE)}
    assert weights.get(TEXT, 0.0) == pytest.approx(words * reference)
    assert weights.get(REFERENCE, 0.0) == pytest.approx((1 - words) * reference)


@pytest.mark.parametrize(("words", "left"), [(0.0, REFERENCE), (1.0, TEXT)])
def test_a_share_of_none_is_no_branch(words: float, left: str) -> None:
    guidance = InsertGuidance(reference=2.0, image=1.5, words=words, interval=(0.5, 1.0))
    assert guidance.weights(0.0) == {left: 1.0}
    assert guidance.weights(0.5) == {NONE: -0.5, IMAGE: -0.5, left: 2.0}


def test_outside_the_interval_words_and_reference_share() -> None:
    guidance = InsertGuidance(reference=2.0, image=1.5, words=0.25, interval=(0.5, 1.0))
    assert guidance.weights(0.25) == {REFERENCE: 0.75, TEXT: 0.25}


@pytest.mark.parametrize("words", [-0.1, 1.1, math.nan])
def test_the_share_of_words_is_a_share(words: float) -> None:
    with pytest.raises(SettingsError, match="share of words"):
        InsertGuidance(reference=2.0, image=1.5, words=words)
    with pytest.raises(SettingsError, match="reference guidance is inf"):
        InsertGuidance(reference=math.inf, image=1.5)
