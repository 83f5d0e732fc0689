"""`retouch eval detail`: the sharpness that edits of large pictures keep."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError


def measure_detail(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    pairs: Annotated[Path | None, typer.Option(help="A folder of bench records larger than the model sees.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder of such pictures.")] = None,
    instruction: Annotated[str, typer.Option(help="What is done to those.")] = "make it a night shot",
    model: options.Model = None,
    limit: Annotated[int | None, typer.Option(help="How many of each. (default: all)")] = None,
    seed: Annotated[int, typer.Option(help="The seed of every edit.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:
    """Edit large pictures with their detail carried over and by plain enlargement, and compare what stays sharp.

    OUT gets report.md, report.json, the pictures, and sheet.png: source, plain and kept.

    [bold]Example[/bold]

    retouch eval detail --pairs runs/data/rooms-1024 --limit 30 --out runs/eval-detail
    """
    from retouch.core.files import atomic_write
    from retouch.editing.load import load_editor
    from retouch.evaluation.detail import evaluate_detail, picture_cases, record_cases

    if pairs is None and pictures is None:
        raise SettingsError("There is nothing to edit; give --pairs, --pictures, or both.")
    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; expected at least 1.")
    editor = load_editor(model or options.DEFAULT_MODEL, device=device, precision=precision, backend=backend)
    cases = (
        *(() if pairs is None else record_cases(pairs, editor.engine, limit=limit)),
        *(() if pictures is None else picture_cases(pictures, instruction, editor.engine, limit=limit)),
    )
    note = "stopping after this picture; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("editing") as update:
        report = evaluate_detail(editor, cases, out, seed=seed, on_progress=update, cancelled=cancelled)
    atomic_write(out / "report.json", dumps(asdict(report), indent=2).encode())
    atomic_write(out / "report.md", report.markdown().encode())
    if json:
        say_json(asdict(report))
    else:
        say(report.markdown().rstrip())
