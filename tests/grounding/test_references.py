"""References lose their background: plain ones without a segmenter, and what shows no object is told."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from retouch.core.errors import NotFoundError, SettingsError
from retouch.core.reference import Reference
from retouch.grounding.references import _from_border, without_background
from retouch.grounding.segmenter import Segment

RED = (200, 30, 30)


class ByColour:
    """Finds all that is of the colour at a point, or everything red."""

    name = "by colour"
    threshold = 0.5

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        mask = self._like(image, RED)
        return Segment(mask=mask, score=0.9 if "red" in phrase and mask.any() else 0.1)

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        return Segment(mask=self._like(image, np.asarray(image)[int(point[1]), int(point[0])]), score=1.0)

    @staticmethod
    def _like(image: Image.Image, colour: object) -> np.ndarray:
        return (np.abs(np.asarray(image).astype(int) - np.asarray(colour)).max(axis=2) < 30).astype(np.float32)


def stripes() -> Image.Image:
    picture = Image.new("RGB", (120, 90), (40, 90, 160))
    for left in range(0, 120, 20):
        ImageDraw.Draw(picture).rectangle((left, 0, left + 9, 89), fill=(230, 220, 90))
    return picture


def with_object(picture: Image.Image) -> tuple[Image.Image, np.ndarray]:
    shape = Image.new("L", picture.size)
    ImageDraw.Draw(shape).ellipse((30, 20, 90, 70), fill=255)
    picture.paste(RED, mask=shape)
    return picture, np.asarray(shape) > 0


def iou(reference: Reference, wanted: np.ndarray) -> float:
    assert reference.alpha is not None
    found = np.asarray(reference.alpha) >= 128
    return float((found & wanted).sum() / (found | wanted).sum())


@pytest.mark.parametrize("noise", [0, 6])
def test_a_plain_background_goes_and_a_hole_s_inside_stays(noise: int) -> None:
    picture, wanted = with_object(Image.new("RGB", (120, 90), (244, 244, 244)))
    ImageDraw.Draw(picture).rectangle((50, 40, 60, 50), fill=(244, 244, 244))
    grain = np.random.default_rng(0).normal(0, noise, (90, 120, 3))
    picture = Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))
    found = without_background(Reference(picture=picture), ByColour())
    assert iou(found, wanted) > 0.95
    assert found.picture is picture


@pytest.mark.parametrize("phrase", [None, "the red ball"])
def test_what_lies_in_the_middle_or_is_named_is_cut_out(phrase: str | None) -> None:
    picture, wanted = with_object(stripes())
    found = without_background(Reference(picture=picture), ByColour(), background="remove", phrase=phrase)
    assert iou(found, wanted) > 0.95


def test_an_alpha_and_a_background_to_keep_stay() -> None:
    picture, wanted = with_object(stripes())
    cut = Reference(picture=picture, alpha=Image.fromarray(np.uint8(255) * wanted))
    assert without_background(cut, ByColour(), background="remove") is cut
    opaque = Reference(picture=picture)
    assert without_background(opaque, ByColour(), background="keep") is opaque


@pytest.mark.parametrize("picture", [Image.new("RGB", (64, 48), (9, 120, 90)), stripes()])
def test_a_reference_without_an_object_is_told_or_kept(picture: Image.Image) -> None:
    opaque = Reference(picture=picture, name="wall.png")
    assert without_background(opaque, ByColour(), background="auto") is opaque
    with pytest.raises(NotFoundError, match=r"'wall\.png' shows nothing that can be told .* as an object"):
        without_background(opaque, ByColour(), background="remove")


def test_a_phrase_that_names_nothing_there_is_told() -> None:
    picture, _ = with_object(stripes())
    with pytest.raises(NotFoundError, match="as 'the green lamp'"):
        without_background(Reference(picture=picture), ByColour(), phrase="the green lamp")
    with pytest.raises(SettingsError, match="whose background is to be kept"):
        without_background(Reference(picture=picture), ByColour(), background="keep", phrase="the red ball")


def test_a_border_reaches_round_corners_but_not_through_walls() -> None:
    area = np.array([[0, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=bool)
    wanted = area.copy()
    wanted[3, 1] = False
    assert np.array_equal(_from_border(area), wanted)


class Unsure(ByColour):
    """Sees something in the middle whose outline is another at every point."""

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        mask = np.zeros((image.height, image.width), dtype=np.float32)
        left, top = int(point[0]), int(point[1])
        mask[top - 5 : top + 6, left - 7 : left + 8] = 0.9
        return Segment(mask=mask, score=1.0)


def test_an_outline_that_views_do_not_agree_about_is_cut_only_when_asked_for() -> None:
    opaque = Reference(picture=stripes())
    assert without_background(opaque, Unsure()) is opaque
    assert without_background(opaque, Unsure(), background="remove").alpha is not None


def test_what_lies_beside_the_object_s_middle_does_not_count() -> None:
    picture = stripes()
    ImageDraw.Draw(picture).rectangle((55, 20, 65, 70), fill=RED)
    wanted = np.zeros((90, 120), dtype=bool)
    wanted[20:71, 55:66] = True
    assert iou(without_background(Reference(picture=picture), ByColour()), wanted) > 0.95
