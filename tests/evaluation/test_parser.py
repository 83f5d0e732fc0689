"""The bench of parsers: the pocket parser reaches its goals on instructions written by hand, and says so in a table."""

from pathlib import Path

import pytest

from retouch.evaluation.parser import evaluate_parser
from retouch.grounding.pocket_parser import load_parser

pytest.importorskip("spacy")
GOLDENS = Path(__file__).parents[1] / "goldens" / "photo_instructions.jsonl"


def test_the_pocket_parser_reads_what_people_write_about_photographs(tmp_path: Path) -> None:
    summary = evaluate_parser(load_parser(), {"photographs": GOLDENS}, out=tmp_path)
    scores = summary.scores["photographs"]
    assert scores.texts == 100
    assert scores.f1 >= 0.75
    assert scores.kept_whole >= 0.95
    assert (tmp_path / "report.md").read_text() == summary.markdown()
