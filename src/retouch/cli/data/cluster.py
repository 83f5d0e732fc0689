"""The options of `retouch data` that send a stage over a Ray cluster, and what is said of such a run."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json

if TYPE_CHECKING:
    from retouch.datagen.cluster import ClusterSummary, Resources, Watch

Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Work on a Ray cluster: local, auto, or its address; then OUT may be a URL such as s3://bucket/folder.",
        show_default=False,
    ),
]
Gpus = Annotated[float, typer.Option("--gpus", help="With --cluster: GPUs of each worker, such as 1 or 0.5.")]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run works and what each of its workers holds there."""

    address: str
    workers: int | None
    gpus: float

    def resources(self) -> "Resources":
        """The same for `datagen.cluster`; raises SettingsError."""
        from retouch.datagen.cluster import Resources

        return Resources(actors=2 if self.workers is None else self.workers, gpus=self.gpus, address=self.address)


def place(address: str | None, *, workers: int | None, gpus: float) -> Place | None:
    """The place that was asked for; None is this machine, without Ray."""
    return None if address is None else Place(address=address, workers=workers, gpus=gpus)


def run(stage: str, work: Callable[["Watch"], "ClusterSummary"], *, json: bool) -> None:
    """Run a stage, showing its progress and ending it in good order on Ctrl-C, and say what came of it."""
    from retouch.datagen.cluster import Watch

    note = "stopping after the shards at hand; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress(f"{stage} on the cluster, by shards") as update:
        summary = work(Watch(on_progress=update, cancelled=cancelled))
    if json:
        say_json(asdict(summary))
        return
    say(
        f"{summary.place} holds {summary.kept} pairs, {summary.rejected} were turned down; "
        f"{summary.shards} shards made in {summary.seconds:.0f} s"
    )
