"""Instructions with marks: the same words as without, and every part is what its role says."""

from random import Random

import pytest

from retouch.scenes.edits import EDIT_KINDS, Compound
from retouch.scenes.language.instructions import instruct, marked_instruction
from retouch.scenes.language.marks import mark, mark_place, read_marks, without_marks
from retouch.scenes.layout import sample_room
from retouch.scenes.proposals import sample_edit
from retouch.scenes.view import visible_shares


@pytest.mark.parametrize("seed", range(4))
def test_marks_change_no_word_and_lie_on_whole_words(seed: int) -> None:
    room = sample_room(seed)
    shares = {identifier: share for identifier, (share, _) in visible_shares(room).items()}
    for kind in EDIT_KINDS:
        edit = sample_edit(room, kind, Random(seed), shares=shares)
        if edit is None:
            continue
        marked = marked_instruction(edit, room, Random(seed))
        assert (None if marked is None else marked.text) == instruct(edit, room, Random(seed))
        if marked is None:
            continue
        assert len(marked.steps) == (2 if isinstance(edit, Compound) else 1)
        for part in marked.parts:
            around = f" {marked.text} "[part.start], f" {marked.text} "[part.end + 1]
            assert not any(letter.isalnum() for letter in around)


def test_marks_are_read_back_and_taken_out() -> None:
    said = f"put {mark('a vase', 'NEW')} {mark_place('to the left of the sofa')} in {mark('a blue', 'ATTRIBUTE')}"
    marked = read_marks(said)
    assert marked.text == without_marks(said) == "put a vase to the left of the sofa in a blue"
    assert [marked.text[part.start : part.end] for part in marked.parts] == ["a vase", "the sofa", "blue"]
    assert marked.steps == ((0, len(marked.text)),)
