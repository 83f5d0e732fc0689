"""Write the report on a run or several: one page, a table of every figure, and all of it as JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from retouch.core.errors import SettingsError
from retouch.core.files import atomic_write, check_writable
from retouch.evaluation.reporting.analysis import USUAL, Analysis, Draws, analysed
from retouch.evaluation.reporting.examples import best_and_worst
from retouch.evaluation.reporting.merge import merged
from retouch.evaluation.reporting.page import page
from retouch.evaluation.results import Results, read_results, results_json
from retouch.records.pair import JSON

MAXIMUM_EXAMPLES = 24
FIELDS = ("bench", "bench_version", "case", "kind", "model", "seed", "metric", "value", "protocol", "answer")
"""The columns of the table."""


def write_report(
    folders: Sequence[Path],
    out: Path,
    *,
    headline: str | None = None,
    reference: str | None = None,
    examples: int = 6,
    draws: Draws = USUAL,
) -> tuple[Path, Path, Path]:
    """Write `out`, an HTML file, and beside it the same name as .csv and .json; return the three.

    Args:
        folders: of runs on one benchmark by the same protocols.
        headline: what stands on top; the names of the models.
        reference: whom all others are tested against; the first model.
        examples: how many best and worst cases of each model are shown, 0 to 24; of a sweep those of its first.
        draws: of intervals and tests.

    Raises:
        DataError: a folder holds no finished run, or the runs cannot be compared.
        OutputError: a file cannot be written.
        SettingsError: the number of examples is out of range.
    """
    if not 0 <= examples <= MAXIMUM_EXAMPLES:
        raise SettingsError(f"examples is {examples}; give a number from 0 to {MAXIMUM_EXAMPLES}.")
    check_writable(out, suffixes=(".html", ".htm"))
    results = merged([read_results(folder) for folder in folders])
    analysis = analysed(results, reference=reference, draws=draws)
    models = _looked_at(results)
    ranking = (analysis.main, *(column for column in analysis.shown if column != analysis.main))
    sides = {model: best_and_worst(results, folders, model, ranking, examples) for model in models}
    html = page(analysis, sides, headline=headline or _headline(results))
    table, facts = out.with_suffix(".csv"), out.with_suffix(".json")
    atomic_write(table, table_csv(results).encode())
    atomic_write(facts, (json.dumps(report_json(analysis), indent=1) + "\n").encode())
    return atomic_write(out, html.encode()), table, facts


def table_csv(results: Results) -> str:
    """A row a case, contestant, seed and metric, in their order; see `FIELDS`."""
    kinds = {case.id: case.kind for case in results.cases}
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in results.rows:
        for column in results.columns:
            if column.name in row.values:
                head = (results.bench.name, results.bench.version, row.case, kinds[row.case], row.model, row.seed)
                writer.writerow((*head, column.name, repr(row.values[column.name]), column.protocol, row.answer))
    return stream.getvalue()


def report_json(analysis: Analysis) -> dict[str, JSON]:
    """The results themselves, which `read_results` reads, and below "summary" what the page says of them."""
    summary = {
        "main": analysis.main.name,
        "reference": analysis.reference,
        "means": [{"model": model, "metric": name, **asdict(found)} for (model, name), found in analysis.means.items()],
        "kinds": [
            {"kind": kind, "model": model, "metric": name, **asdict(found)}
            for (kind, model, name), found in analysis.kinds.items()
        ],
        "differences": [asdict(one) for one in analysis.differences],
    }
    content: dict[str, JSON] = json.loads(json.dumps(summary))
    return results_json(analysis.results) | {"summary": content}


def _looked_at(results: Results) -> list[str]:
    """The models whose cases are shown: no baselines, and of those that differ in guidance alone the first."""
    models = [entrant for entrant in results.entrants if not entrant.baseline]
    return list({entrant.line or entrant.name: entrant.name for entrant in reversed(models)}.values())[::-1]


def _headline(results: Results) -> str:
    lines = [entrant.line or entrant.name for entrant in results.entrants if not entrant.baseline]
    models = list(dict.fromkeys(lines))
    if len(models) > 3:
        return f"{', '.join(models[:2])} and {len(models) - 2} others"
    return " and ".join(models) or "Baselines"
