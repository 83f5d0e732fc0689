"""Triples of the writer rooms are rendered as they were told; all others are refused in words."""

import importlib.util
import json
from pathlib import Path

import pytest

from retouch.core.errors import DataError
from retouch.datagen.sift import sift_pairs
from retouch.datagen.told_rooms import ToldRoomEngine, told_room_engine_factory
from retouch.datagen.triples import room_triples, save_told, told_again, told_rooms
from retouch.records.lines import json_lines
from retouch.records.shards import read_records
from retouch.records.triple import load_triples

MITSUBA = pytest.mark.skipif(
    importlib.util.find_spec("mitsuba") is None, reason="Mitsuba is not installed: pip install 'retouch[scenes]'."
)


def written(path: Path, count: int) -> Path:
    save_told(path, told_rooms(count, seed=3, split="bench"))
    return path


def test_a_line_names_its_room(tmp_path: Path) -> None:
    path = written(tmp_path / "triples.jsonl", 30)
    again = [told_again(content, where) for where, content in json_lines(path, form="an object")]
    assert again == list(told_rooms(30, seed=3, split="bench"))
    assert list(load_triples(path)) == list(room_triples(30, seed=3, split="bench"))
    assert {told.split for told in again} == {"bench"}


@MITSUBA
def test_pairs_have_the_words_of_their_triples(tmp_path: Path) -> None:
    factory = told_room_engine_factory(written(tmp_path / "triples.jsonl", 4), size=64)
    summary = sift_pairs(factory, out=tmp_path / "pairs")
    records = list(read_records(tmp_path / "pairs"))
    assert summary.pairs == len(records) == 4 - summary.empty
    told = {
        (one.source_caption, one.instruction, one.target_caption) for one in load_triples(tmp_path / "triples.jsonl")
    }
    for record in records:
        assert (record.source_caption, record.edit_prompt, record.target_caption) in told
        assert record.split == "bench"
        assert record.source_image != record.target_image
        assert record.mask is not None
    engine = factory()
    assert isinstance(engine, ToldRoomEngine)
    assert engine.make(0) == engine.make(0)


def test_other_triples_are_refused_in_words(tmp_path: Path) -> None:
    path = written(tmp_path / "triples.jsonl", 3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    def refused(said: str, *changed: object) -> None:
        path.write_text("".join(f"{json.dumps(line)}\n" for line in (lines[0], *changed)))
        with pytest.raises(DataError, match=said):
            told_room_engine_factory(path, size=64)

    texts = {name: lines[1][name] for name in ("caption", "edit", "output")}
    refused("Line 2 of .* is not of the writer rooms", texts)
    refused("Line 2 .* is not of the writer rooms", {**texts, "room": {"seed": 1, "split": "none", "number": 0}})
    refused("Line 2 .* is not of the writer rooms", {**texts, "room": {**lines[1]["room"], "number": 999}})
    refused("Line 2 of .* says something else", {**lines[1], "edit": "make it pink"})
    refused("Line 2 of .* has no text under edit", {**lines[1], "edit": ""})
    path.write_text("")
    with pytest.raises(DataError, match="holds no triples"):
        told_room_engine_factory(path, size=64)
