"""Regions by words in edits: compound instructions step by step, and what becomes of what is not there."""

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import NotFoundError
from retouch.editing.fake import FakeEditor
from retouch.editing.grounded import instruction_steps, region_of_phrase, region_of_point, region_of_step, removes
from retouch.grounding.locate import Finder
from retouch.grounding.phrases import ParsedStep, Role, Scope, Span
from retouch.grounding.segmenter import Segment

SIZE = (64, 48)
PLACES = {"the lamp": (4, 4, 20, 20), "the rug": (30, 30, 60, 44)}


class Known:
    """Finds the two things that there are, each in its box."""

    name = "known"
    threshold = 0.5

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        mask = np.zeros((image.height, image.width), dtype=np.float32)
        if phrase not in PLACES:
            return Segment(mask=mask, score=0.11)
        left, top, right, bottom = PLACES[phrase]
        mask[top:bottom, left:right] = 1
        return Segment(mask=mask, score=0.9)

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        del point
        return self.segment(image, "the lamp")


class AtAnd:
    """Reads one object, the last two words, in each part of an instruction."""

    name = "at-and"

    def read(self, instruction: str) -> tuple[ParsedStep, ...]:
        return tuple(step(text) for text in instruction.split(" and "))


def step(text: str, *spans: Span) -> ParsedStep:
    return ParsedStep(text=text, scope=Scope.OBJECT, phrases=(" ".join(text.split()[-2:]),), spans=spans)


def finder(**settings: str) -> Finder:
    return Finder(segmenter=Known(), margin=False, **settings)  # type: ignore[arg-type]


def room() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


def test_steps_are_applied_in_order_each_in_its_own_region() -> None:
    steps = instruction_steps(["paint the lamp and remove the rug"], AtAnd())
    assert [each.text for each in steps] == ["paint the lamp", "remove the rug"]
    regions = [region_of_step(each, finder()) for each in steps]
    result = FakeEditor().edit(room(), [each.text for each in steps], region=regions)
    first, second = (np.asarray(picture) != np.asarray(room()) for picture in result.intermediates[0][0])
    for changed, boxes in ((first, ["the lamp"]), (second, ["the lamp", "the rug"])):
        inside = np.zeros(changed.shape[:2], dtype=bool)
        for name in boxes:
            left, top, right, bottom = PLACES[name]
            inside[top:bottom, left:right] = True
        assert changed[inside].any()
        assert not changed[~inside].any()


def test_a_phrase_and_a_point_find_the_same_thing() -> None:
    by_phrase, by_point = region_of_phrase("the lamp", finder()), region_of_point((5, 5), finder())
    found = [find(room(), "paint it") for find in (by_phrase, by_point)]
    assert all(one is not None and one.mask.getbbox() == PLACES["the lamp"] for one in found)


def test_an_edit_of_what_is_not_there_is_refused_in_words() -> None:
    for find in (region_of_step(step("paint the piano"), finder()), region_of_phrase("the piano", finder())):
        with pytest.raises(NotFoundError, match=r"No 'piano' found.* 0\.11.*--when-missing whole"):
            FakeEditor().edit(room(), "paint the piano", region=find)


def test_removing_what_is_not_there_gives_the_source_and_says_so() -> None:
    heard: list[str] = []
    finds = (
        region_of_step(step("remove the piano"), finder(), tell=heard.append),
        region_of_phrase("the piano", finder(), tell=heard.append),
    )
    for find in finds:
        result = FakeEditor().edit(room(), "remove the piano", region=find)
        assert np.array_equal(np.asarray(result.image), np.asarray(room()))
    assert len(heard) == 2
    assert all("No 'piano' found" in said and "nothing to remove" in said for said in heard)


def test_the_whole_picture_is_taken_where_that_is_asked_for() -> None:
    heard: list[str] = []
    find = region_of_step(step("paint the piano"), finder(when_missing="whole"), tell=heard.append)
    region = find(room(), "paint the piano")
    assert region is not None and region.is_full
    assert heard == ["No 'piano' found; surest place at 0.11. The region is the whole picture."]


def test_removals_are_told_by_their_parts_or_their_verb() -> None:
    assert removes(step("remove the lamp"))
    assert removes(step("Make the lamp disappear the lamp"))
    assert not removes(step("paint the lamp"))
    assert not removes(step("removed look on the lamp"))
    new = Span(start=0, end=6, role=Role.NEW)
    assert not removes(step("remove the wall for a lamp", new))
