"""From a domain to a data set: all stages on fakes, interrupted anywhere, and splits that share nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from tests.datagen.fake_engine import FakeEngine

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.datagen.build import DATASET, KEPT, PAIRS, REPORT, STAGES, TRIPLES, Sieve, Stages, build, facts
from retouch.datagen.engine import SiftingEngine
from retouch.datagen.parts import Exact, Parts
from retouch.datagen.splits import split_counts, split_triples
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import Encoder
from retouch.models.clip import load_clip
from retouch.records.triple import Triple, load_triples, save_triples

LENIENT = Sieve(
    encoder=lambda: Encoder(load_clip("pocket/clip")),
    thresholds=Thresholds(image_image=-1, caption_image=-1, directional=-1),
)


def engine() -> SiftingEngine:
    return Parts(engines=[Exact(engine=FakeEngine(seed=0), pairs=7), Exact(engine=FakeEngine(seed=1), pairs=2)])


def triples(count: int) -> list[Triple]:
    return [
        Triple(source_caption=f"a room {number // 2}", instruction=f"edit {number}", target_caption=f"a hall {number}")
        for number in range(count)
    ]


def stages(write: Callable[[Path, Callable[[int, int], None]], object] | None = None) -> Stages:
    return Stages(settings={"domain": "fake"}, write=write, engine=lambda: engine, sieve=LENIENT, title="fakes")


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
        build(replace(stages(), sieve=strict), tmp_path / "strict")
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
