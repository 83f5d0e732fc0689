"""`retouch data calibrate`: what a filter's thresholds keep of right and of wrong pairs."""

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.output import progress, say, say_json, say_table


def calibrate_filter(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of pairs that are right.", show_default=False)],
    preset: Annotated[str, typer.Option(help="brooks, brooks-code, conti, langdesign or pocket.")] = "pocket",
    encoder: Annotated[str | None, typer.Option(help="A CLIP model. (default: the preset's)")] = None,
    limit: Annotated[int | None, typer.Option(help="How many pairs. (default: all)")] = None,
    json: options.Json = False,
) -> None:
    """Show recall and precision of a preset by kind of edit, and the thresholds that would do best.

    Wrong pairs are made of the right ones: the source again for a target, the target of another edit, that of
    another picture. Precision is what it would be with as many wrong pairs as right ones.

    [bold]Example[/bold]

    retouch data calibrate runs/data/rooms-validation --preset pocket
    """
    from retouch.datagen.calibrate import as_facts, measure
    from retouch.datagen.thresholds import preset as preset_named
    from retouch.metrics.clip import load_encoder

    named = preset_named(preset)
    judge = load_encoder(encoder or named.encoder)
    with progress("measuring") as update:
        measured = measure(folder, judge, limit=limit, on_progress=update)
    best = measured.best()
    rows, rows_of_best = measured.rows(named.thresholds), measured.rows(best)
    if json:
        facts = {"rows": as_facts(rows), "best": vars(best), "rows_of_best": as_facts(rows_of_best)}
        say_json({"preset": preset, "encoder": judge.protocol, **facts})
        return
    cells = [
        (
            row.kind,
            str(row.right),
            f"{row.recall:.0%}",
            f"{row.precision:.0%}",
            f"{own.recall:.0%}",
            f"{own.precision:.0%}",
        )
        for row, own in zip(rows, rows_of_best, strict=True)
    ]
    say_table(("edit", "right pairs", "recall", "precision", "recall at best", "precision at best"), cells)
    say(f"{preset}: {_told(vars(named.thresholds))}")
    say(f"best:   {_told(vars(best))}")


def _told(thresholds: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', '-')} {value:g}" for name, value in thresholds.items())
