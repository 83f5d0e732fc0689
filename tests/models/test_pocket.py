"""The pocket family as it is installed."""

import pytest

from retouch.core.errors import ModelError
from retouch.models.pocket import DEFAULT_MEMBER, find_pocket, members
from retouch.models.verify import verify


def test_members_are_found_and_others_are_named() -> None:
    for member in members():
        assert (find_pocket(member) / "model_index.json").is_file()
    with pytest.raises(ModelError, match="'nothing' is not in this installation"):
        find_pocket("nothing")


def test_the_default_member_is_sound() -> None:
    assert DEFAULT_MEMBER in members()
    report = verify("pocket")
    assert report.problems == ()
    assert report.kind == "instruct"
