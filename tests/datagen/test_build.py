"""From a domain to a data set: all stages on fakes, interrupted anywhere, and splits that share nothing."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from tests.datagen.fake_build import LENIENT, engine, stages, triples, whole_stages
from tests.datagen.fake_engine import FakeEngine

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.datagen.build import DATASET, KEPT, PAIRS, REPORT, STAGES, TRIPLES, build, facts
from retouch.datagen.splits import split_counts, split_triples
from retouch.datagen.thresholds import Thresholds
from retouch.records.lock import exclusive
from retouch.records.manifest import read_manifest
from retouch.records.shards import verify
from retouch.records.triple import load_triples, save_triples

ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_all_stages_lead_to_a_data_set_with_a_report(tmp_path: Path) -> None:
    heard: list[str] = []
    summary = build(
        stages(lambda out, _progress: save_triples(out, triples(4))),
        tmp_path / "out",
        on_stage=lambda stage: lambda *_: heard.append(stage),
    )
    assert (summary.paired.pairs, summary.filtered.kept, summary.kept_share) == (9, 9, 1.0)
    assert set(summary.seconds) == set(STAGES)
    assert heard[0] == "pair"
    assert len(list(load_triples(tmp_path / "out" / TRIPLES))) == 4
    assert summary.report.read_text().startswith("<!")
    assert (tmp_path / "out" / DATASET / "README.md").is_file()
    assert json.loads(json.dumps(facts(summary)))["kept"] == 9


def test_what_two_stages_turned_down_for_one_reason_is_added_up(tmp_path: Path) -> None:
    summary = build(stages(), tmp_path / "out")
    both = replace(
        summary,
        paired=replace(summary.paired, rejected={"directional": 2, "blank": 1}),
        filtered=replace(summary.filtered, rejected={"directional": 3}),
    )
    assert both.turned_down == {"directional": 5, "blank": 1}
    assert facts(both)["turned_down"] == both.turned_down


def test_an_interrupted_build_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    build(stages(), whole)
    for patience in range(1, 12):
        asked = iter(range(patience))
        try:
            build(stages(), broken, cancelled=lambda asked=asked: next(asked, None) is None)
        except Cancelled as stopped:
            assert "again to go on" in str(stopped)
        else:
            break
    assert contents(broken) == contents(whole)


def test_other_settings_and_nothing_that_passes_are_said(tmp_path: Path) -> None:
    build(stages(), tmp_path / "out")
    with pytest.raises(DataError, match="begun with other settings"):
        build(replace(stages(), settings={"domain": "another"}), tmp_path / "out")
    strict = replace(LENIENT, thresholds=Thresholds(image_image=1, caption_image=1, directional=1))
    with pytest.raises(DataError, match=r"None of the 9 pairs passes.*report.html"):
        build(replace(stages(), standards=strict), tmp_path / "strict")
    assert (tmp_path / "strict" / REPORT).is_file()
    assert not (tmp_path / "strict" / DATASET).exists()
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {PAIRS, KEPT, DATASET, REPORT}


def test_parts_are_the_engines_one_behind_the_other() -> None:
    parts = engine()
    assert (parts.name, parts.units) == ("fake", 5)
    made = [len(parts.make(unit).pairs) for unit in range(parts.units)]
    assert made == [2, 2, 2, 1, 2]
    assert parts.make(4).pairs == FakeEngine(seed=1).make(0)
    with pytest.raises(DataError, match="Unit 5"):
        parts.make(5)


def test_no_caption_is_in_two_splits() -> None:
    parted = split_triples(triples(200), seed=3)
    captions = {split: {one.source_caption for one in own} for split, own in parted.items()}
    assert {split: len(found) for split, found in captions.items()} == {"train": 90, "validation": 5, "bench": 5}
    assert not captions["train"] & captions["validation"] | captions["train"] & captions["bench"]
    assert sorted(map(str, chain.from_iterable(parted.values()))) == sorted(map(str, triples(200)))
    assert split_triples(triples(200), seed=3) == parted != split_triples(triples(200), seed=4)
    with pytest.raises(DataError, match="2 different captions"):
        split_triples(triples(4), seed=0)


def test_every_split_gets_something() -> None:
    assert split_counts(200) == {"train": 180, "validation": 10, "bench": 10}
    assert split_counts(3) == {"train": 1, "validation": 1, "bench": 1}
    with pytest.raises(SettingsError, match="at least 3"):
        split_counts(2)


@pytest.mark.slow
def test_killed_at_every_write_of_every_stage_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    build(whole_stages(), tmp_path / "whole")
    command = [sys.executable, "-m", "tests.datagen.fake_build", str(tmp_path)]
    program = subprocess.run(command, check=True, capture_output=True, timeout=600, cwd=ROOT)
    *killed, last = map(int, program.stdout.split())
    assert (set(killed), last) == ({-signal.SIGKILL}, 0)
    assert len(killed) > 30
    for step in range(1, len(killed) + 1):
        out = tmp_path / str(step)
        for folder in (out / PAIRS, out / KEPT):
            if read_manifest(folder) is not None:
                verify(folder)
        build(whole_stages(), out)
        assert contents(out) == contents(tmp_path / "whole"), step


def test_a_second_build_of_one_folder_is_refused(tmp_path: Path) -> None:
    with exclusive(tmp_path / "out"), pytest.raises(DataError, match="Another run is writing"):
        build(stages(), tmp_path / "out")
