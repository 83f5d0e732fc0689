"""Shares of success by kind of edit, and LangDesign's table, as a short report."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import mean

from retouch.evaluation.judges import Judge
from retouch.evaluation.likeness import IMAGE, PATCHES, TITLES, Likeness, likeness_table
from retouch.evaluation.results import Results, of_model
from retouch.evaluation.verdicts import FIGURE, OUTSIDE, SUCCESS
from retouch.records.pair import JSON


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
    """All lines of one contestant; `psnr_outside` is the mean in dB over edits with an outside, capped at 99.

    It is None where no edit has an outside.
    """

    contestant: str
    lines: tuple[Line, ...]
    psnr_outside: float | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The scores of all contestants, side by side, and how alike outputs, sources and captions are."""

    scores: tuple[Score, ...]
    likenesses: tuple[Likeness, ...] = ()

    def facts(self) -> dict[str, JSON]:
        """The same as JSON."""
        return json.loads(json.dumps(asdict(self)))

    def markdown(self) -> str:
        """Return a table: a row a kind, a column a contestant with its share of successes and how many were judged.

        Below it lies that of likenesses, where they were measured.
        """
        names = [score.contestant for score in self.scores]
        rows = [f"| edit | success means | goal | {' | '.join(names)} |", "|---|---|---|" + "---|" * len(names)]
        rows += [self._row(line) for line in max((score.lines for score in self.scores), key=len, default=())]
        kept = [score.psnr_outside for score in self.scores]
        outside = " | ".join("–" if value is None else f"{value:.1f}" for value in kept)
        rows.append(f"| all | mean PSNR outside the changed region, dB | – | {outside} |")
        table = "\n".join(rows) + "\n"
        return f"{table}\n{likeness_table(self.likenesses)}" if self.likenesses else table

    def _row(self, line: Line) -> str:
        goal = "–" if line.goal is None else f"≥ {line.goal:.0%}"
        found = [next((own for own in score.lines if own.kind == line.kind), None) for score in self.scores]
        cells = ["–" if own is None else f"{own.success:.1%} of {own.count}" for own in found]
        return f"| {line.kind} | {line.measure} | {goal} | {' | '.join(cells)} |"


def summarise(results: Results, table: Mapping[str, Judge]) -> Summary:
    """Return the scores of every contestant; kinds without any verdict are left out."""
    return Summary(
        scores=tuple(_score(entrant.name, results, table) for entrant in results.entrants),
        likenesses=tuple(found for entrant in results.entrants if (found := _likeness(entrant.name, results))),
    )


def _score(name: str, results: Results, table: Mapping[str, Judge]) -> Score:
    rows, kinds = of_model(results, name), {case.id: case.kind for case in results.cases}
    lines = []
    for kind, judge in table.items():
        found = [row.values for row in rows if kinds[row.case] == kind and SUCCESS in row.values]
        if found:
            lines.append(
                Line(
                    kind=kind,
                    measure=judge.measure,
                    goal=judge.goal,
                    count=len(found),
                    success=mean(values[SUCCESS] for values in found),
                    figure=mean(values[FIGURE] for values in found),
                )
            )
    outside = [row.values[OUTSIDE] for row in rows if OUTSIDE in row.values]
    return Score(contestant=name, lines=tuple(lines), psnr_outside=mean(outside) if outside else None)


def _likeness(name: str, results: Results) -> Likeness | None:
    found = [row.values for row in of_model(results, name) if PATCHES in row.values]
    if not found:
        return None
    image, directional, text, patches = (mean(values[column] for values in found) for column in TITLES)
    protocols = {column.name: column.protocol for column in results.columns}
    return Likeness(
        contestant=name,
        count=len(found),
        image=image,
        directional=directional,
        text=text,
        patches=patches,
        protocol=protocols[IMAGE],
        patch_protocol=protocols[PATCHES],
    )
