"""The parser: it learns the parts and steps of a small language, and starts over where it was interrupted."""

from itertools import product
from pathlib import Path

import pytest

from retouch.core.errors import DataError
from retouch.grounding.pocket_parser import load_parser
from retouch.records.marked import MarkedText, save_marked
from retouch.scenes.language.marks import mark, mark_step, read_marks
from retouch.training.kinds.parser import ParserRecipe, ParserTask
from retouch.training.run import run_recipe
from retouch.training.settings import TrainSettings

pytest.importorskip("spacy")
SETTINGS = TrainSettings(steps=60, batch_size=16, learning_rate=1e-2, warmup=5, weight_decay=1e-6)


def texts() -> list[MarkedText]:
    things, colours = ("the sofa", "the lamp", "the left chair"), ("red", "green", "navy blue")
    said = [f"make {mark(thing, 'TARGET')} {mark(colour, 'ATTRIBUTE')}" for thing, colour in product(things, colours)]
    gone = [f"remove {mark(thing, 'TARGET')}" for thing in things]
    said += [f"{mark_step(one)} and {mark_step(other)}" for one, other in product(said, gone)]
    marked = [read_marks(one) for one in said * 3]
    return [
        MarkedText(text=one.text, parts=tuple((p.start, p.end, p.role) for p in one.parts), steps=one.steps)
        for one in marked
    ]


@pytest.fixture
def recipe(tmp_path: Path) -> ParserRecipe:
    save_marked(tmp_path / "texts.jsonl", texts())
    task = ParserTask(width=32, depth=2, rows=(200, 100, 100, 50), drop=0.0)
    return ParserRecipe(
        data=[tmp_path / "texts.jsonl"], held_out={"same": tmp_path / "texts.jsonl"}, settings=SETTINGS, task=task
    )


def test_it_learns_parts_and_steps_and_is_written_without_pickles(recipe: ParserRecipe, tmp_path: Path) -> None:
    report = run_recipe(recipe, tmp_path / "run")
    assert report.figures["span F1, same"] > 0.95
    assert report.figures["compound split rightly, same"] > 0.95
    (first, second) = load_parser(tmp_path / "run" / "model").read("make the lamp red and remove the sofa")
    assert (first.text, second.text) == ("make the lamp red", "remove the sofa")
    written = [file.read_bytes() for file in (tmp_path / "run" / "model").rglob("*") if file.is_file()]
    assert not [data for data in written if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")]


def test_an_interrupted_run_says_that_it_starts_over(recipe: ParserRecipe, tmp_path: Path) -> None:
    report = run_recipe(recipe, tmp_path / "run", cancelled=lambda: True)
    assert (report.interrupted, report.resumes, report.steps) == (True, False, 0)
    assert not (tmp_path / "run" / "model").exists()


def test_a_file_without_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="write some first"):
        ParserRecipe(data=[tmp_path / "empty.jsonl"], held_out={}, settings=SETTINGS).run(tmp_path)
