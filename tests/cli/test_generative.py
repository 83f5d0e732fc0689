"""Pairs of triples from the command line, by tiny models with random weights."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.datagen.generative.conftest import (
    TRIPLES,
    clip_folder,  # noqa: F401
    control_folder,  # noqa: F401
    generate_folder,  # noqa: F401
)

from retouch.records.shards import count_records, read_records
from retouch.records.triple import save_triples

ANYTHING = ("--image-image", -1, "--caption-image", -1, "--directional", -1)


@pytest.fixture
def triples(tmp_path: Path) -> Path:
    save_triples(tmp_path / "triples.jsonl", TRIPLES)
    return tmp_path / "triples.jsonl"


@pytest.fixture
def words(triples: Path, generate_folder: Path, clip_folder: Path) -> tuple[object, ...]:  # noqa: F811
    return (
        "data", "pairs", "--triples", triples, "--model", generate_folder, "--encoder", clip_folder, *ANYTHING,
        "--candidates", 2, "--batch", 2, "--keep", 1, "--device", "cpu", "--precision", "float32",
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["attention-swap", "prompt-to-prompt", "controlnet"])
def test_pairs_are_made_of_triples_and_resumed(
    command: Command,
    words: tuple[object, ...],
    engine: str,
    control_folder: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    words = (*words, "--engine", engine, "--controlnet", control_folder, "--out", tmp_path / "out")
    ran = command(*words, "--count", 1)
    assert ran.code == 0, ran.err
    assert "holds 1 pairs of 1 triples, 1 of them new" in ran.out
    facts = json.loads(command(*words, "--json").out)
    assert (facts["pairs"], facts["units"], facts["made"], facts["empty"]) == (3, 3, 2, 0)
    assert facts["rejected"]["surplus"] == 3
    assert count_records(tmp_path / "out") == 3
    assert {record.engine for record in read_records(tmp_path / "out")} == {engine}
    assert json.loads(command(*words, "--json").out)["made"] == 0


def test_what_changes_nothing_comes_along(command: Command, words: tuple[object, ...], tmp_path: Path) -> None:
    words = (*words, "--engine", "attention-swap", "--null-share", 1, "--misleading-share", 0.2)
    ran = command(*words, "--out", tmp_path / "out", "--count", 1)
    assert ran.code == 0, ran.err
    kinds = [record.kind for record in read_records(tmp_path / "out", columns=("params",))]
    assert kinds[:2] == ["edit", "null"] and {*kinds[2:]} == {"misleading"}


def test_what_is_missing_is_named(command: Command, words: tuple[object, ...], triples: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    for arguments, code, said in (
        (("--engine", "attention-swap"), 2, "name their file with --triples"),
        (("--engine", "photos", "--triples", triples), 2, "writes its own captions"),
        (("--engine", "controlnet", "--triples", tmp_path / "none"), 6, "cannot be read"),
        (("--engine", "attention-swap", "--triples", triples, "--model", tmp_path / "none"), 4, "unknown"),
        (("--engine", "attention-swap", "--triples", triples, "--model", "pocket/none"), 4, "not in this installation"),
        (
            ("--engine", "attention-swap", "--triples", triples, "--encoder", "somebody/clip"),
            2,
            "leave the encoder out",
        ),
        (("--engine", "attention-swap", "--triples", triples, "--null-share", 2), 2, "null share is 2"),
    ):
        ran = command("data", "pairs", *arguments, *out)
        assert ran.code == code, ran.err
        assert said in ran.err and ran.err.count("\n") == 1
    ran = command(*words, *out, "--engine", "controlnet")
    assert ran.code == 2 and "needs a ControlNet made for" in ran.err
    ran = command(*words, *out, "--engine", "attention-swap", "--workers", -1)
    assert ran.code == 2 and "workers is -1" in ran.err
    assert not (tmp_path / "out").exists()
