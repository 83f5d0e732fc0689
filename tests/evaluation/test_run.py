"""An evaluation with contestants whose verdicts are known beforehand, and one with a real tiny editor."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.images import png_bytes
from retouch.core.settings import EditSettings
from retouch.evaluation.bench import Field, contestants
from retouch.evaluation.benchmarks.records import RecordsBench
from retouch.evaluation.contestants import Contestant, Edits, ReturnsSource, ReturnsTarget
from retouch.evaluation.likeness import Likenesses
from retouch.evaluation.measures import Column, Scored
from retouch.evaluation.report import Summary
from retouch.evaluation.results import Results, read_results
from retouch.evaluation.run import Plan, evaluate, summary_of
from retouch.evaluation.verdicts import Verdicts
from retouch.evaluation.wholes import SetMeasure
from retouch.metrics.clip import Encoder
from retouch.metrics.metric import Part, Sample
from retouch.metrics.protocol import protocol_id
from retouch.metrics.registry import load_metrics, load_set_metrics
from retouch.models.clip import load_clip
from retouch.records.lock import exclusive
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

GREY, GREEN, RED = (120, 110, 100), (46, 140, 60), (190, 30, 35)


def picture(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (64, 64), GREY)
    image.paste(colour, (16, 16, 48, 48))
    return image


def region() -> bytes:
    image = Image.new("L", (64, 64))
    image.paste(255, (16, 16, 48, 48))
    return png_bytes(image)


def record(number: int, kind: str) -> PairRecord:
    target = picture(RED) if kind == "null" else picture(GREY if kind == "remove" else GREEN)
    return PairRecord(
        id=f"case-{number}",
        source_image=png_bytes(picture(RED)),
        target_image=png_bytes(target),
        edit_prompt="make the square green",
        source_caption="a red square",
        target_caption="a red square" if kind == "null" else "a green square",
        mask=None if kind == "null" else region(),
        object_mask=None if kind == "null" else region(),
        engine="squares",
        seed=number,
        params={"kind": kind},
        split="bench",
    )


def write(folder: Path, kinds: tuple[str, ...]) -> Path:
    with open_writer(folder, engine="squares", settings={}) as writer:
        writer.write([record(number, kind) for number, kind in enumerate(kinds)], first_unit=0, units=len(kinds))
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write(tmp_path / "pairs", ("recolour", "remove", "null", "light", "unheard-of"))


def plan(folder: Path, *, encoder: Encoder | None = None, **changes: object) -> Plan:
    judged = Verdicts(materials=None, encoder=encoder)
    bare = Plan(bench=RecordsBench(folder=folder, name="squares"), measures=(judged,))
    return replace(bare, **changes)  # type: ignore[arg-type]


def edits(name: str, edit: Callable[[Image.Image, str, int], Image.Image], **more: object) -> Contestant:
    return Edits(name=name, edit=edit, identity={"weights": name}, **more)  # type: ignore[arg-type]


def answer_green(image: Image.Image, instruction: str, seed: int) -> Image.Image:
    return picture(GREEN)


def shares(summary: Summary) -> dict[str, dict[str, float]]:
    return {score.contestant: {line.kind: line.success for line in score.lines} for score in summary.scores}


def test_perfect_idle_and_wrong_answers_are_told_apart(pairs: Path, tmp_path: Path) -> None:
    field = [ReturnsSource(), ReturnsTarget(), edits("green", answer_green)]
    results = evaluate(field, plan(pairs), tmp_path / "out")
    summary = summary_of(results, plan(pairs))
    assert shares(summary) == {
        "target": {"recolour": 1, "remove": 1, "light": 1, "null": 1},
        "source": {"recolour": 0, "remove": 0, "light": 0, "null": 1},
        "green": {"recolour": 1, "remove": 1, "light": 1, "null": 0},
    }
    assert summary.scores[0].psnr_outside == 99.0
    table = (tmp_path / "out" / "report.md").read_text()
    assert "| recolour |" in table
    assert "100.0% of 1" in table
    assert read_results(tmp_path / "out") == results
    assert json.loads((tmp_path / "out" / "report.json").read_text())["scores"][0]["contestant"] == "source"


class Counter:
    """An editor that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, image: Image.Image, instruction: str, seed: int) -> Image.Image:
        self.asked.append((instruction, seed))
        return picture((46, 140 + seed, 60))


def test_an_interrupted_evaluation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = write(tmp_path / "pairs", ("recolour", "remove", "null"))
    counter, stops = Counter(), iter([False, False, True])
    with pytest.raises(Cancelled, match="after 2 of 3"):
        evaluate([edits("green", counter)], plan(folder), tmp_path / "out", cancelled=lambda: next(stops))
    assert not (tmp_path / "out" / "results.json").exists()
    # All three have one source and one instruction: it is the same answer.
    evaluate([edits("green", counter)], plan(folder), tmp_path / "out")
    assert len(counter.asked) == 1
    evaluate([edits("green", counter)], plan(folder, seeds=(0, 1)), tmp_path / "out")
    assert [seed for _, seed in counter.asked] == [0, 1]


def test_another_metric_and_another_name_ask_for_no_other_edit(pairs: Path, tmp_path: Path) -> None:
    counter = Counter()
    contestant = Edits(name="one", edit=counter, identity={"weights": "w"})
    first = evaluate([contestant], plan(pairs), tmp_path / "out")
    metrics = tuple(Scored(metric=metric) for metric in load_metrics(("l1", "psnr")))
    judged = plan(pairs).measures
    second = evaluate([replace(contestant, name="two")], plan(pairs, measures=(*judged, *metrics)), tmp_path / "out")
    assert len(counter.asked) == 1
    assert [row.answer for row in first.rows] == [row.answer for row in second.rows]
    assert "l1" not in first.rows[0].values
    assert "l1" in second.rows[0].values
    other = Edits(name="one", edit=counter, identity={"weights": "other"})
    evaluate([other], plan(pairs), tmp_path / "out")
    assert len(counter.asked) == 2


def test_values_are_measured_once(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate([edits("green", answer_green)], plan(pairs), tmp_path / "out")
    lines = (tmp_path / "out" / "values.jsonl").read_text()
    again = evaluate([edits("green", answer_green)], plan(pairs), tmp_path / "out")
    assert (tmp_path / "out" / "values.jsonl").read_text() == lines
    assert again == first


KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_run import answer_green, edits, plan
    from retouch.evaluation.run import evaluate

    def edit(image, instruction, seed):
        if seed == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer_green(image, instruction, seed)

    evaluate([edits("green", edit)], plan(Path({pairs!r}), seeds=(0, 1, 2, 3, 4)), Path({out!r}))
"""


def test_a_killed_run_repeats_nothing_and_leaves_nothing_half_written(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = KILLED.format(tests=str(Path(__file__).parent), pairs=str(pairs), out=str(out))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    kept = sorted((out / "answers").iterdir())
    assert len(kept) == 3
    assert all(Image.open(path).size == (64, 64) for path in kept)
    # What a kill in the middle of writing would leave.
    (out / "answers" / ".torn.png.0000.tmp").write_bytes(b"half")
    with (out / "answers.jsonl").open("a") as index, (out / "values.jsonl").open("a") as values:
        index.write('{"key": "to')
        values.write('{"key":"x","val')
    counter = Counter()
    evaluate([edits("green", counter)], plan(pairs, seeds=(0, 1, 2, 3, 4)), out)
    assert [seed for _, seed in counter.asked] == [3, 4]
    assert len(list((out / "answers").iterdir())) == 5
    assert all(json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines())


def test_two_runs_at_once_are_refused(pairs: Path, tmp_path: Path) -> None:
    with exclusive(tmp_path / "out"), pytest.raises(DataError, match="Another run is writing"):
        evaluate([ReturnsSource()], plan(pairs), tmp_path / "out")


def test_a_damaged_answer_is_named(pairs: Path, tmp_path: Path) -> None:
    evaluate([edits("green", answer_green)], plan(pairs), tmp_path / "out")
    place = next((tmp_path / "out" / "answers").iterdir())
    place.write_bytes(place.read_bytes()[:40])
    with pytest.raises(DataError, match=r"\.png is damaged"):
        evaluate([edits("green", answer_green)], plan(pairs), tmp_path / "out")


def test_what_cannot_be_measured_is_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="limit is 0"):
        plan(pairs, limit=0)
    with pytest.raises(SettingsError, match="none twice"):
        plan(pairs, seeds=(1, 1))
    with pytest.raises(DataError, match="Two contestants"):
        evaluate([ReturnsSource(), ReturnsSource()], plan(pairs), tmp_path / "out")
    with pytest.raises(DataError, match="no case to anybody"):
        evaluate([], plan(pairs), tmp_path / "out")
    with pytest.raises(DataError, match="expected"):
        # A contestant that answers in another size than `Edits` lets through.
        small = ReturnsTarget(name="small", identity={"returns": "small"}, through=lambda source: source[:8])
        evaluate([small], plan(pairs), tmp_path / "out")


def test_a_contestants_limit_is_kept(pairs: Path, tmp_path: Path) -> None:
    results = evaluate([edits("few", answer_green, limit=1)], plan(pairs), tmp_path / "out")
    assert [line.count for line in summary_of(results, plan(pairs)).scores[0].lines] == [1]


def run_tiny(folder: Path, pairs: Path, out: Path, **changes: object) -> Results:
    field = Field(models=(str(folder),), settings=EditSettings(steps=1), device="cpu", precision="float32")
    return evaluate(contestants(replace(field, **changes)), plan(pairs), out)  # type: ignore[arg-type]


def test_a_real_editor_is_set_beside_its_baselines(pairs: Path, tmp_path: Path, tiny_folder: Path) -> None:
    results = run_tiny(tiny_folder, pairs, tmp_path / "out")
    assert [entrant.name for entrant in results.entrants] == ["source", "round-trip", "untrained", "tiny"]
    assert [entrant.baseline for entrant in results.entrants] == [True, True, True, False]
    assert results.entrants[-1].settings["steps"] == 1
    assert len({row.answer for row in results.rows if row.model == "tiny"}) == 1
    again = run_tiny(tiny_folder, pairs, tmp_path / "again")
    assert [row.answer for row in again.rows] == [row.answer for row in results.rows]
    for one, other in zip(
        sorted(tmp_path.glob("out/answers/*")), sorted(tmp_path.glob("again/answers/*")), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


def test_guidance_is_swept_over(pairs: Path, tmp_path: Path, tiny_folder: Path) -> None:
    results = run_tiny(tiny_folder, pairs, tmp_path / "out", image_guidance=(1.0, 1.5), usual=False)
    assert [entrant.name for entrant in results.entrants] == ["tiny s_I=1", "tiny s_I=1.5"]
    assert {entrant.line for entrant in results.entrants} == {"tiny"}
    assert [entrant.settings["image_guidance"] for entrant in results.entrants] == [1.0, 1.5]
    assert len({row.answer for row in results.rows}) == 2


def test_additions_are_judged_by_what_clip_sees_and_by_what_changed(tmp_path: Path) -> None:
    folder = write(tmp_path / "pairs", ("add",))
    slightly = np.asarray(picture(RED)) + np.array([0, 6, 0])
    answers = {
        "added": picture(GREEN),
        "touched": Image.fromarray(slightly.astype(np.uint8)),
        "noise": Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)),
    }
    field = [edits(name, lambda *_, picture=picture: picture) for name, picture in answers.items()]
    judged = plan(folder, encoder=Encoder(load_clip("pocket/clip")))
    judged = replace(judged, measures=(Verdicts(materials=None, encoder=Encoder(load_clip("pocket/clip"))),))
    summary = summary_of(evaluate(field, judged, tmp_path / "out"), judged)
    assert {score.contestant: score.lines[0].success for score in summary.scores} == {
        "added": 1,
        "touched": 0,
        "noise": 0,
    }
    assert "by CLIP" in (tmp_path / "out" / "report.md").read_text()


def test_the_report_tells_how_alike_outputs_sources_and_captions_are(pairs: Path, tmp_path: Path) -> None:
    encoder = Encoder(load_clip("pocket/clip"))
    seen = plan(pairs, measures=(Likenesses(encoder=encoder),))
    results = evaluate([ReturnsSource(), ReturnsTarget()], seen, tmp_path / "out")
    source, ideal = summary_of(results, seen).likenesses
    assert (source.contestant, source.count, ideal.count) == ("source", 4, 4)
    assert source.image == pytest.approx(1, abs=1e-4)
    assert source.patches == pytest.approx(1, abs=1e-4)
    assert source.directional == 0
    assert ideal.image < 0.999
    assert ideal.directional != 0
    report = (tmp_path / "out" / "report.md").read_text()
    assert "| source | 4 | 100.00 | 0.000 |" in report
    assert encoder.patch_protocol in report


def test_sets_are_measured_as_a_whole_and_single_edits_one_by_one(pairs: Path, tmp_path: Path) -> None:
    whole = SetMeasure.of(lambda: load_set_metrics(("frechet",))[0])
    single = tuple(Scored(metric=metric) for metric in load_metrics(("l1", "psnr-inside")))
    results = evaluate(
        [ReturnsSource(), ReturnsTarget()], plan(pairs, measures=single, wholes=(whole,)), tmp_path / "out"
    )
    values = {whole.model: whole.value for whole in results.wholes}
    assert set(values) == {"source", "target"}
    assert values["target"] == pytest.approx(0, abs=1e-3)
    assert values["source"] > values["target"]
    inside = {row.case for row in results.rows if "psnr-inside" in row.values}
    # A null edit tells no region.
    assert inside == {"case-0", "case-1", "case-3", "case-4"}


def test_a_set_is_measured_once_while_nothing_of_it_changes(pairs: Path, tmp_path: Path) -> None:
    taken: list[int] = []

    class Counting:
        name = "count"
        better: Literal["higher", "lower"] = "higher"
        needs: frozenset[Part] = frozenset()
        protocol = protocol_id("count", encoder="none", resize="none", pixels="none", scaling="none")

        def __init__(self) -> None:
            self._count = 0

        def update(self, samples: Sequence[Sample]) -> None:
            taken.append(len(samples))
            self._count += len(samples)

        def value(self) -> float:
            return self._count

    def counted(*entered: Contestant, **changed: object) -> list[float]:
        whole = SetMeasure(make=Counting, column=Column(name="count", protocol=Counting.protocol, better="higher"))
        of = replace(plan(pairs, wholes=(whole,)), **changed)  # type: ignore[arg-type]
        return [each.value for each in evaluate(entered, of, tmp_path / "out").wholes]

    assert counted(ReturnsSource()) == [5]
    assert counted(ReturnsSource()) == [5]
    assert sum(taken) == 5
    assert counted(ReturnsSource(), ReturnsTarget()) == [5, 5]
    assert sum(taken) == 10
    assert counted(ReturnsSource(), limit=2) == [2]
    assert counted(ReturnsSource(), seeds=(0, 1)) == [10]
    assert sum(taken) == 22
