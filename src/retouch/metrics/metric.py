"""The seam of metrics: an edit as pictures and words, and what scores a batch of them under a protocol's name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Part = Literal["source", "target", "mask", "source_caption", "target_caption", "reference"]
"""What a metric may need beside the output."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One edit: pictures (H, W, 3) uint8, all of one size; the mask (H, W) bool, True where the edit may change pixels.

    What a benchmark does not tell is None; captions that it does not tell are empty.
    """

    output: Picture
    source: Picture | None = None
    target: Picture | None = None
    mask: Mask | None = None
    reference: Picture | None = None
    instruction: str = ""
    source_caption: str = ""
    target_caption: str = ""


class Metric(Protocol):
    """Scores edits one by one."""

    @property
    def name(self) -> str:
        """What its column is called, short and in lower case: "psnr", "clip-directional"."""
        ...

    @property
    def protocol(self) -> str:
        """All that its values depend on, as `<name>/<encoder>/<resize>/<range>/<scaling>/v<version>`.

        Values under different protocols are never set side by side.
        """
        ...

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which direction is the better one."""
        ...

    @property
    def needs(self) -> frozenset[Part]:
        """What a sample must hold beside its output."""
        ...

    def measure(self, samples: Sequence[Sample]) -> NDArray[np.float64]:
        """Return a value for each sample, (B,), finite.

        Raises:
            DataError: a sample lacks what the metric needs, or its pictures are not of one size.
        """
        ...


class SetMetric(Protocol):
    """Scores a whole set of edits, seen batch by batch in constant memory."""

    @property
    def name(self) -> str:
        """See `Metric.name`."""
        ...

    @property
    def protocol(self) -> str:
        """See `Metric.protocol`."""
        ...

    @property
    def better(self) -> Literal["higher", "lower"]:
        """See `Metric.better`."""
        ...

    @property
    def needs(self) -> frozenset[Part]:
        """See `Metric.needs`."""
        ...

    def update(self, samples: Sequence[Sample]) -> None:
        """Take a batch in."""
        ...

    def value(self) -> float:
        """Return the value over all that was taken in.

        Raises:
            DataError: too few samples for a value.
        """
        ...
