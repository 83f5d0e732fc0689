"""What calibration found, as JSON, as a page of Markdown and as a picture of the front."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from retouch.evaluation.calibration.halving import Round
from retouch.evaluation.calibration.pareto import RULE
from retouch.evaluation.calibration.values import Point, Setting
from retouch.evaluation.chart import Chart, Mark, Series
from retouch.evaluation.reporting.statistics import PairedTest

Verdict = Literal["keep the defaults", "better", "worse", "not told apart"]


@dataclass(frozen=True, kw_only=True)
class TestLine:
    """One objective, "follows" or "keeps", on the test half: defaults, suggestion, and how they differ case by case."""

    objective: str
    default: float
    suggestion: float
    paired: PairedTest


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """All of it; `points` are of the tuning half, `front` the settings in every round that no other one beats.

    `edits` counts the scores asked for; `test` is empty where the defaults are suggested.
    """

    model: str
    cases: str
    follows: str
    keeps: str
    protocols: tuple[str, str]
    seed: int
    may_lose: float
    rounds: tuple[Round, ...]
    points: tuple[Point, ...]
    front: tuple[Setting, ...]
    default: Setting
    suggestion: Setting
    edits: int
    test: tuple[TestLine, ...]

    @property
    def verdict(self) -> Verdict:
        """What the test half says of following: the interval of the difference lies above 0, below, or over it."""
        if not self.test:
            return "keep the defaults"
        found = self.test[0].paired.difference
        return "better" if found.low > 0 else "worse" if found.high < 0 else "not told apart"

    @property
    def advice(self) -> str:
        """One sentence."""
        match self.verdict:
            case "keep the defaults":
                return f"Keep the defaults ({self.default.flags}): none of the settings tried follows better."
            case "better":
                return (
                    f"Use {self.suggestion.flags}: on cases it was not chosen on it follows better than the defaults."
                )
            case "worse":
                return (
                    f"Keep the defaults ({self.default.flags}): the suggestion did worse on cases it was not chosen on."
                )
            case "not told apart":
                return (
                    f"The suggestion is {self.suggestion.flags}, but on cases it was not chosen on it cannot be told "
                    f"apart from the defaults ({self.default.flags})."
                )

    def markdown(self) -> str:
        """The advice, the test half, the tuning half and how it was done."""
        return "\n".join(
            [f"# Calibration of {self.model}", "", self.advice, "", *self._tested(), *self._tuned(), *self._how()]
        )

    def _tested(self) -> list[str]:
        if not self.test:
            return []
        rows = [self._test_row(line) for line in self.test]
        head = [
            "| on the test half | cases | defaults | suggestion | difference (95% interval) | p |",
            "|---|---|---|---|---|---|",
        ]
        return [*head, *rows, ""]

    def _test_row(self, line: TestLine) -> str:
        between = line.paired.difference
        return (
            f"| {getattr(self, line.objective)} | {between.count} | {line.default:.3f} | {line.suggestion:.3f} | "
            f"{between.value:+.3f} ({between.low:+.3f} … {between.high:+.3f}) | {line.paired.p:.3f} |"
        )

    def _tuned(self) -> list[str]:
        unit = ", dB" if _in_decibels(self.keeps) else ""
        marks = {self.suggestion: " (suggestion)", self.default: " (defaults)"}
        ordered = sorted(self.points, key=lambda point: (-point.rounds, -point.follows))
        rows = [
            f"| {point.setting.label}{marks.get(point.setting, '')} | {point.cases} | {point.follows:.3f} | "
            f"{point.keeps:.3f} | {point.seconds:.2f} | {'yes' if point.setting in self.front else ''} |"
            for point in ordered
        ]
        head = f"| on the tuning half | cases | {self.follows} | {self.keeps}{unit} | seconds | front |"
        return [head, "|---|---|---|---|---|---|", *rows, "", "![The front](pareto.svg)", ""]

    def _how(self) -> list[str]:
        rounds = ", ".join(f"{each.settings} settings on {each.cases} cases" for each in self.rounds)
        loss = f", of which {self.may_lose:g} may be lost" if self.may_lose else ""
        return [
            f"Cases: {self.cases}, halved by a hash seeded with {self.seed}. "
            f"Rounds: {rounds}; {self.edits} scores in all.",
            "",
            f"The suggestion is, {RULE}{loss}. Figures of settings of fewer cases are not comparable with the others.",
            "",
            f"Protocols: `{self.protocols[0]}`, `{self.protocols[1]}`.",
            "",
        ]


def report_json(found: Calibration) -> str:
    """For programs."""
    facts = {**asdict(found), "verdict": found.verdict, "advice": found.advice, "flags": found.suggestion.flags}
    return json.dumps(facts, indent=2) + "\n"


def chart_of(found: Calibration) -> str:
    """Keeping to the right, following upwards, as SVG."""
    through = [point for point in found.points if point.rounds == len(found.rounds)]
    early = [point for point in found.points if point not in through]
    fronted = [point for setting in found.front for point in through if point.setting == setting]
    marked = [("the defaults", found.default)]
    marked += [("the suggestion", found.suggestion)] if found.suggestion != found.default else []
    unit = " (dB)" if _in_decibels(found.keeps) else ""
    return Chart(
        title=f"{found.model}, tuning half",
        x=f"keeps the rest: {found.keeps}{unit}",
        y=f"goes where the words go: {found.follows}",
        series=(
            Series(name="dropped early", marks=_marks(early), joined=False, faint=True),
            Series(name="all cases", marks=_marks(through), joined=False),
            Series(name="front", marks=_marks(fronted)),
            *(
                Series(
                    name=name,
                    marks=_marks([p for p in through if p.setting == setting], label=True),
                    joined=False,
                    large=True,
                )
                for name, setting in marked
            ),
        ),
    ).svg()


def _in_decibels(objective: str) -> bool:
    return objective.startswith("psnr")


def _marks(points: Sequence[Point], *, label: bool = False) -> tuple[Mark, ...]:
    return tuple(
        Mark(
            x=point.keeps,
            y=point.follows,
            title=f"{point.setting.label}, {point.cases} cases",
            label=point.setting.label if label else "",
        )
        for point in points
    )
