"""`retouch data`: in, out, to the hub, and to a report, from the words to what they leave."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.datagen import published
from tests.training.conftest import write_squares

from retouch.records.manifest import read_manifest
from retouch.records.shards import count_records, verify


def test_pairs_go_out_and_come_in(command: Command, tmp_path: Path) -> None:
    pairs = write_squares(tmp_path / "pairs", "train", 4)
    ran = command("data", "export", pairs, "-o", tmp_path / "out", "--layout", "diffusers", "--license", "cc0-1.0")
    assert (ran.code, ran.out) == (0, f"Wrote 4 pairs to {tmp_path / 'out'}\n")
    assert "license: cc0-1.0" in (tmp_path / "out" / "README.md").read_text()
    words = ("data", "import", tmp_path / "out", "-o", tmp_path / "back", "--layout", "diffusers", "--json")
    facts = json.loads(command(*words).out)
    assert (facts["pairs"], facts["skipped"], count_records(tmp_path / "back")) == (4, {}, 4)
    ran = command("data", "export", pairs, "-o", tmp_path / "out")
    assert ran.code == 5 and "is not empty" in ran.err


def test_an_import_is_told_about_its_source(command: Command, tmp_path: Path) -> None:
    source, masks = published.pipe(tmp_path)
    words = ("data", "import", source, "--layout", "pipe", "--masks", masks, "--reference")
    ran = command(*words, "crop", "-o", tmp_path / "out", "--column", "instruction=Instruction_Class", "--limit", 3)
    assert ran.code == 0, ran.err
    assert ran.out.endswith("3 pairs, 3 of them new; rows left out: none\n")
    for options, said in (
        (("dreams", "-o", tmp_path / "b"), "choose cut-out or crop"),
        (("crop", "-o", tmp_path / "b", "--column", "source"), "expected FIELD=NAME"),
        (("crop", "-o", tmp_path / "b", "--column", "picture=a"), "cannot be given for 'picture'"),
        (("crop", "-o", tmp_path / "b", "--on-error", "cry"), "choose stop or skip"),
    ):
        ran = command(*words, *options)
        assert ran.code == 2 and said in ran.err


def test_a_dry_run_shows_what_a_push_would_send(command: Command, tmp_path: Path) -> None:
    pairs = write_squares(tmp_path / "pairs", "train", 4)
    words = ("data", "push", pairs, "someone/squares")
    ran = command(*words, "--dry-run")
    assert ran.code == 0, ran.err
    assert "data/train-00000.parquet" in ran.out and "none stated" in ran.out
    ran = command(*words, "--dry-run", "--json", "--layout", "webdataset")
    assert json.loads(ran.out)["files"][1]["path"] == "data/train-00000.tar"
    ran = command(*words)
    assert ran.code == 6 and "HF_HUB_OFFLINE is set" in ran.err


def test_what_a_filter_leaves_is_reported(command: Command, tmp_path: Path) -> None:
    pairs = write_squares(tmp_path / "pairs", "train", 8)
    words = ("data", "filter", pairs, "-o", tmp_path / "kept", "--near-duplicates", 2, "--minimum-change", 0.5)
    facts = json.loads(command(*words, "--json").out)
    assert (facts["pairs"], facts["kept"], sum(facts["rejected"].values())) == (8, 0, 8)
    ran = command("data", "report", tmp_path / "kept", "-o", tmp_path / "report.html", "--title", "Squares")
    assert (ran.code, ran.out) == (0, f"Wrote {tmp_path / 'report.html'}\n")
    assert "<h1>Squares</h1>" in (tmp_path / "report.html").read_text()
    ran = command("data", "report", tmp_path / "kept", "-o", tmp_path / "report.txt")
    assert ran.code == 5 and "must end in .html" in ran.err
    ran = command("data", "filter", pairs, "-o", tmp_path / "b", "--near-duplicates", 99)
    assert ran.code == 2 and "near-duplicates is 99" in ran.err


@pytest.mark.parametrize("workers", [0, 1])
def test_ctrl_c_ends_a_run_of_pairs_in_good_order(workers: int, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    words = ["data", "pairs", "--count", "2000", "--size", "32", "--workers", str(workers), "--out", str(out)]
    program = subprocess.Popen([sys.executable, "-m", "retouch", *words], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 300
    while ((manifest := read_manifest(out)) is None or not manifest.rows) and time.monotonic() < end:
        time.sleep(0.1)
    os.kill(program.pid, signal.SIGINT)
    _, trouble = program.communicate(timeout=120)
    assert program.returncode == 130
    assert "press Ctrl-C again" in trouble
    assert f"error: Stopped: {verify(out)} of 2000 pairs are saved" in trouble
