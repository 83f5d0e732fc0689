"""A tiny engine whose units give none, one or two pairs, for the runner's tests."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from tests.datagen.fake_engine import FakeEngine

from retouch.datagen.engine import Sifted
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
