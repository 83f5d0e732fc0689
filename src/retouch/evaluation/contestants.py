"""Who takes part in an evaluation: an editor, and what it must beat."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from retouch.core.errors import DataError
from retouch.evaluation.benchmark import BenchCase, Picture
from retouch.records.pair import JSON

Reads = Literal["source", "target", "instruction", "source_caption", "target_caption"]
"""What of a case an answer may depend on."""


class Contestant(Protocol):
    """Something that answers a case: an editor, or a way of not editing."""

    @property
    def name(self) -> str:
        """What its column is called, one of its own in a run."""
        ...

    @property
    def identity(self) -> Mapping[str, JSON]:
        """All that its answers depend on beside the case and the seed: weights by hash, settings with nothing open.

        Answers are kept under it: what changes an answer must change it, and nothing else should.
        """
        ...

    @property
    def reads(self) -> frozenset[Reads]:
        """What of a case its answers depend on; a case that does not tell it is not put to it."""
        ...

    @property
    def limit(self) -> int | None:
        """At most this many cases are put to it; None means all."""
        ...

    @property
    def line(self) -> str | None:
        """The model that it is one setting of: contestants of one line make a curve; None for one alone."""
        ...

    @property
    def baseline(self) -> bool:
        """Whether it is there to be beaten, or to say what can be reached."""
        ...

    def answer(self, case: BenchCase, seed: int) -> Picture:
        """Return the output picture, of the source's size.

        Raises:
            RetouchError: whatever the editor raises.
        """
        ...

    def round_trip(self, picture: Picture) -> Picture:
        """The picture as the contestant gives one back that it does not change."""
        ...


Edit = Callable[[Image.Image, str, int], Image.Image]
"""Edits one picture: (image, instruction, seed) → image."""


def unchanged(picture: Picture) -> Picture:
    """The round trip of what has no autoencoder."""
    return picture


@dataclass(frozen=True, kw_only=True, eq=False)
class Edits:
    """An editor, by the function that edits one picture; see `Contestant` for the rest."""

    name: str
    edit: Edit
    identity: Mapping[str, JSON]
    limit: int | None = None
    line: str | None = None
    baseline: bool = False
    through: Callable[[Picture], Picture] = unchanged
    reads: frozenset[Reads] = field(default=frozenset({"source", "instruction"}), init=False)

    def answer(self, case: BenchCase, seed: int) -> Picture:
        """Return the edited source."""
        source = Image.fromarray(case.source)
        output = self.edit(source, case.instruction, seed).convert("RGB")
        if output.size != source.size:
            output = output.resize(source.size, Image.Resampling.LANCZOS)
        return np.array(output)

    def round_trip(self, picture: Picture) -> Picture:
        """Return what the editor's autoencoder makes of it."""
        return self.through(picture)


@dataclass(frozen=True, kw_only=True)
class ReturnsSource:
    """Does nothing: what any editor must beat."""

    name: str = "source"
    identity: Mapping[str, JSON] = field(default_factory=lambda: {"returns": "source"})
    reads: frozenset[Reads] = frozenset({"source"})
    limit: int | None = None
    line: str | None = None
    baseline: bool = True

    def answer(self, case: BenchCase, seed: int) -> Picture:
        """Return the source."""
        del seed
        return case.source

    def round_trip(self, picture: Picture) -> Picture:
        """Return it."""
        return picture


@dataclass(frozen=True, kw_only=True, eq=False)
class ReturnsTarget:
    """Returns the ground truth, through a model's autoencoder where it has one: what an editor could reach at best."""

    name: str = "target"
    identity: Mapping[str, JSON] = field(default_factory=lambda: {"returns": "target"})
    reads: frozenset[Reads] = frozenset({"target"})
    limit: int | None = None
    line: str | None = None
    baseline: bool = True
    through: Callable[[Picture], Picture] = unchanged

    def answer(self, case: BenchCase, seed: int) -> Picture:
        """Return the target's round trip; raises DataError where the benchmark tells no target."""
        del seed
        if case.target is None:
            raise DataError(f"The case {case.id} tells no target; leave baselines that return it out.")
        return self.through(case.target)

    def round_trip(self, picture: Picture) -> Picture:
        """Return what the autoencoder makes of it."""
        return self.through(picture)
