"""Outcomes by kind of edit as figures, a table and a sheet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from retouch.evaluation.judges import Judge
from retouch.evaluation.likeness import Likeness, likeness_table


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one edit was judged; `psnr_outside` in dB, None where the edit changes the whole picture."""

    id: str
    seed: int
    kind: str
    instruction: str
    success: bool
    figure: float
    psnr_outside: float | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One kind of edit of one contestant: share of successes, with how many, and the mean figure."""

    kind: str
    measure: str
    goal: float | None
    count: int
    success: float
    figure: float


@dataclass(frozen=True, kw_only=True)
class Score:
    """All lines of one contestant; `psnr_outside` is the mean in dB over edits with an outside, capped at 99."""

    contestant: str
    lines: tuple[Line, ...]
    psnr_outside: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The scores of all contestants, side by side, and how alike outputs, sources and captions are."""

    scores: tuple[Score, ...]
    likenesses: tuple[Likeness, ...] = ()

    def markdown(self) -> str:
        """Return a table: a row a kind, a column a contestant with its share of successes and how many were judged.

        Below it lies that of likenesses, where they were measured.
        """
        names = [score.contestant for score in self.scores]
        rows = [f"| edit | success means | goal | {' | '.join(names)} |", "|---|---|---|" + "---|" * len(names)]
        rows += [self._row(line) for line in max((score.lines for score in self.scores), key=len)]
        outside = " | ".join(f"{score.psnr_outside:.1f}" for score in self.scores)
        rows.append(f"| all | mean PSNR outside the changed region, dB | – | {outside} |")
        table = "\n".join(rows) + "\n"
        return f"{table}\n{likeness_table(self.likenesses)}" if self.likenesses else table

    def _row(self, line: Line) -> str:
        goal = "–" if line.goal is None else f"≥ {line.goal:.0%}"
        found = [next((own for own in score.lines if own.kind == line.kind), None) for score in self.scores]
        cells = ["–" if own is None else f"{own.success:.1%} of {own.count}" for own in found]
        return f"| {line.kind} | {line.measure} | {goal} | {' | '.join(cells)} |"


def summarise(outcomes: Mapping[str, Sequence[Outcome]], table: Mapping[str, Judge]) -> Summary:
    """Return the scores of every contestant; kinds without any outcome are left out."""
    return Summary(scores=tuple(_score(name, found, table) for name, found in outcomes.items()))


def _score(name: str, outcomes: Sequence[Outcome], table: Mapping[str, Judge]) -> Score:
    lines = []
    for kind, judge in table.items():
        found = [outcome for outcome in outcomes if outcome.kind == kind]
        if found:
            lines.append(
                Line(
                    kind=kind,
                    measure=judge.measure,
                    goal=judge.goal,
                    count=len(found),
                    success=mean(outcome.success for outcome in found),
                    figure=mean(outcome.figure for outcome in found),
                )
            )
    outside = [min(value, 99.0) for outcome in outcomes if (value := outcome.psnr_outside) is not None]
    return Score(contestant=name, lines=tuple(lines), psnr_outside=mean(outside) if outside else math.nan)
