"""Triples as prompts, lines and records, and the rejection of what is none."""

from pathlib import Path

import pytest

from retouch.core.errors import DataError
from retouch.records.shards import open_writer
from retouch.records.triple import (
    Reject,
    Triple,
    load_triples,
    parse_completion,
    save_triples,
    to_completion,
    to_prompt,
    to_text,
    triples_of_records,
    write_triples,
)

TRIPLE = Triple(source_caption="a red chair", instruction="make it blue", target_caption="a blue chair")


def test_the_text_is_that_of_instruct_pix2pix() -> None:
    assert to_text(TRIPLE) == "a red chair\n##\nmake it blue\n%%\na blue chair\nEND"
    assert to_text(TRIPLE) == to_prompt(TRIPLE.source_caption) + to_completion(TRIPLE)


def test_a_completion_is_read_up_to_its_end() -> None:
    assert parse_completion("a red chair", to_completion(TRIPLE) + "\n##\nand more\n%%\n") == TRIPLE


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("make it blue\nEND", "parts"),
        ("make it blue\n%%\na blue chair\n%%\nagain\nEND", "parts"),
        ("\n%%\na blue chair\nEND", "empty"),
        ("make it blue\n%%\n \nEND", "empty"),
        ("make it red\n%%\nA red chair!\nEND", "unchanged"),
        ("make it blue\n%%\na blue ch", "unfinished"),
    ],
)
def test_what_is_no_triple_is_rejected_with_its_reason(completion: str, reason: str) -> None:
    answer = parse_completion("a red chair", completion)
    assert isinstance(answer, Reject)
    assert (answer.reason, answer.completion, answer.source_caption) == (reason, completion, "a red chair")


def test_a_language_model_is_asked_with_prompts_and_read_in_order() -> None:
    def answers(prompts: list[str]) -> list[str]:
        assert prompts == ["a red chair\n##\n", "a lamp\n##\n"]
        return [to_completion(TRIPLE), "nothing"]

    made = write_triples(["a red chair", "a lamp"], answers)  # type: ignore[arg-type]
    assert made[0] == TRIPLE
    assert isinstance(made[1], Reject)


@pytest.mark.parametrize(
    "line",
    [
        '{"caption": "a red chair", "edit": "make it blue", "output": "a blue chair"}',
        '{"input": "a red chair", "edit": "make it blue", "output": "a blue chair", "more": 1}',
        '{"source_caption": " a red chair", "edit_prompt": "make it blue", "target_caption": "a blue chair "}',
    ],
)
def test_lines_are_read_under_every_known_key(line: str, tmp_path: Path) -> None:
    (tmp_path / "triples.jsonl").write_text(f"{line}\n\n")
    assert list(load_triples(tmp_path / "triples.jsonl")) == [TRIPLE]


def test_lines_are_written_as_they_are_read(tmp_path: Path) -> None:
    assert save_triples(tmp_path / "new" / "triples.jsonl", [TRIPLE, TRIPLE]) == 2
    assert list(load_triples(tmp_path / "new" / "triples.jsonl")) == [TRIPLE, TRIPLE]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2 of .* is not JSON"),
        ("[1]", "no JSON object"),
        ('{"caption": "a", "edit": "b"}', "no text under output or target_caption"),
        ('{"caption": "a", "edit": " ", "output": "c"}', "no text under edit"),
    ],
)
def test_a_line_that_is_no_triple_is_named(line: str, said: str, tmp_path: Path) -> None:
    save_triples(tmp_path / "triples.jsonl", [TRIPLE])
    with (tmp_path / "triples.jsonl").open("a") as lines:
        lines.write(line)
    with pytest.raises(DataError, match=said):
        list(load_triples(tmp_path / "triples.jsonl"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.jsonl cannot be read \(No such file"):
        list(load_triples(tmp_path / "none.jsonl"))


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(DataError, match="empty instruction"):
        Triple(source_caption="a", instruction=" ", target_caption="b")


def test_pair_records_give_triples_but_for_those_that_change_nothing(record, tmp_path: Path) -> None:
    still = record(id="fake-1", target_caption="A navy square.")
    silent = record(id="fake-2", target_caption="")
    other = record(id="fake-3", split="validation", edit_prompt="paint it brown")
    with open_writer(tmp_path, engine="fake", settings={}) as writer:
        writer.write([record(), still, silent, other], first_unit=0, units=4)
    made = [triple.instruction for triple in triples_of_records(tmp_path)]
    assert made == ["make it brown", "paint it brown"]
    assert [triple.instruction for triple in triples_of_records(tmp_path, split="train")] == ["make it brown"]
