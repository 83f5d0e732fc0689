"""`retouch eval alignment` on a tiny model, from records to a report."""

import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.models.inserts import clip_folder, tiny_insert
from tests.training.test_insert import write_insertions

from retouch.models.insert import save_insert
from retouch.models.load import load


def test_the_command(command: Command, tiny_folder: Path, tiny_tokenizer, tmp_path: Path) -> None:
    insert = tiny_insert(load(tiny_folder), clip_folder(tiny_tokenizer, tmp_path / "clip"))
    model = save_insert(insert, tmp_path / "insert", base=str(tiny_folder))
    data, out = write_insertions(tmp_path / "records", "bench", 5), tmp_path / "out"
    ran = command("eval", "alignment", "--data", data, "-m", model, "--out", out, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["objects"], found["texts"]) == (4, 3)
    assert [line["mapper"] for line in found["lines"]] == ["insert", "insert"]
    assert json.loads((out / "report.json").read_text()) == found
    assert (out / "report.md").read_text().startswith("| 4 objects among 3 texts |")
    ran = command("eval", "alignment", "--data", data, "-m", model, "--split", "test")
    assert ran.code == 2
    assert "choose one of train, validation, bench" in ran.err
    ran = command("eval", "alignment", "--data", data, "-m", tiny_folder)
    assert ran.code != 0
    assert "is no adapter" in ran.err
