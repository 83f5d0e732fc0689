import dataclasses

import pytest

from retouch.core.errors import DataError


def test_kind_is_read_from_params(record):
    assert record(params={"kind": "recolour", "colour": "navy"}).kind == "recolour"


def test_a_record_is_a_value(record):
    made = record()
    assert made == dataclasses.replace(made) == record()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.id = "other"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"edit_prompt": " "}, "edit_prompt"),
        ({"id": ""}, "id"),
        ({"source_image": b"\xff\xd8\xff"}, "source_image"),
        ({"mask": b"GIF89a"}, "mask"),
        ({"reference_images": (b"no",)}, "reference_images"),
        ({"split": "test"}, "'test'"),
        ({"seed": 2**63}, "seed"),
        ({"params": {"colour": "navy"}}, "kind"),
        ({"params": {"kind": "look", "amount": float("nan")}}, "JSON"),
        ({"params": {"kind": "look", "thing": {1, 2}}}, "JSON"),
        ({"scores": {"clip": float("inf")}}, "clip"),
    ],
)
def test_impossible_records_are_refused_in_one_sentence(record, changes, named):
    with pytest.raises(DataError, match=r"^[^\n]+\.$") as caught:
        record(**changes)
    assert named in str(caught.value)
