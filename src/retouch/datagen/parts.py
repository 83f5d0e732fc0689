"""Engines one behind the other, so that one folder holds the pairs of all splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retouch.core.errors import DataError
from retouch.datagen.engine import PairEngine, Sifted, SiftingEngine
from retouch.records.pair import JSON


@dataclass(frozen=True, kw_only=True)
class Exact:
    """A `PairEngine` as one whose units may fail: its first `units`, cut to `pairs` in all."""

    engine: PairEngine
    pairs: int

    @property
    def name(self) -> str:
        """The engine's own name."""
        return self.engine.name

    @property
    def units(self) -> int:
        """As many as the pairs take."""
        return -(-self.pairs // self.engine.pairs_per_unit)

    def fingerprint(self) -> Mapping[str, JSON]:
        """The engine's, and how many pairs are wanted of it."""
        return {**self.engine.fingerprint(), "pairs": self.pairs}

    def make(self, unit: int) -> Sifted:
        """The unit's pairs, those wanted of the last."""
        left = self.pairs - unit * self.engine.pairs_per_unit
        return Sifted(pairs=self.engine.make(unit)[:left], rejected={})


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The units of several engines of one name, in order."""

    engines: Sequence[SiftingEngine]

    @property
    def name(self) -> str:
        """The name that all share."""
        return self.engines[0].name

    @property
    def units(self) -> int:
        """Those of all."""
        return sum(engine.units for engine in self.engines)

    def fingerprint(self) -> Mapping[str, JSON]:
        """All fingerprints, in order."""
        return {"parts": [dict(engine.fingerprint()) for engine in self.engines]}

    def make(self, unit: int) -> Sifted:
        """What comes of a unit of the engine that it falls to. Raises DataError where it falls to none."""
        left = unit
        for engine in self.engines:
            if 0 <= left < engine.units:
                return engine.make(left)
            left -= engine.units
        raise DataError(f"Unit {unit} was asked for; there are the units 0 to {self.units - 1}.")
