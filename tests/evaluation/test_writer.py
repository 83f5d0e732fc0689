"""A writer on the bench: every answer judged, counted and written down, and the same for the same seed."""

import json
from pathlib import Path

import pytest

from retouch.core.errors import Cancelled
from retouch.datagen.triples import room_triples
from retouch.evaluation.writer import evaluate_writer, held_out_captions, judged, summarise
from retouch.models.fresh_writer import WriterShape, fresh_writer
from retouch.models.writer import Sampling, Writer
from retouch.records.triple import EDIT_END, END, PROMPT_END, Reject, Triple
from retouch.scenes.language.reading import read_caption

QUICK = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=8)


@pytest.fixture(scope="module")
def writer() -> Writer:
    shape = WriterShape(vocabulary=300, width=16, inner=32, layers=2, heads=2)
    return fresh_writer(["a red chair"], marks=(PROMPT_END, EDIT_END, END), shape=shape, seed=0)


def test_held_out_captions_can_be_read_and_differ_by_seed() -> None:
    captions = held_out_captions(12, seed=0)
    assert all(read_caption(caption) is not None for caption in captions)
    assert captions == held_out_captions(12, seed=0)
    assert not set(captions) & set(held_out_captions(12, seed=1))


def test_sound_answers_broken_ones_and_rejects_are_counted() -> None:
    sound = list(room_triples(20, seed=2))
    broken = Triple(source_caption="a study with a red chair", instruction="eat it", target_caption="a study")
    reject = Reject(source_caption="a study", completion="?", reason="unfinished")
    summary = summarise([judged(answer) for answer in (*sound, broken, reject)])
    assert (summary.count, summary.triples, summary.obeying) == (22, 21, 20)
    assert summary.problems == {"other request": 1, "unfinished": 1}
    assert sum(summary.changes.values()) == 20
    assert "| triples that obey the rules | 95.2% of 21 | ≥ 90% |" in summary.markdown()
    assert "| completions that are triples and obey | 90.9% of 22 | – |" in summary.markdown()


def test_an_untrained_writer_obeys_nothing_and_leaves_a_report(writer: Writer, tmp_path: Path) -> None:
    told: list[int] = []
    progress = lambda done, _total: told.append(done)  # noqa: E731
    summary = evaluate_writer(writer, tmp_path, count=3, sampling=QUICK, on_progress=progress)
    assert (summary.count, summary.obeying, told) == (3, 0, [3])
    lines = (tmp_path / "triples.jsonl").read_text().splitlines()
    assert [json.loads(line)["problem"] for line in lines] == ["unfinished"] * 3
    assert json.loads((tmp_path / "report.json").read_text())["problems"] == {"unfinished": 3}
    assert (tmp_path / "report.md").read_text() == summary.markdown()
    evaluate_writer(writer, tmp_path / "again", count=3, sampling=QUICK)
    assert (tmp_path / "again" / "triples.jsonl").read_text().splitlines() == lines


def test_an_interrupt_is_heeded(writer: Writer, tmp_path: Path) -> None:
    with pytest.raises(Cancelled, match="after 0 of 3"):
        evaluate_writer(writer, tmp_path, count=3, sampling=QUICK, cancelled=lambda: True)
