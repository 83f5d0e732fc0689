"""From words and points to regions, by a program that finds coloured squares and the encoder of the pocket family."""

import numpy as np
import pytest
from PIL import Image
from tests.contracts.test_segmenter import squares
from tests.grounding.finder import COLOURS, COMMAND

from retouch.core.errors import SettingsError
from retouch.grounding.locate import Finder, locate
from retouch.grounding.missing import NotFound
from retouch.grounding.phrases import ParsedStep, Scope
from retouch.grounding.places import where_it_comes
from retouch.grounding.segmenter import Segment, Segmenter
from retouch.grounding.segmenters.load import load_segmenter
from retouch.grounding.select import Selection, select
from retouch.grounding.shapes import Shape, dilated
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_score import clip_score
from retouch.models.clip import load_clip


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return load_segmenter(f"command:{COMMAND}")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_clip("pocket/clip"))


@pytest.fixture
def finder(segmenter: Segmenter) -> Finder:
    return Finder(segmenter=segmenter, margin=False)


class Script:
    """Reads every instruction as these steps."""

    name = "script"

    def __init__(self, *steps: ParsedStep) -> None:
        self._steps = steps

    def read(self, instruction: str) -> tuple[ParsedStep, ...]:
        return self._steps if instruction.strip() else ()


def step(text: str, scope: Scope, *phrases: str) -> ParsedStep:
    return ParsedStep(text=text, scope=scope, phrases=phrases)


def shown(colour: str, picture: Image.Image | None = None) -> Shape:
    return np.abs(np.asarray(picture or squares()).astype(int) - COLOURS[colour]).max(axis=2) == 0


def shape_of(mask: Image.Image) -> Shape:
    return np.asarray(mask) == 255


def test_a_phrase(finder: Finder) -> None:
    found = finder.phrase(squares(), "the red squares")
    assert np.array_equal(shape_of(found.region.mask), shown("red"))
    assert (found.phrase, found.score, found.missing) == ("the red squares", 0.9, None)
    assert found.region.origin.startswith("phrase 'the red squares' (command:")
    assert found.region.origin.endswith(", 0.90)")


def test_the_margin_is_a_dilation(segmenter: Segmenter) -> None:
    found = Finder(segmenter=segmenter).phrase(squares(), "the red squares")
    assert np.array_equal(shape_of(found.region.mask), dilated(shown("red")))


def test_absent_things_are_refused_and_named(segmenter: Segmenter) -> None:
    refusing = Finder(segmenter=segmenter)
    missed = refusing.phrase(squares(), "the blue square")
    assert missed.region.is_empty
    assert missed.missing is not None
    assert missed.missing.sentence == "no 'blue square' found; surest place at 0.05"
    instead = Finder(segmenter=segmenter, when_missing="whole").phrase(squares(), "the blue square")
    assert instead.region.is_full
    assert instead.missing == missed.missing


def test_removing_what_is_not_there_leaves_the_picture_alone(finder: Finder) -> None:
    misleading = step("remove the blue square", Scope.OBJECT, "the blue square")
    assert finder.step(squares(), misleading).region.is_empty


def test_an_instruction_step_by_step(finder: Finder) -> None:
    reader = Script(
        step("make the left red square blue", Scope.OBJECT, "the left red square"),
        step("put a vase on the green square", Scope.PLACE, "the green square"),
        step("make it night", Scope.WHOLE),
        step("add a dog", Scope.PLACE),
    )
    left, place, night, dog = locate(squares(), "all of it", reader=reader, finder=finder)
    assert np.array_equal(shape_of(left.region.mask), shown("red") & (np.arange(96) < 48))
    green = shown("green")
    assert np.array_equal(shape_of(place.region.mask), where_it_comes("on the green square", "the green square", green))
    assert place.region.mask.getbbox() != Image.fromarray(green).getbbox()
    assert night.region.is_full and dog.region.is_full
    assert night.phrase is None and night.score == 1.0
    assert [each.step is not None for each in (left, place, night, dog)] == [True] * 4
    assert locate(squares(), " ", reader=reader, finder=finder) == ()


def test_without_an_encoder_the_first_that_is_there_is_taken(finder: Finder) -> None:
    candidates = step("put a blue vase on the green square", Scope.OBJECT, "a blue vase", "the green square", "red")
    assert finder.step(squares(), candidates).phrase == "the green square"
    missed = finder.step(squares(), step("go", Scope.OBJECT, "a blue vase", "the sky")).missing
    assert missed is not None and missed.sentence == "no 'blue vase' or 'sky' found; surest place at 0.05"


def test_a_point_needs_a_segmenter_of_points(finder: Finder) -> None:
    with pytest.raises(SettingsError, match="phrases alone"):
        finder.point(squares(), (3, 4))


class Heat:
    """Finds red things well, and calls something else red, faintly, where there are none."""

    name, threshold = "heat", 0.5

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        if "piano" in phrase:
            return Segment(mask=self._segmenter.segment(image, "green").mask * np.float32(0.2), score=0.11)
        return self._segmenter.segment(image, phrase)

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        return self._segmenter.segment(image, "green")


def test_what_is_there_instead_is_named(segmenter: Segmenter) -> None:
    finder = Finder(segmenter=Heat(segmenter), names=("red square", "green square", "blue square"))
    missed = finder.phrase(squares(), "the piano").missing
    assert missed is not None
    assert missed.sentence == "no 'piano' found; best match 'green square' at 0.11"


def test_a_point(segmenter: Segmenter) -> None:
    found = Finder(segmenter=Heat(segmenter), margin=False).point(squares(), (48, 30))
    assert np.array_equal(shape_of(found.region.mask), shown("green"))
    assert found.region.origin == "point 48,30 (heat)"


def test_the_winner_is_the_phrase_whose_part_fits_best(segmenter: Segmenter, encoder: Encoder) -> None:
    phrases = ("a blue vase", "the green square", "the red squares", "the left red square")
    chosen = select(squares(), phrases, segmenter=segmenter, encoder=encoder)
    assert isinstance(chosen, Selection)
    scores = {candidate.phrase: candidate.score for candidate in chosen.candidates}
    assert tuple(scores) == phrases
    assert scores["a blue vase"] == 0
    boxes = {"the green square": "green", "the red squares": "red"}
    for phrase, colour in boxes.items():
        rows, columns = (np.flatnonzero(shown(colour).any(axis=axis)) for axis in (1, 0))
        crop = squares().crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        assert scores[phrase] == pytest.approx(clip_score(encoder, crop, phrase), abs=1e-4)
    assert chosen.winner.score == max(scores.values())


def test_excluded_phrases_cannot_win(segmenter: Segmenter, encoder: Encoder) -> None:
    phrases = ("the green square", "the red squares")
    best = select(squares(), phrases, segmenter=segmenter, encoder=encoder)
    assert isinstance(best, Selection)
    other = select(squares(), phrases, segmenter=segmenter, encoder=encoder, excluded={best.winner.phrase.upper()})
    assert isinstance(other, Selection)
    assert other.winner.phrase != best.winner.phrase
    assert min(candidate.score for candidate in other.candidates) == -1
    none = select(squares(), phrases, segmenter=segmenter, encoder=encoder, excluded=phrases)
    assert isinstance(none, NotFound) and none.phrases == phrases


def test_the_reject_threshold_works(segmenter: Segmenter, encoder: Encoder) -> None:
    phrases = ("the green square", "the red squares")
    best = select(squares(), phrases, segmenter=segmenter, encoder=encoder)
    assert isinstance(best, Selection)
    at = best.winner.score
    assert isinstance(select(squares(), phrases, segmenter=segmenter, encoder=encoder, least=at), Selection)
    assert isinstance(select(squares(), phrases, segmenter=segmenter, encoder=encoder, least=at + 0.01), NotFound)
    assert isinstance(select(squares(), ("a blue vase",), segmenter=segmenter, encoder=encoder), NotFound)
    with pytest.raises(SettingsError, match="no phrases to choose from"):
        select(squares(), (), segmenter=segmenter, encoder=encoder)
