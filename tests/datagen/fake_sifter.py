"""A tiny engine whose units give none, one or two pairs; as a program it kills a run at every write."""

import itertools
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.datagen.fake_engine import FakeEngine, kill_at

from retouch.datagen.engine import Sifted
from retouch.datagen.sift import sift_pairs
from retouch.records.pair import JSON


@dataclass(frozen=True, kw_only=True)
class FakeSifter:
    """Unit n gives n modulo 3 pairs and rejects the rest of three, unit 7 as too dark, others as too light."""

    seed: int = 0
    units: int = 11
    dying: int = -1
    name: str = "sifter"

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"seed": self.seed}

    def make(self, unit: int) -> Sifted:
        if unit == self.dying:
            os.kill(os.getpid(), signal.SIGKILL)
        kept = unit % 3
        pairs = FakeEngine(seed=self.seed).make(unit)[:kept]
        return Sifted(pairs=pairs, rejected={"dark" if unit == 7 else "light": 3 - kept})

    def __call__(self) -> "FakeSifter":
        return self


def run_killed(out: Path) -> None:
    """Run into `out`/N killed at the N-th write, N = 1, 2, ... until one survives; print the exit codes."""
    for step in itertools.count(1):
        child = os.fork()
        if child == 0:
            kill_at(step)
            sift_pairs(FakeSifter(units=3), out=out / str(step), shard_units=2)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)
        if code == 0:
            return


if __name__ == "__main__":
    run_killed(Path(sys.argv[1]))
