"""The tables of a report: figures, differences and kinds of edit."""

from collections.abc import Sequence

from retouch.core.markup import Child, Markup, tag
from retouch.evaluation.measures import Column
from retouch.evaluation.reporting.analysis import Analysis, Difference
from retouch.evaluation.reporting.statistics import Estimate
from retouch.evaluation.reporting.wording import arrow, chance, figure, signed, spread, title


def figures(analysis: Analysis, columns: Sequence[Column]) -> Markup:
    """A row a contestant, a column a metric: the mean, its interval, and the best in bold."""
    rows = []
    for entrant in analysis.results.entrants:
        cells = [_mean(analysis, entrant.name, column) for column in columns]
        rows.append(tag("tr", tag("th", entrant.name, scope="row"), *cells, class_=_kind(entrant.baseline)))
    return _table([("", ""), *((title(column), arrow(column)) for column in columns)], rows)


def differences(analysis: Analysis, columns: Sequence[Column]) -> Markup | None:
    """A row a contestant: how it differs from the one of reference, with the interval and the corrected p."""
    found = {(one.model, one.column): one for one in analysis.differences}
    rows = []
    for entrant in analysis.results.entrants:
        ours = [found.get((entrant.name, column.name)) for column in columns]
        if any(ours):
            cells = [_difference(one, column) for one, column in zip(ours, columns, strict=True)]
            rows.append(tag("tr", tag("th", entrant.name, scope="row"), *cells, class_=_kind(entrant.baseline)))
    heads = [("", ""), *((title(column), arrow(column)) for column in columns)]
    return _table(heads, rows) if rows else None


def by_kind(analysis: Analysis, column: Column) -> Markup:
    """A row a kind of edit, a column a contestant; the better the stronger the colour."""
    found = {key: value for key, value in analysis.kinds.items() if key[2] == column.name}
    means = [estimate.value for estimate in found.values()]
    low, high = (0.0, 1.0) if column.scale == "share" else (min(means), max(means))
    rows = []
    for kind in analysis.kind_names:
        ours = [found.get((kind, model, column.name)) for model in analysis.models]
        if any(ours):
            cells = [_heat(estimate, column, low, high) for estimate in ours]
            rows.append(tag("tr", tag("th", kind, scope="row"), *cells))
    return _table([("", ""), *((model, "") for model in analysis.models)], rows)


def wholes(analysis: Analysis) -> Markup | None:
    """A row a contestant, a column a metric of whole sets; None where none was measured."""
    results = analysis.results
    columns = [column for column in results.columns if any(one.metric == column.name for one in results.wholes)]
    if not columns:
        return None
    found = {(one.model, one.metric): one.value for one in results.wholes}
    rows = []
    for entrant in results.entrants:
        values = [found.get((entrant.name, column.name)) for column in columns]
        cells = [
            _cell(None) if value is None else _cell(figure(column, value), value=value)
            for value, column in zip(values, columns, strict=True)
        ]
        rows.append(tag("tr", tag("th", entrant.name, scope="row"), *cells, class_=_kind(entrant.baseline)))
    return _table([("", ""), *((title(column), arrow(column)) for column in columns)], rows)


def _table(heads: Sequence[tuple[str, str]], rows: Sequence[Markup]) -> Markup:
    first = [tag("th", tag("button", " ".join(filter(None, head)) or "name"), scope="col") for head in heads]
    table = tag("table", tag("thead", tag("tr", *first)), tag("tbody", *rows), class_="sortable")
    return tag("div", table, class_="scroll", tabindex=0)


def _cell(*children: Child, value: float | None = None, class_: str | None = None, style: str | None = None) -> Markup:
    if value is None:
        return tag("td", "–", class_="none")
    # Not as a number: attributes have two digits of those.
    return tag("td", *children, data_value=repr(value), class_=class_, style=style)


def _mean(analysis: Analysis, model: str, column: Column) -> Markup:
    estimate = analysis.means.get((model, column.name))
    if estimate is None:
        return _cell(None)
    text = figure(column, estimate.value)
    shown = tag("b", text) if _is_best(analysis, model, column) else text
    return _cell(shown, tag("small", spread(column, estimate)), value=estimate.value)


def _is_best(analysis: Analysis, model: str, column: Column) -> bool:
    """Whether no other contestant that may be beaten is better; what returns the truth is no rival."""
    rivals = {
        entrant.name: found.value
        for entrant in analysis.results.entrants
        if not entrant.baseline and (found := analysis.means.get((entrant.name, column.name)))
    }
    if model not in rivals or len(rivals) < 2:
        return False
    return rivals[model] == (max if column.better == "higher" else min)(rivals.values())


def _difference(found: Difference | None, column: Column) -> Markup:
    if found is None:
        return _cell(None)
    value = found.test.difference.value
    better = (value > 0) == (column.better == "higher")
    state = f"sure {'better' if better else 'worse'}" if found.sure and value else None
    between = f"{signed(column, found.test.difference.low)} … {signed(column, found.test.difference.high)}"
    return _cell(
        tag("b", signed(column, value)),
        tag("small", between),
        tag("small", f"p {chance(found.holm)}" if found.holm < 0.001 else f"p = {chance(found.holm)}"),
        value=value,
        class_=state,
    )


def _heat(estimate: Estimate | None, column: Column, low: float, high: float) -> Markup:
    if estimate is None:
        return _cell(None)
    share = (estimate.value - low) / (high - low) if high > low else 0.0
    strength = share if column.better == "higher" else 1 - share
    text = figure(column, estimate.value)
    return _cell(
        text,
        tag("small", f"{spread(column, estimate)}, {estimate.count}"),
        value=estimate.value,
        class_="heat",
        style=f"--share:{strength:.3f}",
    )


def _kind(baseline: bool) -> str | None:
    return "baseline" if baseline else None
