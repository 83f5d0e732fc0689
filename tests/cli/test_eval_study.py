"""`retouch eval calibrate`, `study`, `drift` and `diversity`, from words to what they leave."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.images import png_bytes
from retouch.evaluation.study.values import VOTES_FORMAT, read_key
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    def record(number: int) -> PairRecord:
        source, target, mask = (
            Image.new("RGB", (64, 64), "grey"),
            Image.new("RGB", (64, 64), "grey"),
            Image.new("L", (64, 64)),
        )
        target.paste("green", (16, 16, 48, 48))
        mask.paste(255, (16, 16, 48, 48))
        return PairRecord(
            id=f"case-{number}", source_image=png_bytes(source), target_image=png_bytes(target), edit_prompt="green it",
            source_caption="grey", target_caption="green", mask=png_bytes(mask), object_mask=png_bytes(mask),
            engine="squares", seed=number, params={"kind": "recolour"}, split="validation",
        )  # fmt: skip

    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        writer.write([record(number) for number in range(8)], first_unit=0, units=8)
    return tmp_path / "pairs"


def refused(ran, code: int, *words: str) -> None:
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    assert all(word in ran.err for word in words), ran.err


def test_calibration_from_the_command_line(command, pairs: Path, tiny_folder: Path, tmp_path: Path) -> None:
    words = ("eval", "calibrate", "-m", tiny_folder, "--pairs", pairs, "-o", tmp_path / "out", "--text-guidance", "2")
    ran = command(*words, "--steps", "1,2")
    assert ran.code == 0, ran.err
    assert ran.out.strip() == (tmp_path / "out" / "calibration.md").read_text().strip()
    told = json.loads(command(*words, "--steps", "1,2", "--json").out)
    assert len(told["points"]) == 3
    refused(command(*words, "--budget", 5), 2, "budget is 5")
    refused(command(*words, "--text-guidance", "much"), 2, "much")
    refused(command(*words, "--limit", 0), 2, "limit is 0")
    refused(command(*words, "--split", "bench"), 6, "bench")
    refused(command("eval", "calibrate", "-o", tmp_path / "out"), 2, "--pairs", "--bench")


def test_a_study_from_the_command_line(command, pairs: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(8):
            Image.new("RGB", (64, 64), "red").save(tmp_path / folder / f"case-{number}.png")
    words = ("eval", "study", "make", "--a", tmp_path / "a", "--b", tmp_path / "b", "--out", tmp_path / "s.html")
    ran = command(*words, "--pairs", pairs, "--split", "validation", "--limit", 4)
    assert ran.code == 0, ran.err
    assert "6 comparisons of 4 cases" in ran.out
    key = read_key(tmp_path / "s.key.json")
    votes = [{"code": trial.code, "question": 0, "choice": "same", "seconds": 1} for trial in key.trials]
    ballot = {"format": VOTES_FORMAT, "study": key.study, "rater": "r", "name": "Ann", "votes": votes}
    (tmp_path / "votes.json").write_text(json.dumps(ballot))
    counted = ("eval", "study", "count", tmp_path / "votes.json", "--key", tmp_path / "s.key.json")
    assert "| Ann | 6 of 6 |" in command(*counted).out
    assert json.loads(command(*counted, "--json").out)["tallies"][0]["even"] == 4
    refused(command(*counted, "--least-attention", 2), 2, "least-attention is 2")
    refused(command("eval", "study", "count", pairs / "none", "--key", tmp_path / "s.key.json"), 6, "none")
    refused(command(*words), 2, "--cases")
    refused(command(*words[:-1], tmp_path / "s.txt", "--pairs", pairs), 5, ".html")


def test_diversity_and_drift_from_the_command_line(command, pairs: Path, tiny_folder: Path, tmp_path: Path) -> None:
    words = (
        "eval",
        "diversity",
        "-m",
        tiny_folder,
        "--pairs",
        pairs,
        "-o",
        tmp_path / "out",
        "--limit",
        1,
        "--steps",
        1,
    )
    ran = command(*words, "--text-guidance", "1,2")
    assert ran.code == 0, ran.err
    assert ran.out.count("| 1 |") == 2
    refused(command(*words, "--seeds", 3), 2, "seeds is 3")
    refused(command("eval", "drift", "-m", tiny_folder, "-o", tmp_path / "d", "--length", 99), 2, "1 to 12")
    pytest.importorskip("mitsuba", reason="Mitsuba is not installed: pip install 'retouch[scenes]'.")
    ran = command(
        "eval",
        "drift",
        "-m",
        tiny_folder,
        "-o",
        tmp_path / "d",
        "--length",
        2,
        "--rooms",
        1,
        "--size",
        64,
        "--steps",
        1,
    )
    assert ran.code == 0, ran.err
    assert "| merged | 2 |" in ran.out
    assert np.asarray(Image.open(next((tmp_path / "d").rglob("room-*-merged-2.png")))).shape == (64, 64, 3)
