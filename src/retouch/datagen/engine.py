"""The seam between what makes pairs and what runs it over many processes and writes the records."""

from collections.abc import Mapping
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
