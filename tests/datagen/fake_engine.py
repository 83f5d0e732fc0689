"""A tiny engine for the runner's tests; as a program it runs that engine, or kills it at every write."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.errors import ImageError
from retouch.core.images import png_bytes
from retouch.datagen.run import make_pairs
from retouch.records.pair import JSON, PairRecord


@dataclass(frozen=True, kw_only=True)
class FakeEngine:
    """Two noise pairs a unit; odd units are slower, so that workers finish out of order."""

    seed: int = 0
    delay: float = 0.0
    failing: int = -1
    dying: int = -1
    name: str = "fake"
    pairs_per_unit: int = 2

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"seed": self.seed}

    def make(self, unit: int) -> tuple[PairRecord, ...]:
        time.sleep(self.delay * (unit % 2))
        if unit == self.failing:
            raise ImageError("The picture is broken; mend it.")
        if unit == self.dying:
            os.kill(os.getpid(), signal.SIGKILL)
        return tuple(self._pair(unit, index) for index in range(2))

    def _pair(self, unit: int, index: int) -> PairRecord:
        noise = np.random.default_rng([self.seed, unit, index]).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
        source, target = (png_bytes(Image.fromarray(image)) for image in noise)
        return PairRecord(
            id=f"fake-{unit}-{index}",
            source_image=source,
            target_image=target,
            edit_prompt=f"edit {unit}",
            source_caption="before",
            target_caption="after",
            engine=self.name,
            seed=unit,
            params={"kind": "look"},
            split="train",
        )

    def __call__(self) -> "FakeEngine":
        return self


def kill_at(step: int) -> None:
    """Let this process die by SIGKILL just before its `step`-th fsync, rename or removal."""
    seen = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    os.fsync = counted(os.fsync)
    os.replace = counted(os.replace)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    os.unlink = counted(os.unlink)
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]


def run_killed(out: Path, count: int) -> None:
    """Run into `out`/N killed at the N-th write, N = 1, 2, ... until one survives; print the exit codes."""
    for step in itertools.count(1):
        child = os.fork()
        if child == 0:
            kill_at(step)
            run(out / str(step), count=count, workers=0, delay=0)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)
        if code == 0:
            return


def run(out: Path, *, count: int, workers: int, delay: float) -> None:
    make_pairs(FakeEngine(delay=delay), count=count, out=out, workers=workers, shard_units=3)


if __name__ == "__main__":
    if sys.argv[1] == "killed":
        run_killed(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        run(Path(sys.argv[2]), count=int(sys.argv[3]), workers=int(sys.argv[4]), delay=0.4)
