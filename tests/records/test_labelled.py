"""Labelled texts: what they must hold, and that lines come back as they were written."""

from pathlib import Path

import pytest

from retouch.core.errors import DataError
from retouch.records.labelled import LabelledText, load_labelled, save_labelled


def test_lines_come_back(tmp_path: Path) -> None:
    texts = [
        LabelledText(text="make the sofa green", labels=("kind=recolour", "object=sofa")),
        LabelledText(text="plus grand, s'il vous plaît", labels=()),
    ]
    assert save_labelled(tmp_path / "texts.jsonl", texts) == 2
    assert list(load_labelled(tmp_path / "texts.jsonl")) == texts


@pytest.mark.parametrize("label", ["sofa", "=sofa", "object="])
def test_a_label_has_an_aspect_and_a_value(label: str) -> None:
    with pytest.raises(DataError, match="not of the form aspect=value"):
        LabelledText(text="make the sofa green", labels=(label,))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no json", 'Line 2 of .* is not JSON; give {"text"'),
        ("[1]", "Line 2 .* no JSON object"),
        ('{"text": "a"}', "Line 2 .* lacks a text"),
        ('{"text": 3, "labels": []}', "Line 2 of .* lacks a text"),
        ('{"text": "a", "labels": [3]}', "Line 2 of .* holds a label that is no text"),
        ('{"text": " ", "labels": []}', "is empty"),
    ],
)
def test_a_line_that_is_none_is_named(line: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text(f'{{"text": "fine", "labels": []}}\n{line}\n')
    with pytest.raises(DataError, match=said):
        list(load_labelled(file))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(load_labelled(tmp_path / "none.jsonl"))
