"""`retouch eval report` and `retouch eval compare`: what runs say, on a page and side by side."""

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.output import say, say_json, say_table

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="OUT of a run, or several.", show_default=False)]
Run = Annotated[Path, typer.Argument(help="OUT of a run, or the JSON of a report.", show_default=False)]
Named = Annotated[str | None, typer.Option(help="Who is compared. (default: the run's first model)")]
Draw = Annotated[int, typer.Option(help="The seed of intervals and tests.")]


def report(
    runs: Runs,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The HTML file to write. (default: evaluation.html in RUN)", show_default=False
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="What stands on top. (default: the models)")] = None,
    reference: Annotated[
        str | None, typer.Option(help="Whom all others are tested against. (default: the first model)")
    ] = None,
    examples: Annotated[int, typer.Option(help="How many best and worst cases of each model, 0 to 24.")] = 6,
    seed: Draw = 0,
) -> None:
    """Write a page on a run, or on several of one benchmark: one HTML file that opens anywhere, offline too.

    Figures with 95% intervals, paired tests, trade-off and sweeps over guidance, kinds of edit, best and worst cases,
    settings and protocols. Beside it come the same name as .csv, with every figure, and as .json.

    [bold]Examples[/bold]

    retouch eval report runs/eval-rooms

    retouch eval report runs/eval-mine runs/eval-theirs --out both.html --reference mine
    """
    from retouch.evaluation.reporting.analysis import Draws
    from retouch.evaluation.reporting.write import write_report

    written = write_report(
        runs,
        out or runs[0] / "evaluation.html",
        headline=title,
        reference=reference,
        examples=examples,
        draws=Draws(seed=seed),
    )
    for place in written:
        say(str(place))


def compare(
    first: Run,
    second: Run,
    *,
    of_first: Named = None,
    of_second: Named = None,
    seed: Draw = 0,
    json: options.Json = False,
) -> None:
    """Say how the second run's model differs from the first's, on the cases that both answered.

    Runs of different benchmarks, versions or protocols are refused, with what differs.

    [bold]Example[/bold]

    retouch eval compare runs/eval-before runs/eval-after
    """
    from retouch.evaluation.reporting.analysis import Draws
    from retouch.evaluation.reporting.compare import HEADS, compared
    from retouch.evaluation.results import read_results

    found = compared(
        read_results(first), read_results(second), first=of_first, second=of_second, draws=Draws(seed=seed)
    )
    if json:
        say_json(found.facts())
    else:
        say(f"{found.second} (second) against {found.first} (first)")
        say_table(HEADS, found.rows())
