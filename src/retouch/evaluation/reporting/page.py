"""The report as one HTML page that needs nothing else: sections in the order in which one asks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from retouch.core.markup import Markup, tag
from retouch.core.page import document, section
from retouch.evaluation.measures import Column
from retouch.evaluation.reporting import tables
from retouch.evaluation.reporting.analysis import Analysis
from retouch.evaluation.reporting.curves import sweeps, swept, trade_offs
from retouch.evaluation.reporting.examples import Example
from retouch.evaluation.reporting.plots import Point, curves, key, ladder
from retouch.evaluation.reporting.wording import LANGDESIGN, figure, spread, title
from retouch.evaluation.results import Entrant

_HERE = Path(__file__).parent
Examples = Mapping[str, tuple[Sequence[Example], Sequence[Example]]]
"""By contestant its best and its worst."""


def page(analysis: Analysis, examples: Examples, *, headline: str) -> str:
    """The whole document. Every text of benchmarks, models and settings is escaped."""
    own = [column for column in analysis.shown if column.name not in LANGDESIGN]
    published = [column for column in analysis.shown if column.name in LANGDESIGN]
    body = [
        _header(analysis, headline),
        _main(analysis),
        _figures(analysis, own),
        _published(analysis, published),
        _differences(analysis, [*own, *published]),
        _trade_off(analysis),
        _sweeps(analysis),
        _kinds(analysis),
        *(_sheet(analysis, model, sides) for model, sides in examples.items()),
        _settings(analysis),
        tag("footer", tag("p", f"Made by retouch eval report, release {analysis.results.release}.")),
    ]
    style, script = (_HERE / "report.css").read_text("utf-8"), (_HERE / "report.js").read_text("utf-8")
    return document(body, title=f"{headline}: evaluation", style=style, script=script)


def _header(analysis: Analysis, headline: str) -> Markup:
    results = analysis.results
    counted = [
        (len(results.cases), "cases", "case"),
        (len(results.entrants), "contestants", "contestant"),
        (len(results.seeds), "seeds", "seed"),
        (len(results.rows), "answers", "answer"),
    ]
    shown = [
        tag("div", tag("dd", f"{count:,}"), tag("dt", one if count == 1 else many)) for count, many, one in counted
    ]
    over = f"Evaluation on {results.bench.name}, version {results.bench.version}"
    return tag("header", tag("p", over, class_="over"), tag("h1", headline), tag("dl", *shown, class_="figures"))


def _main(analysis: Analysis) -> Markup:
    column = analysis.main
    found = {model: analysis.means.get((model, column.name)) for model in analysis.models}
    rows = [
        (model, Point(x=0, y=one.value, low=one.low, high=one.high,
                      label=f"{figure(column, one.value)}  ({spread(column, one)})"))
        for model, one in found.items() if one is not None
    ]  # fmt: skip
    ends = [value for _, point in rows for value in (point.low, point.high) if value is not None]
    low, high = (0.0, 1.0) if column.scale == "share" else (min(ends), max(ends))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    baselines = [entrant.name for entrant in analysis.results.entrants if entrant.baseline]
    better = "higher is better" if column.better == "higher" else "lower is better"
    lead = f"The mean over cases with its 95% interval, by bootstrap; {better}."
    return section(title(column), lead, ladder(rows, low=low, high=high, baselines=baselines))


def _figures(analysis: Analysis, columns: Sequence[Column]) -> Markup:
    lead = (
        "Means over cases with 95% intervals; the best model is bold, baselines do not compete. Cases that do not tell "
        "what a metric needs do not count in it. A click on a head sorts."
    )
    whole = tables.wholes(analysis)
    parts = [tables.figures(analysis, columns)]
    if whole is not None:
        parts += [tag("h3", "Of all answers together"), whole]
    return section("Figures", lead, *parts)


def _published(analysis: Analysis, columns: Sequence[Column]) -> Markup | None:
    if not columns:
        return None
    lead = (
        "LangDesign's table: CLIP_dir is a cosine, the others a hundred times one. Edits that change nothing do not "
        "count. Patches stand where DINO does."
    )
    return section("Keeping and changing", lead, tables.figures(analysis, columns))


def _differences(analysis: Analysis, columns: Sequence[Column]) -> Markup | None:
    table = tables.differences(analysis, columns)
    if table is None:
        return None
    lead = (
        f"On the cases that both answered, less {analysis.reference}. Below each difference its 95% interval and p, "
        "by McNemar's test for success and by flipped signs for the rest, corrected by Holm among all tests of a "
        "column; coloured where p < 0.05."
    )
    return section(f"Differences from {analysis.reference}", lead, table)


def _trade_off(analysis: Analysis) -> Markup | None:
    lines = trade_offs(analysis)
    if not lines:
        return None
    lead = "To the right the change goes where the captions say; upwards the picture stays like its source."
    drawn = curves(lines, x_title="CLIP_dir", y_title="CLIP_im", label="Trade-off of likeness and direction")
    return section("Trade-off", lead, tag("div", key(lines), drawn, class_="wide"))


def _sweeps(analysis: Analysis) -> Markup | None:
    plots = []
    for column in analysis.shown:
        lines = sweeps(analysis, column)
        if lines:
            heading = tag("h3", f"{title(column)} {'↑' if column.better == 'higher' else '↓'}")
            label = f"{title(column)} over guidance"
            drawn = curves(lines, x_title=swept(analysis) or "", y_title=title(column), label=label)
            plots.append(tag("div", heading, drawn))
    if not plots:
        return None
    lines = sweeps(analysis, analysis.main)
    lead = f"Each figure over {swept(analysis)}, with 95% intervals."
    return section("Sweeps", lead, key(lines), tag("div", *plots, class_="plots"))


def _kinds(analysis: Analysis) -> Markup | None:
    if len(analysis.kind_names) < 2:
        return None
    others = [
        tag("details", tag("summary", title(column)), tables.by_kind(analysis, column))
        for column in analysis.shown
        if column != analysis.main
    ]
    lead = f"{title(analysis.main)} of each kind, with its 95% interval and how many cases; other figures below."
    return section("By kind of edit", lead, tables.by_kind(analysis, analysis.main), *others)


def _sheet(analysis: Analysis, model: str, sides: tuple[Sequence[Example], Sequence[Example]]) -> Markup | None:
    best, worst = sides
    if not best and not worst:
        return None
    parts = []
    for name, examples in (("Best", best), ("Worst", worst)):
        if examples:
            made = [_card(analysis, example) for example in examples]
            parts += [tag("h3", name), tag("div", *made, class_="cards")]
    lead = f"Ranked by {title(analysis.main)}, then by the next figure. The region that may change is tinted."
    return section(f"Cases of {model}", lead, *parts)


def _card(analysis: Analysis, example: Example) -> Markup:
    pictures = example.pictures
    source = pictures.get("region") or pictures.get("source")
    strip = [("Source", source), ("Answer", pictures.get("output"))]
    if "target" in pictures:
        strip.append(("Target", pictures["target"]))
    shown = [
        tag("div", tag("img", src=address, alt=name, loading="lazy") if address else None, tag("span", name))
        for name, address in strip
    ]
    values = [
        tag("span", f"{title(column)} ", tag("b", figure(column, example.row.values[column.name])))
        for column in analysis.shown
        if column.name in example.row.values
    ]
    head = tag("p", tag("b", example.case.kind), f"seed {example.row.seed}", class_="head")
    words = tag("p", example.case.instruction, class_="words")
    return tag(
        "figure",
        tag("div", *shown, class_="strip"),
        tag("figcaption", head, words, tag("p", *values, class_="measured")),
    )


def _settings(analysis: Analysis) -> Markup:
    results = analysis.results
    run = {
        "benchmark": f"{results.bench.name}, version {results.bench.version}",
        "cases": f"{len(results.cases):,}",
        "seeds": ", ".join(map(str, results.seeds)),
        "release": results.release,
    }
    protocols = {title(column): column.protocol for column in results.columns}
    return section(
        "Settings",
        "What the figures depend on. Figures under other protocols are not to be set beside these.",
        tag("details", tag("summary", "The run"), _facts(run)),
        *(tag("details", tag("summary", entrant.name), _facts(_identity(entrant))) for entrant in results.entrants),
        tag("details", tag("summary", "Protocols"), _facts(protocols)),
    )


def _identity(entrant: Entrant) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in entrant.identity.items():
        if isinstance(value, Mapping):
            flat |= {key.replace("_", " "): _told(one) for key, one in value.items()}
        else:
            flat[name] = _told(value)
    return flat


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _facts(facts: Mapping[str, str]) -> Markup:
    entries = [part for name, value in facts.items() for part in (tag("dt", name), tag("dd", tag("code", value)))]
    return tag("dl", *entries, class_="facts")
