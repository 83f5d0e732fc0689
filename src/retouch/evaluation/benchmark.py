"""The seam of benchmarks: cases to put to an editor, whatever layout they were published in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retouch.records.pair import JSON

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchCase:
    """One edit to ask for: pictures (H, W, 3) uint8, masks (H, W) bool, all of the source's size.

    kind: the benchmark's own name for the kind of edit, by which reports break figures down.
    target: the true result; mask: where the edit may change pixels; both None where the benchmark tells none.
    object_mask: where the edited object is, for those judges that look at it alone.
    references: pictures of the object for edits by example.
    params: further facts that the judge of this kind reads.
    """

    id: str
    kind: str
    instruction: str
    source: Picture
    target: Picture | None = None
    mask: Mask | None = None
    object_mask: Mask | None = None
    source_caption: str = ""
    target_caption: str = ""
    references: tuple[Picture, ...] = ()
    params: Mapping[str, JSON] = field(default_factory=dict)


class Benchmark(Protocol):
    """A fixed set of cases under a name and a version."""

    @property
    def name(self) -> str:
        """What `--bench` calls it."""
        ...

    @property
    def version(self) -> str:
        """What changes whenever any case does; figures of different versions are never set side by side."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that its figures are published in, the first the main one."""
        ...

    def __len__(self) -> int:
        """How many cases there are."""
        ...

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """Yield the first `limit` cases in a fixed order, read one at a time.

        Raises:
            DataError: what was published is not there, or is not what it was.
        """
        ...
