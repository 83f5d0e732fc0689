"""`retouch eval writer`: from a folder to a report, and what it refuses."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from retouch.models.fresh_writer import WriterShape, fresh_writer

    shape = WriterShape(vocabulary=300, width=16, inner=32, layers=2, heads=2)
    made = fresh_writer(["a red chair"], marks=("\n##\n", "\n%%\n", "\nEND"), shape=shape, seed=0)
    out = tmp_path_factory.mktemp("writer")
    made.model.save_pretrained(out)
    made.tokenizer.save_pretrained(out)
    return out


def test_it_reports_and_repeats_itself(command: Command, folder: Path, tmp_path: Path) -> None:
    words = ("eval", "writer", "-m", folder, "--count", 2, "--sampling", "conti", "--temperature", 1, "--json")
    first = command(*words, "-o", tmp_path / "a")
    assert first.code == 0, first.err
    assert json.loads(first.out)["count"] == 2
    command(*words, "-o", tmp_path / "b")
    names = ("triples.jsonl", "report.json", "report.md")
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--count", 0), (2, "count is 0")),
        (("--sampling", "greedy"), (2, "choose brooks or conti")),
        (("--top-p", 2), (2, "top_p is 2")),
        (("-m", "nobody/nothing"), (4, "is no folder")),
    ],
)
def test_it_refuses_in_one_sentence(
    words: tuple[object, ...], expected: tuple[int, str], command: Command, folder: Path, tmp_path: Path
) -> None:
    code, said = expected
    ran = command("eval", "writer", "-m", folder, "-o", tmp_path / "out", *words)
    assert ran.code == code, ran.err
    assert ran.err.startswith("error: ") and ran.err.count("\n") == 1 and said in ran.err
    assert not (tmp_path / "out").exists()
