"""The seams between what makes pairs and what runs it over many processes and writes the records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from retouch.records.pair import JSON, PairRecord


class PairEngine(Protocol):
    """Makes pairs of images with their instruction, one unit (a room, a photograph) at a time.

    A unit depends on nothing but the engine's settings and its own number, so that units can be made in any
    order, on any process, and again after a crash, always with the same bytes.
    """

    @property
    def name(self) -> str:
        """The engine's name, as records carry it."""
        ...

    @property
    def pairs_per_unit(self) -> int:
        """How many pairs every unit yields."""
        ...

    def fingerprint(self) -> Mapping[str, JSON]:
        """Every setting that changes the pairs; a run resumes only where this is unchanged."""
        ...

    def make(self, unit: int) -> tuple[PairRecord, ...]:
        """The `pairs_per_unit` pairs of unit `unit` (0, 1, 2, ...)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """What came of a unit: the pairs that are good, perhaps none, and how many were turned down by reason."""

    pairs: tuple[PairRecord, ...]
    rejected: Mapping[str, int]


class SiftingEngine(Protocol):
    """Makes pairs that may fail, and keeps the good ones of a unit (a triple, say); else like `PairEngine`."""

    @property
    def name(self) -> str:
        """The engine's name, as records carry it."""
        ...

    @property
    def units(self) -> int:
        """How many units there are."""
        ...

    def fingerprint(self) -> Mapping[str, JSON]:
        """Every setting that changes the pairs; a run resumes only where this is unchanged."""
        ...

    def make(self, unit: int) -> Sifted:
        """What comes of unit `unit` (0, 1, 2, ... below `units`)."""
        ...
