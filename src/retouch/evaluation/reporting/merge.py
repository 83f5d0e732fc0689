"""Several runs on one benchmark as one."""

from collections.abc import Sequence
from dataclasses import replace

from retouch.core.errors import DataError
from retouch.evaluation.reporting.protocols import check_comparable
from retouch.evaluation.results import Bench, CaseFacts, Entrant, Results, Row


def merged(runs: Sequence[Results]) -> Results:
    """Everybody of all runs on all their cases; who took part in several with the same identity is one.

    Others of one name are told apart by a number. Raises DataError where the runs cannot be compared, or are none.
    """
    if not runs:
        raise DataError("There is no run to report on; name the folder of one.")
    check_comparable(runs)
    if len(runs) == 1:
        return runs[0]
    entrants: dict[str, Entrant] = {}
    rows: dict[tuple[str, str, int], Row] = {}
    wholes = []
    for run in runs:
        names = {entrant.name: _place(entrant, entrants) for entrant in run.entrants}
        for row in run.rows:
            key = (names[row.model], row.case, row.seed)
            values = {**(rows[key].values if key in rows else {}), **row.values}
            rows[key] = replace(row, model=key[0], values=values)
        wholes += [replace(whole, model=names[whole.model]) for whole in run.wholes]
    cases: dict[str, CaseFacts] = {case.id: case for run in runs for case in run.cases}
    columns = {column.name: column for run in runs for column in run.columns}
    return replace(
        runs[0],
        bench=Bench(name=runs[0].bench.name, version=runs[0].bench.version, cases=len(cases)),
        seeds=tuple(sorted({seed for run in runs for seed in run.seeds})),
        columns=tuple(columns.values()),
        entrants=tuple(entrants.values()),
        cases=tuple(cases.values()),
        rows=tuple(rows.values()),
        wholes=tuple({(whole.model, whole.metric): whole for whole in wholes}.values()),
    )


def _place(entrant: Entrant, taken: dict[str, Entrant]) -> str:
    """The name that a contestant has among all, where it is put."""
    name, number = entrant.name, 1
    while name in taken and taken[name].identity != entrant.identity:
        number += 1
        name = f"{entrant.name} ({number})"
    taken.setdefault(name, replace(entrant, name=name))
    return name
