"""`retouch eval benches` on rooms rendered here, as few as tell that the published ones come back."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.evaluation.benchmarks import published

from retouch.evaluation.benchmarks.named import BENCHES
from retouch.evaluation.benchmarks.rooms import VARIANT, VERSION
from retouch.scenes.render import variant
from retouch.scenes.render.variant import SCALAR, available_variant


def test_the_list(command: Command) -> None:
    ran = command("eval", "benches", "list")
    assert ran.code == 0, ran.err
    assert all(name in ran.out for name in (*BENCHES, "records:FOLDER"))
    found = json.loads(command("eval", "benches", "list", "--json").out)
    assert list(found) == list(BENCHES)
    assert found["magicbrush"]["metrics"][0] == "l1"


def test_rooms_rendered_here_are_the_published_ones(command: Command, tmp_path: Path) -> None:
    if available_variant() != VARIANT:
        pytest.skip("no LLVM that Mitsuba's vectorised variant works with")
    folder = tmp_path / "rooms"
    ran = command("eval", "benches", "make", "rooms", "--count", 1, "--workers", 0, "-o", folder, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["cases"], found["of"], found["version"]) == (1, 1000, VERSION)
    assert found["agreement"] in ("the same pixels", "within 1/255")
    ran = command("eval", "benches", "make", "rooms", "--count", 2, "--workers", 0, "-o", folder)
    assert ran.code == 0, ran.err
    assert "2 of 1000 cases are rendered and all are what was published" in ran.out
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    assert command("eval", "benches", "make", "rooms", "--count", 2, "-o", folder).code == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")} == before
    ran = command("eval", "benches", "check", folder)
    assert ran.code == 0 and ("the same pixels" in ran.out or "within a mean of 1/255" in ran.out)


def test_rooms_of_another_variant_are_not_rendered(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant, "available_variant", lambda: SCALAR)
    ran = command("eval", "benches", "make", "rooms", "--count", 1, "--workers", 0, "-o", tmp_path / "rooms")
    assert ran.code == 8 and "LLVM 19" in ran.err
    assert not (tmp_path / "rooms").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("make", "photos"), 2, "only rooms is"),
        (("make", "rooms", "--count", 0), 2, "at least 1"),
        (("make", "rooms", "--count", 1, "--workers", -1), 2, "workers"),
        (("check", "nowhere"), 6, "no folder 'nowhere'"),
    ],
)
def test_wrong_use_is_told(command: Command, arguments: tuple[object, ...], code: int, told: str, tmp_path) -> None:
    extra = ("-o", tmp_path / "rooms") if arguments[0] == "make" else ()
    ran = command("eval", "benches", *arguments, *extra)
    assert ran.code == code and told in ran.err and "Traceback" not in ran.err


def test_a_folder_of_other_records_is_refused(command: Command, tmp_path: Path) -> None:
    folder = published.records(tmp_path / "own", [published.record(0)])
    ran = command("eval", "benches", "check", folder)
    assert ran.code == 6 and "case rooms-bench-0-000000-00" in ran.err
    ran = command("eval", "benches", "make", "rooms", "--count", 2, "--workers", 0, "-o", folder)
    assert ran.code == (6 if available_variant() == VARIANT else 8)


def test_a_folder_without_records_is_refused(command: Command, tmp_path: Path) -> None:
    ran = command("eval", "benches", "check", tmp_path)
    assert ran.code == 6 and "holds no case of RoomsBench" in ran.err
