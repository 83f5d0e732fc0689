"""`retouch train`: train a network as a recipe file says."""

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say_facts
from retouch.core.errors import Cancelled


def train(
    *,
    recipe: Annotated[Path, typer.Option("--recipe", help="A Python file whose functions return run configurations.")],
    member: Annotated[
        str | None, typer.Argument(help="Which of its functions. (default: the only one)", show_default=False)
    ] = None,
    data: Annotated[Path, typer.Option(help="Where the record folders that the recipe names lie.")] = Path("runs/data"),
    out: Annotated[Path, typer.Option("--out", "-o", help="Where runs are kept and resumed.")] = Path("runs"),
    steps: Annotated[int | None, typer.Option(help="Train this long instead of what the recipe says.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a network as a recipe file says; run the same command again to resume.

    Losses, validation figures and pictures go to TensorBoard files in the run's folder.

    [bold]Examples[/bold]

    retouch train --recipe recipes/pocket.py vae

    retouch train --recipe recipes/pocket.py instruct --device cuda --out runs
    """
    from retouch.training.run import read_recipe, run_recipe

    configuration = read_recipe(recipe, member, data=data, out=out)
    name = member or recipe.stem
    note = "stopping after this step and saving; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress(f"training {name}") as update:
        report = run_recipe(
            configuration,
            out / name,
            device=device,
            steps=steps,
            on_prepared=lambda done, total: update(done, total, "pictures encoded"),
            on_progress=lambda event: update(
                event.step, event.steps, f"loss {event.loss:.4f}, {event.samples_per_second:.1f} samples/s"
            ),
            cancelled=cancelled,
        )
    if not report.first:
        return
    if report.interrupted:
        raise Cancelled(f"Stopped at step {report.steps}; run the same command again to go on.")
    figures = {name: f"{value:.4g}" for name, value in report.figures.items()}
    say_facts({"steps": report.steps, **figures, "folder": report.folder})
