"""What a large data set costs: hours on 1, 8 and 64 workers, from the rates that a build measured.

    retouch data build interior --count 200 --engine attention-swap --out runs/swapped --json > build.json
    python bench/cost.py [build.json] [--pairs 454000] [--workers 1 8 64] [--hourly PRICE]

Every stage's seconds are taken to grow with the pairs that were kept. Making and filtering pairs is shared out among
workers like the one that was measured (a core, or a GPU with `--device cuda`); writing triples, the report and the
export are one process's work. `--hourly` is the price of an hour of one worker. Without a file 24 pairs of rooms are
built first.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHARED = ("pair", "filter")
"""The stages that a cluster shares out."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a build measured: pairs kept of those made, and seconds by stage."""

    made: int
    kept: int
    seconds: Mapping[str, float]

    def hours(self, stage: str, pairs: int) -> float:
        """Hours of one worker that `pairs` kept pairs take in a stage."""
        return self.seconds[stage] / self.kept * pairs / 3600


def main() -> None:
    """Print rates by stage, then hours by number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, nargs="?", help="what `retouch data build --json` printed")
    parser.add_argument("--pairs", type=int, default=454_000, help="pairs to end up with")
    parser.add_argument("--workers", type=int, nargs="+", default=(1, 8, 64))
    parser.add_argument("--hourly", type=float, help="price of a worker's hour")
    arguments = parser.parse_args()
    build = small_build() if arguments.build is None else read(arguments.build)
    print(f"{build.kept} of {build.made} pairs were kept ({build.kept / build.made:.0%})")
    for stage, seconds in build.seconds.items():
        print(f"{stage:<8} {build.kept / max(seconds, 1e-9) * 3600:>12,.0f} kept pairs an hour")
    print_hours(build, arguments.pairs, arguments.workers, arguments.hourly)


def read(file: Path) -> Build:
    """The figures of a build; exits with a sentence where the file holds none."""
    try:
        build = parsed(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{file} is not what `retouch data build --json` prints ({error}).") from error
    if not build.kept:
        raise SystemExit(f"The build of {file} kept no pairs; nothing follows from it.")
    return build


def parsed(text: str) -> Build:
    """The figures in what a build printed."""
    found = json.loads(text)
    return Build(made=int(found["pairs"]), kept=int(found["kept"]), seconds=dict(found["seconds"]))


def small_build() -> Build:
    """The figures of a build of a few rooms, made here and thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "data",
            "build",
            "interior",
            "--count",
            "24",
            "--engine",
            "rooms",
            "--out",
            f"{folder}/rooms",
            "--json",
        ]
        made = subprocess.run(
            [sys.executable, "-m", "retouch", *command], check=True, stdout=subprocess.PIPE, text=True
        )
        return parsed(made.stdout)


def print_hours(build: Build, pairs: int, workers: Sequence[int], hourly: float | None) -> None:
    """A line for every number of workers: hours from start to end, and the worker hours that are paid."""
    alone = sum(build.hours(stage, pairs) for stage in build.seconds if stage not in SHARED)
    shared = sum(build.hours(stage, pairs) for stage in SHARED if stage in build.seconds)
    print(f"\n{pairs:,} pairs: {shared:,.1f} worker hours to share out, {alone:,.1f} hours of one process")
    for count in workers:
        price = "" if hourly is None else f", {(shared + alone) * hourly:,.0f} to pay"
        print(f"{count:>4} workers {shared / count + alone:>10,.1f} hours{price}")


if __name__ == "__main__":
    main()
