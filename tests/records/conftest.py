"""A builder of small valid records."""

from collections.abc import Callable

import pytest
from PIL import Image

from retouch.core.images import png_bytes
from retouch.records.pair import PairRecord

RecordBuilder = Callable[..., PairRecord]


def build(**changes: object) -> PairRecord:
    values: dict[str, object] = {
        "id": "fake-0",
        "source_image": png_bytes(Image.new("RGB", (16, 16), (10, 20, 30))),
        "target_image": png_bytes(Image.new("RGB", (16, 16), (30, 20, 10))),
        "edit_prompt": "make it brown",
        "source_caption": "a navy square",
        "target_caption": "a brown square",
        "engine": "fake",
        "seed": 7,
        "params": {"kind": "recolour", "colour": "brown", "amount": 0.5},
        "split": "train",
    }
    return PairRecord(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def record() -> RecordBuilder:
    return build
