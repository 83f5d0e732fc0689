"""The pocket family as it is installed."""

import pytest

from retouch.core.errors import ModelError
from retouch.models.catalogue import catalogue
from retouch.models.pocket import DEFAULT_MEMBER, find_pocket, members
from retouch.models.verify import verify


def test_members_are_found_and_others_are_named() -> None:
    for member in members():
        assert (find_pocket(member) / "README.md").is_file()
    with pytest.raises(ModelError, match="'nothing' is not in this installation"):
        find_pocket("nothing")


@pytest.mark.parametrize("member", members())
def test_every_member_is_sound_and_listed(member: str) -> None:
    report = verify(f"pocket/{member}")
    assert report.problems == ()
    assert report.kind == member
    (listed,) = [entry for entry in catalogue() if entry.source == f"pocket/{member}"]
    assert listed.kind == member


def test_the_default_member_edits() -> None:
    assert DEFAULT_MEMBER in members()
    assert verify("pocket").kind == "instruct"
