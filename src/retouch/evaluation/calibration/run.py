"""Calibrate an editor: search on the tuning half, then measure the suggestion beside the defaults on the test half."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.errors import Cancelled
from retouch.core.files import atomic_write
from retouch.core.settings import EditSettings
from retouch.editing.protocol import InstructionEditor
from retouch.evaluation.answers import case_digest
from retouch.evaluation.benchmark import BenchCase, Picture
from retouch.evaluation.calibration.cases import halves
from retouch.evaluation.calibration.halving import cost, halve, within_budget
from retouch.evaluation.calibration.objectives import Objective
from retouch.evaluation.calibration.pareto import front, suggest
from retouch.evaluation.calibration.report import Calibration, TestLine, chart_of, report_json
from retouch.evaluation.calibration.scores import ScoreBook
from retouch.evaluation.calibration.values import Grid, Score, Setting, default_setting, mean_point
from retouch.evaluation.reporting.statistics import paired_test
from retouch.records.lock import exclusive


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is tried and how long.

    model: what the model is called, its weights included; scores are taken up again under the same name alone.
    cases: what the cases are called in the report.
    budget: edits at the most, both halves together; None as many as halving takes.
    seed: of every edit and of the division into halves.
    may_lose: how much of what the defaults keep may be given up, in the unit of `keeps`.
    """

    model: str
    cases: str
    grid: Grid
    budget: int | None = None
    seed: int = 0
    may_lose: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Told of every edit, and asked before each whether to go on."""

    on_progress: Callable[[int, int, str], None] = lambda *_: None
    cancelled: Callable[[], bool] = lambda: False


def calibrate(
    editor: InstructionEditor,
    cases: Sequence[BenchCase],
    out: Path,
    *,
    plan: Plan,
    follows: Objective,
    keeps: Objective,
    watch: Watch | None = None,
) -> Calibration:
    """Write `calibration.json`, `calibration.md` and `pareto.svg` to `out`, and return what they tell.

    Every edit that is scored goes to a journal in `out`; a later run with the same model, objectives and seed makes
    none of them again.

    Raises:
        SettingsError: the grid is out of range or the budget too small; there are too few cases.
        Cancelled: interrupted; run it again to go on.
        DataError: another run is writing to `out`.
    """
    default = default_setting(editor.defaults)
    settings = plan.grid.settings(default)
    tuning, test = halves(cases, plan.seed)
    rounds = within_budget(len(settings), len(tuning), test_cases=len(test), budget=plan.budget)
    with exclusive(out):
        scores = ScoreBook(out, plan.model, follows.protocol, keeps.protocol, plan.seed)
        bench = _Bench(editor, scores, (follows, keeps), seed=plan.seed, watch=watch or Watch())
        bench.expect(cost(rounds) + 2 * len(test))
        points = halve(settings, default, rounds, lambda setting, case: bench.score(setting, tuning[case]))
        suggestion = suggest(points, default, may_lose=plan.may_lose)
        found = Calibration(
            model=plan.model,
            cases=plan.cases,
            follows=follows.name,
            keeps=keeps.name,
            protocols=(follows.protocol, keeps.protocol),
            seed=plan.seed,
            may_lose=plan.may_lose,
            rounds=rounds,
            points=points,
            front=tuple(point.setting for point in front([each for each in points if each.rounds == len(rounds)])),
            default=default,
            suggestion=suggestion,
            edits=bench.done,
            test=_tested(bench, default, suggestion, test, plan.seed),
        )
        _write(replace(found, edits=bench.done), out)
    return replace(found, edits=bench.done)


def _tested(
    bench: "_Bench", default: Setting, suggestion: Setting, test: Sequence[BenchCase], seed: int
) -> tuple[TestLine, ...]:
    """Both objectives on the test half; nothing where the defaults are suggested."""
    if suggestion == default:
        return ()
    own = [bench.score(default, case) for case in test]
    new = [bench.score(suggestion, case) for case in test]
    sides = (mean_point(default, own, rounds=0), mean_point(suggestion, new, rounds=0))
    lines = []
    for name, of in (("follows", lambda score: score.follows), ("keeps", lambda score: score.keeps)):
        pairs = [(of(one), of(other)) for one, other in zip(own, new, strict=True)]
        both = np.array([pair for pair in pairs if None not in pair], dtype=np.float64)
        if not len(both):
            continue
        lines.append(
            TestLine(
                objective=name,
                default=getattr(sides[0], name),
                suggestion=getattr(sides[1], name),
                paired=paired_test(both[:, 0], both[:, 1], seed=seed),
            )
        )
    return tuple(lines)


def _write(found: Calibration, out: Path) -> None:
    atomic_write(out / "pareto.svg", chart_of(found).encode())
    atomic_write(out / "calibration.json", report_json(found).encode())
    atomic_write(out / "calibration.md", found.markdown().encode())


class _Bench:
    """Edits a case at a setting, scores it, and counts."""

    def __init__(
        self,
        editor: InstructionEditor,
        scores: ScoreBook,
        objectives: tuple[Objective, Objective],
        *,
        seed: int,
        watch: Watch,
    ) -> None:
        self._editor, self._scores, self._seed, self._watch = editor, scores, seed, watch
        self._follows, self._keeps = objectives
        self._digests: dict[str, str] = {}
        self.done, self._total = 0, 0

    def expect(self, edits: int) -> None:
        """Say how many scores will be asked for, at the most."""
        self._total = edits

    def score(self, setting: Setting, case: BenchCase) -> Score:
        """From the journal where it is known."""
        name = self._digests.setdefault(case.id, case_digest(case))
        if not self._scores.knows(setting, name) and self._watch.cancelled():
            raise Cancelled(f"Stopped after {self.done} of {self._total} edits; run the same command again to go on.")
        score = self._scores.get(setting, name, lambda: self._made(setting, case))
        self.done += 1
        self._watch.on_progress(self.done, self._total, setting.label)
        return score

    def _made(self, setting: Setting, case: BenchCase) -> Score:
        start = time.perf_counter()
        output = self._edited(setting, case)
        seconds = time.perf_counter() - start
        return Score(follows=self._follows.score(case, output), keeps=self._keeps.score(case, output), seconds=seconds)

    def _edited(self, setting: Setting, case: BenchCase) -> Picture:
        settings = setting.over(EditSettings(seed=self._seed))
        result = self._editor.edit(
            Image.fromarray(case.source), case.instruction, settings=settings, cancelled=self._watch.cancelled
        )
        return np.array(result.image.convert("RGB"))
