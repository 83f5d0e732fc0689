"""JSON lines: read one by one, and what is none is named."""

from pathlib import Path

import pytest

from retouch.core.errors import DataError
from retouch.records.lines import json_lines, read_text


def test_objects_come_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"a": "x\xe2\x80\xa8y"}\r\n\n{"a": 2}')
    (first, one), (third, two) = json_lines(file, form="an object")
    assert (first, third) == (f"Line 1 of {file}", f"Line 3 of {file}")
    assert (one, two) == ({"a": "x\u2028y"}, {"a": 2})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Line 1 of .* is not JSON; give an object"),
        (b"{}\n[1]\n", "Line 2 of .* is no JSON object; give an object"),
        (b'{"a": "\xff"}', r"cannot be read \(not UTF-8 text\)"),
    ],
)
def test_what_is_none_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=said):
        list(json_lines(tmp_path / "lines.jsonl", form="an object"))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    for read in (lambda path: list(json_lines(path, form="a file")), lambda path: read_text(path, form="a file")):
        with pytest.raises(DataError, match=r"none cannot be read \(No such file or directory\); give a"):
            read(tmp_path / "none")
