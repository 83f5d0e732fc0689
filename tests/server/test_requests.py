"""Requests of the tree become what editors take: regions by all their kinds, references, settings, and lookups."""

import pytest
from PIL import Image, ImageOps
from tests.server.rooms import png

from retouch.core.errors import ImageError, NotFoundError, SettingsError
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.region import Region
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.designs.request import Request, Shown, Where
from retouch.editing.protocol import RegionSource
from retouch.server.offered import DEFAULT_MODELS, EXEMPLAR, INSERT, choose_model, offered_models
from retouch.server.schemas import Settings
from retouch.server.worker.fakes import FakeGrounds
from retouch.server.worker.requests import Means, arguments, look_up, share_of

PICTURE = Image.new("RGB", (40, 32), "grey")


def means(data: bytes = b"") -> Means:
    return Means(grounds=FakeGrounds(), uploads=lambda name: data if name == "u" else b"")


def mask_of(source: RegionSource) -> Image.Image:
    region = source if isinstance(source, Region) or source is None else source(PICTURE, "")
    assert region is not None
    return region.mask


@pytest.mark.parametrize(
    ("where", "box"),
    [
        (Where(kind="box", numbers=(1, 2, 11, 12)), (1, 2, 11, 12)),
        (Where(kind="point", numbers=(20, 16)), (12, 8, 28, 24)),
        (Where(kind="phrase", phrase="the sofa"), (10, 8, 30, 24)),
        (Where(kind="auto"), (10, 8, 30, 24)),
        (Where(kind="mask", upload="u"), (5, 6, 40, 32)),
    ],
)
def test_regions(where: Where, box: tuple[int, int, int, int]) -> None:
    painted = Image.new("L", PICTURE.size, 0)
    painted.paste(255, (5, 6, 40, 32))
    from retouch.core.images import png_bytes

    data = png_bytes(painted)
    (source,) = arguments(Request(instruction="green", region=where), PICTURE, means(data), seed=3).regions
    assert mask_of(source).getbbox() == box
    inverted = Request(instruction="green", region=Where(**{**vars(where), "invert": True}))
    (other,) = arguments(inverted, PICTURE, means(data), seed=3).regions
    assert mask_of(other).tobytes() == ImageOps.invert(mask_of(source)).tobytes()
    found = look_up(inverted, PICTURE, means(data))
    assert share_of(found.mask) == pytest.approx(1 - share_of(mask_of(source)))


def test_the_whole_picture_is_no_region() -> None:
    for where in (None, Where(kind="whole")):
        settings = EditSettings(region=RegionSettings(grow=3), reference=ReferenceSettings(detail=0.5))
        given = arguments(Request(instruction="a", region=where, settings=settings), PICTURE, means(), seed=9)
        assert given.regions == () and given.instructions == ("a",)
        assert given.settings == EditSettings(seed=9), "what is for regions and references goes with them"
    assert share_of(look_up(Request(region=Where(kind="whole")), PICTURE, means()).mask) == 1
    with pytest.raises(NotFoundError):
        look_up(Request(region=Where(kind="whole", invert=True)), PICTURE, means())


def test_references() -> None:
    request = Request(references=(Shown(upload="u", weight=0.5),), region=Where(kind="auto"))
    given = arguments(request, PICTURE, means(png((20, 20), (255, 0, 0, 128), "RGBA")), seed=1)
    (reference,) = given.references
    assert reference.weight == 0.5 and reference.alpha is not None and given.instructions == ("",)
    assert mask_of(given.regions[0]).getbbox() == (10, 8, 30, 24), "a place is proposed"


def test_what_cannot_be() -> None:
    with pytest.raises(SettingsError, match="holds no pixel"):
        arguments(
            Request(instruction="a", region=Where(kind="box", numbers=(50, 50, 60, 60))), PICTURE, means(), seed=1
        )
    with pytest.raises(ImageError, match="mask of that size"):
        arguments(
            Request(instruction="a", region=Where(kind="mask", upload="u")), PICTURE, means(png((20, 20))), seed=1
        )
    with pytest.raises(NotFoundError, match="missing"):
        look_up(Request(region=Where(kind="phrase", phrase="missing lamp")), PICTURE, means())


def test_models_choose_themselves() -> None:
    shown = (Shown(upload="u"),)
    assert choose_model(Request(instruction="a"), DEFAULT_MODELS) == "pocket"
    assert choose_model(Request(references=shown), DEFAULT_MODELS) == INSERT
    assert choose_model(Request(references=shown, region=Where(kind="auto")), DEFAULT_MODELS) == EXEMPLAR
    assert choose_model(Request(references=shown, region=Where(kind="whole")), DEFAULT_MODELS) == INSERT
    assert choose_model(Request(instruction="a"), ("own/model",)) == "own/model"
    with pytest.raises(SettingsError, match="pictures of an object"):
        choose_model(Request(references=shown), ("own/model",))
    offered = offered_models(DEFAULT_MODELS)
    assert [model.name for model in offered if model.default] == ["pocket"]
    assert [model.reads_references for model in offered] == [False, True, True]
    assert all(model.defaults.steps and model.defaults.text_guidance for model in offered)
    assert offered_models(("some/hub-model",))[0].defaults == Settings()
