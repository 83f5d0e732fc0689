"""The other commands, each from its words to what it leaves: rooms, data, models, train, eval, doctor."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.cli.conftest import Command, Ran
from tests.training.conftest import write_squares

from retouch.records.shards import count_records


def expect_error(ran: Ran, code: int, said: str) -> None:
    assert ran.code == code, ran.err
    assert ran.err.startswith("error: ") and ran.err.count("\n") == 1
    assert said in ran.err


def test_rooms_render_is_deterministic(command: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        ran = command("rooms", "render", "--count", 2, "--size", 48, "--samples", 1, "-o", tmp_path / name, "--sheet")
        assert ran.code == 0, ran.err
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 3 and "sheet.png" in names
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    expect_error(command("rooms", "render", "--count", 0, "-o", tmp_path / "c"), 2, "at least 1 room")
    expect_error(command("rooms", "render", "--split", "all", "-o", tmp_path / "c"), 6, "split")
    assert not (tmp_path / "c").exists()


def make_pairs(command: Command, folder: Path, count: int) -> Ran:
    return command(
        "data", "pairs", "--engine", "rooms", "--split", "bench", "--size", 64, "--workers", 0, "--count", count,
        "-o", folder, "--json",
    )  # fmt: skip


def test_pairs_of_rooms_are_made_extended_and_shown(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    first = make_pairs(command, folder, 2)
    assert first.code == 0, first.err
    assert json.loads(first.out)["made"] == 2
    assert json.loads(make_pairs(command, folder, 3).out)["pairs"] == 3
    assert json.loads(make_pairs(command, folder, 3).out)["made"] == 0
    assert count_records(folder) == 3
    ran = command("data", "show", folder, "-o", tmp_path / "sheet.png", "--side", 64, "--columns", 2)
    assert ran.code == 0 and "3 pairs" in ran.out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 2 * (2 * 64 + 8 + 16)
    expect_error(command("data", "show", folder, "-o", tmp_path / "b.png", "--kind", "none"), 6, "no such pairs")
    expect_error(command("data", "show", tmp_path / "none", "-o", tmp_path / "b.png"), 6, "none")
    assert not (tmp_path / "b.png").exists()


def test_pairs_of_photographs_need_photographs(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = ("data", "pairs", "--engine", "photos", "-o", tmp_path / "out")
    expect_error(command(*words), 2, "--source")
    expect_error(command(*words, "--source", tmp_path / "none"), 6, "no folder")
    expect_error(command(*words, "--source", tmp_path / "empty"), 6, "no picture")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "dreams"], "dreams"),
        (["--split", "all"], "split"),
        (["--size", "7"], "size is 7"),
        (["--count", "0"], "count is 0"),
        (["--workers", "-1"], "workers is -1"),
    ],
)
def test_pairs_refuse_bad_settings(command: Command, tmp_path: Path, options: list[str], said: str) -> None:
    expect_error(command("data", "pairs", "-o", tmp_path / "out", *options), 2, said)
    assert not (tmp_path / "out").exists()


def test_pairs_are_filtered_and_a_preset_keeps_to_its_encoder(command: Command, tmp_path: Path) -> None:
    pairs = write_squares(tmp_path / "pairs", "train", 8)
    ran = command("data", "filter", pairs, "--out", tmp_path / "kept", "--json")
    assert ran.code == 0, ran.err
    facts = json.loads(ran.out)
    assert facts["pairs"] == 8
    assert facts["kept"] == count_records(tmp_path / "kept")
    ran = command("data", "filter", pairs, "--out", tmp_path / "other", "--encoder", "somebody/clip")
    expect_error(ran, 2, "was chosen for pocket/clip")
    expect_error(command("data", "filter", pairs, "--out", pairs), 6, "choose another folder")
    expect_error(command("data", "filter", tmp_path / "none", "--out", tmp_path / "other"), 6, "holds no records")


def test_triples_are_written_by_rooms_and_by_the_pocket_writer(command: Command, tmp_path: Path) -> None:
    ran = command("data", "write", "--count", 20, "--out", tmp_path / "rooms.jsonl", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["triples"] == 20 == len((tmp_path / "rooms.jsonl").read_text().splitlines())
    (tmp_path / "captions.txt").write_text("a living room with a green sofa\na study with a red chair\n")
    options = ("--writer", "pocket", "--captions", tmp_path / "captions.txt")
    ran = command("data", "write", *options, "--out", tmp_path / "pocket.jsonl", "--json")
    assert ran.code == 0, ran.err
    facts = json.loads(ran.out)
    assert facts["captions"] == 2 == facts["triples"] + sum(facts["rejected"].values())
    expect_error(command("data", "write", "--writer", "pocket", "--out", tmp_path / "a.jsonl"), 2, "needs captions")
    expect_error(command("data", "write", *options[2:], "--out", tmp_path / "a.jsonl"), 2, "makes its own captions")
    expect_error(command("data", "write", *options, "--sampling", "x", "--out", tmp_path / "a.jsonl"), 2, "unknown")


def test_models_are_listed_shown_and_verified(command: Command, tmp_path: Path, tiny_folder: Path) -> None:
    assert "timbrooks/instruct-pix2pix" in command("models", "list").out
    assert isinstance(json.loads(command("models", "list", "--json").out), list)
    shown = command("models", "show", tiny_folder)
    assert shown.code == 0 and "instruct" in shown.out and "native_size" in shown.out
    assert json.loads(command("models", "verify", tiny_folder, "--json").out)["sound"] is True
    assert "is sound" in command("models", "verify", tiny_folder).out
    broken = tmp_path / "broken"
    shutil.copytree(tiny_folder, broken)
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    expect_error(command("models", "verify", broken), 4, "unet")
    expect_error(command("models", "show", "no-such-model"), 4, "unknown")


def test_a_pickle_is_converted(command: Command, tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "net.ckpt")
    ran = command("models", "convert", tmp_path / "net.ckpt", tmp_path / "net.safetensors")
    assert ran.code == 0, ran.err
    assert (tmp_path / "net.safetensors").exists()
    expect_error(command("models", "convert", tmp_path / "none.ckpt", tmp_path / "x"), 4, "none.ckpt")


def test_a_dry_run_shows_what_a_push_would_send(command: Command, tmp_path: Path, tiny_folder: Path) -> None:
    words = ("models", "push", tiny_folder, "someone/small")
    ran = command(*words, "--dry-run")
    assert ran.code == 0, ran.err
    assert "unet/config.json" in ran.out and "someone/small" in ran.out and "none stated" in ran.out
    assert json.loads(command(*words, "--dry-run", "--json").out)["repository"] == "someone/small"
    expect_error(command(*words), 4, "HF_HUB_OFFLINE")
    expect_error(command("models", "push", tmp_path, "someone/small", "--dry-run"), 4, "no checkpoint")


def test_doctor_reports(command: Command) -> None:
    report = json.loads(command("doctor", "--json").out)
    assert report["extras"]["train"].startswith(("present", "missing"))
    assert report["devices"][0].startswith("cpu")
    assert "free_disk_gigabytes" in command("doctor").out


def test_doctor_says_what_it_could_not_keep(
    command: Command, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retouch.editing.measuring.is_installed", lambda: False)  # torch alone is measured sooner
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RETOUCH_CACHE", str(tmp_path / "file" / "cache"))
    words = ("doctor", "--bench", "--model", tiny_folder)
    ran, told = command(*words), command(*words, "--json")
    for each in (ran, told):
        assert each.code == 0 and "RETOUCH_CACHE" in each.err and str(tmp_path / "file" / "cache") in each.err
    assert "goes by" not in ran.out and "auto would take" in ran.out
    assert {each["kept"] for each in json.loads(told.out)} == {False}
    monkeypatch.setenv("RETOUCH_CACHE", str(tmp_path / "cache"))
    ran = command(*words)
    assert "goes by" in ran.out and "auto takes" in ran.out and "RETOUCH_CACHE" not in ran.err
    assert {each["kept"] for each in json.loads(command(*words, "--json").out)} == {True}


def test_a_subject_needs_pictures_and_a_name(command: Command, tmp_path: Path) -> None:
    words = ("train", "subject", "--pictures", tmp_path, "--out", tmp_path / "run")
    expect_error(command(*words), 2, "--name")
    expect_error(command(*words, "--name", "my chair"), 2, "lucky-chair")
    expect_error(command(*words, "--name", "chair", "--background", "blur"), 2, "auto, remove, keep")
    expect_error(command(*words, "--name", "chair"), 6, "0 pictures")
    expect_error(
        command("train", "vae", "--data", tmp_path, "--name", "chair", "--out", tmp_path / "run"), 2, "subject"
    )


def test_train_needs_a_recipe(command: Command, tmp_path: Path) -> None:
    expect_error(command("train", "--recipe", tmp_path / "none.py"), 2, "none.py")
    (tmp_path / "odd.py").write_text("def member(data, out):\n    return 3\n")
    words = ("train", "--recipe", tmp_path / "odd.py", "--out", tmp_path / "runs")
    expect_error(command(*words), 2, "int")
    expect_error(command(*words, "other"), 2, "other")


def test_a_bench_run_reports_every_contestant(command: Command, tmp_path: Path, tiny_folder: Path) -> None:
    assert make_pairs(command, tmp_path / "pairs", 2).code == 0
    words = ("eval", "run", "-m", tiny_folder, "--pairs", tmp_path / "pairs", "--limit", 2, "-o", tmp_path / "out")
    ran = command(*words, "--steps", 2)
    assert ran.code == 0, ran.err
    assert "source" in ran.out and "untrained" in ran.out
    assert (tmp_path / "out" / "report.md").read_text().strip() == ran.out.strip()
    assert isinstance(json.loads(command(*words, "--steps", 2, "--json").out), dict)


def test_a_bench_run_refuses_nonsense(command: Command, tmp_path: Path, tiny_folder: Path) -> None:
    words = ("eval", "run", "-m", tiny_folder, "-o", tmp_path / "out")
    expect_error(command(*words, "--bench", "dreams"), 2, "dreams")
    expect_error(command(*words, "--limit", 0), 2, "limit is 0")
    expect_error(command(*words, "--bench", "photos"), 2, "--source")


def test_the_material_judge_needs_pairs(command: Command, tmp_path: Path) -> None:
    words = ("eval", "materials", "--train", tmp_path / "none", "--held-out", tmp_path / "none")
    expect_error(command(*words, "-o", tmp_path / "judge.npz"), 6, "none")
    assert not (tmp_path / "judge.npz").exists()


def test_an_encoder_and_a_text_to_image_model_are_measured(
    command: Command, tmp_path: Path, make_tiny, tiny_tokenizer
) -> None:
    from retouch.models.clip import TINY_CLIP, random_clip, save_clip
    from retouch.models.save import save

    encoder = save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "clip")
    model = save(make_tiny(kind="generate"), tmp_path / "generate")
    assert make_pairs(command, tmp_path / "pairs", 3).code == 0
    words = ("eval", "retrieval", "-m", encoder, "--data", tmp_path / "pairs", "--split")
    ran = command(*words, "bench")
    assert ran.code == 0, ran.err
    assert "caption found for the picture" in ran.out
    expect_error(command(*words, "moon"), 2, "moon")
    words = (
        "eval",
        "generate",
        "-m",
        model,
        "--data",
        tmp_path / "pairs",
        "--encoder",
        encoder,
        "-o",
        tmp_path / "out",
    )
    ran = command(*words, "--choices", 2, "--limit", 3, "--steps", 1, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["pictures"] == 3
    expect_error(command(*words, "--choices", 5, "--limit", 3), 2, "choices is 5 and limit 3")
