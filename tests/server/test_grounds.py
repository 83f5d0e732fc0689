"""What a worker finds things with: the fake and the pocket family keep the same promises."""

from pathlib import Path

import pytest
from PIL import Image

from retouch.core.reference import load_reference
from retouch.core.region import Region
from retouch.designs.request import Request, Shown, Where
from retouch.editing.protocol import RegionSource
from retouch.server.worker.fakes import FakeGrounds
from retouch.server.worker.grounds import Grounds, PocketGrounds
from retouch.server.worker.requests import Means, arguments, look_up, share_of

ROOM = Path(__file__).parents[2] / "examples" / "living-room.png"


def region(source: RegionSource, picture: Image.Image) -> Region:
    found = source if isinstance(source, Region) or source is None else source(picture, "make the sofa green")
    assert found is not None and found.mask.size == picture.size
    return found


@pytest.mark.parametrize("make", [FakeGrounds, pytest.param(PocketGrounds, marks=pytest.mark.slow)])
def test_words_points_places_and_objects(make: type[FakeGrounds | PocketGrounds]) -> None:
    grounds: Grounds = make()
    picture = Image.open(ROOM).convert("RGB")
    told: list[str] = []
    for text, source in grounds.steps("make the sofa green", told.append):
        assert text and 0.01 < share_of(region(source, picture).mask) < 0.9
    sofa = region(grounds.phrase("the sofa", told.append), picture)
    left, top, right, bottom = sofa.mask.getbbox() or (0, 0, 0, 0)
    assert share_of(region(grounds.point(((left + right) / 2, (top + bottom) / 2)), picture).mask) > 0
    data = ROOM.read_bytes()
    reference = grounds.cut_out(load_reference(data), told.append)
    assert reference.picture.size == picture.size
    assert share_of(region(grounds.place([reference], 3), picture).mask) > 0
    means = Means(grounds=grounds, uploads=lambda _: data, tell=told.append)
    found = look_up(Request(instruction="make the sofa green", region=Where(kind="auto")), picture, means)
    assert share_of(found.mask) > 0.01 and found.origin
    proposed = Request(references=(Shown(upload="u"),), region=Where(kind="auto"))
    given = arguments(proposed, picture, means, seed=3)
    assert share_of(region(given.regions[0], picture).mask) > 0
