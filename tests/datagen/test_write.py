"""Writing triples: captions of every form, answers that are safe at once, and runs that go on to the same file."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from retouch.core.errors import Cancelled, DataError
from retouch.datagen.captions import read_captions
from retouch.datagen.write import BATCH, write_file
from retouch.records.triple import EDIT_END, END, PROMPT_END, Complete, load_triples

CAPTIONS = [f"a room with {number} chairs" for number in range(2 * BATCH + 5)]


def model(start: int) -> Complete:
    """Answers that depend on the batch; every seventh is none, and the last two are the same."""

    def answers(prompts: Sequence[str]) -> list[str]:
        made = []
        for number, prompt in enumerate(prompts, start):
            caption = prompt.removesuffix(PROMPT_END)
            broken = number % 7 == 6
            made.append("nothing" if broken else f"paint it, batch {start}{EDIT_END}{caption}, painted{END}")
        return made

    return answers


def run(out: Path, captions: Sequence[str] = CAPTIONS, **changes: object):
    return write_file(captions, out, model=model, settings={"seed": 0}, **changes)  # type: ignore[arg-type]


def test_answers_become_triples_and_rejects_are_counted(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    summary = run(tmp_path / "triples.jsonl", on_progress=lambda done, total: told.append((done, total)))
    broken = sum(number % 7 == 6 for number in range(len(CAPTIONS)))
    assert (summary.captions, summary.triples) == (len(CAPTIONS), len(CAPTIONS) - broken)
    assert summary.rejected == {"unfinished": broken}
    assert told[-1] == (len(CAPTIONS), len(CAPTIONS))
    triples = list(load_triples(tmp_path / "triples.jsonl"))
    assert triples[0].instruction == "paint it, batch 0"
    assert [path.name for path in tmp_path.iterdir()] == ["triples.jsonl"]


def test_an_interrupted_run_goes_on_to_the_same_file(tmp_path: Path) -> None:
    run(tmp_path / "whole.jsonl")
    answers = iter([False, True])
    with pytest.raises(Cancelled, match=f"Stopped after {BATCH} of"):
        run(tmp_path / "parts.jsonl", cancelled=lambda: next(answers))
    assert not (tmp_path / "parts.jsonl").exists()
    run(tmp_path / "parts.jsonl")
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize("left", [3, 10, 60, 400])
def test_a_kill_in_the_middle_of_a_write_loses_a_batch_at_most(left: int, tmp_path: Path) -> None:
    run(tmp_path / "whole.jsonl")
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        run(tmp_path / "parts.jsonl", cancelled=lambda: next(answers))
    kept = tmp_path / "parts.jsonl.answers"
    kept.write_bytes(kept.read_bytes()[:-left])
    begun: list[int] = []
    run(tmp_path / "parts.jsonl", cancelled=lambda: False, on_progress=lambda done, _total: begun.append(done))
    assert begun[0] == 2 * BATCH
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_answers_to_other_captions_are_not_taken(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(tmp_path / "triples.jsonl", cancelled=lambda: True)
    with pytest.raises(DataError, match="other captions or settings"):
        run(tmp_path / "triples.jsonl", captions=CAPTIONS[:3])


def test_the_same_triple_is_kept_once(tmp_path: Path) -> None:
    summary = run(tmp_path / "triples.jsonl", captions=["a room", "a room"])
    assert (summary.triples, summary.rejected) == (1, {"double": 1})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "a room\n\n  a hall  \n"),
        ("a.jsonl", json.dumps({"caption": "a room"}) + "\n\n" + json.dumps({"input": "a hall"})),
        ("a.csv", "number,caption\n1,a room\n2,a hall\n"),
        ("b.txt", "\ufeffa room\na hall"),
    ],
)
def test_captions_are_read_from_every_form(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_captions(tmp_path / name) == ["a room", "a hall"]


def test_captions_are_read_from_a_column_of_tables_here_and_in_the_hubs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, repository = "0123456789abcdef0123456789abcdef01234567", tmp_path / "hub" / "datasets--someone--captions"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    table = pa.table({"caption": ["a room", " ", "a hall"], "title": ["one", "two", "three"]})
    pq.write_table(table, snapshot / "train.parquet")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for source in (snapshot / "train.parquet", "someone/captions"):
        assert read_captions(source) == ["a room", "a hall"]
        assert read_captions(source, column="title", limit=2) == ["one", "two"]
        with pytest.raises(DataError, match="no column text; it has caption, title"):
            read_captions(source, column="text")
    with pytest.raises(DataError, match="not on this machine"):
        read_captions("someone/others")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "\n", "holds no captions"),
        ("a.jsonl", "{", "Line 1 of .* is not JSON"),
        ("a.jsonl", "[]", "Line 1 of .* is no JSON object"),
        ("a.csv", "text\na room\n", "Line 2 of .* has no text"),
    ],
)
def test_what_is_no_caption_is_said(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        read_captions(tmp_path / name)
    with pytest.raises(DataError, match="cannot be read"):
        read_captions(tmp_path / "none.txt")
