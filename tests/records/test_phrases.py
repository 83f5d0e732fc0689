"""Phrases and marked texts: written and read back the same, and refused where they say nothing."""

from pathlib import Path

import pytest

from retouch.core.errors import DataError
from retouch.records.marked import MarkedText, load_marked, save_marked
from retouch.records.phrases import Phrase, Phrased, load_phrases, save_phrases

PHRASED = Phrased(
    record="rooms-train-0",
    phrases=(
        Phrase(text="the left chair", kind="relational", things=(3, 4)),
        Phrase(text="the piano", kind="absent"),
        Phrase(text="the shirt", kind="garment", area="object"),
        Phrase(text="the background", kind="background", area="background"),
    ),
)
MARKED = MarkedText(text="make the sky pink", parts=((5, 12, "TARGET"), (13, 17, "ATTRIBUTE")), steps=((0, 17),))


def test_phrases_come_back_as_they_were_written(tmp_path: Path) -> None:
    assert save_phrases(tmp_path / "phrases.jsonl", [PHRASED]) == 1
    assert list(load_phrases(tmp_path / "phrases.jsonl")) == [PHRASED]


def test_a_phrase_means_numbers() -> None:
    assert [phrase.numbers for phrase in PHRASED.phrases] == [(3, 4), (), (1,), (0,)]


@pytest.mark.parametrize(
    "line", ['{"record": "a"}', '{"record": "a", "phrases": [{"text": "x", "kind": "odd"}]}', "[]"]
)
def test_lines_of_another_form_are_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "phrases.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(DataError, match="Line 2"):
        list(load_phrases(tmp_path / "phrases.jsonl"))


def test_what_is_there_is_somewhere_and_what_is_absent_is_nowhere() -> None:
    with pytest.raises(DataError, match="every other has some"):
        Phrase(text="the chair", kind="plain")
    with pytest.raises(DataError, match="absent has none"):
        Phrase(text="the chair", kind="absent", things=(1,))


def test_marked_texts_come_back_as_they_were_written(tmp_path: Path) -> None:
    assert save_marked(tmp_path / "marked.jsonl", [MARKED]) == 1
    assert list(load_marked(tmp_path / "marked.jsonl")) == [MARKED]


@pytest.mark.parametrize("parts", ['[[5, 99, "TARGET"]]', '[[9, 5, "TARGET"]]', '[[0, 4, "VERB"]]', "[[0]]"])
def test_marks_outside_a_text_are_refused(parts: str, tmp_path: Path) -> None:
    (tmp_path / "marked.jsonl").write_text(f'{{"text": "make it", "parts": {parts}, "steps": [[0, 7]]}}\n')
    with pytest.raises(DataError):
        list(load_marked(tmp_path / "marked.jsonl"))
