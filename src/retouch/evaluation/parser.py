"""How well a parser finds the parts and the steps of marked instructions."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from retouch.core.files import atomic_write
from retouch.grounding.pocket_parser import PocketParser
from retouch.metrics.spans import SpanScores, span_scores
from retouch.records.marked import load_marked


@dataclass(frozen=True, kw_only=True)
class ParserSummary:
    """The scores of a parser by the name of a file of marked instructions."""

    parser: str
    scores: Mapping[str, SpanScores]

    def markdown(self) -> str:
        """Return the figures as a table."""
        rows = [
            f"| {self.parser} | texts | span F1 | by role | compound split rightly | single left whole |",
            "|---|---|---|---|---|---|",
        ]
        for name, score in self.scores.items():
            roles = ", ".join(f"{role} {f1:.2f}" for role, f1 in score.roles.items())
            split = f"{score.split:.1%} of {score.compound}" if score.compound else "–"
            whole = f"{score.kept_whole:.1%} of {score.unsplit}" if score.unsplit else "–"
            rows.append(f"| {name} | {score.texts} | {score.f1:.3f} | {roles} | {split} | {whole} |")
        return "\n".join(rows) + "\n"


def evaluate_parser(parser: PocketParser, files: Mapping[str, Path], *, out: Path | None = None) -> ParserSummary:
    """Score a parser on files of marked instructions; with `out` write report.md and report.json.

    Raises DataError where a file is none.
    """
    scores = {
        name: span_scores((parser.marked(true.text), true) for true in load_marked(path))
        for name, path in files.items()
    }
    summary = ParserSummary(parser=parser.name, scores=scores)
    if out is not None:
        atomic_write(out / "report.json", json.dumps(asdict(summary), indent=2).encode())
        atomic_write(out / "report.md", summary.markdown().encode())
    return summary
