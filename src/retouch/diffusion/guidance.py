"""Guidance as a value: how much each branch's prediction counts at a moment of the denoising."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from retouch.core.errors import SettingsError

NONE = "none"
"""Neither text nor image."""
IMAGE = "image"
"""The source image alone."""
BOTH = "both"
"""The source image and the instruction."""
TEXT = "text"
"""The text, where there is no source image."""
REFERENCE = "reference"
"""The picture with its hole, and the reference as a whole."""
DETAIL = "detail"
"""The same, and the details of the reference."""

Weight = float | Tensor
"""One number for all samples, or one for each, (B, 1, 1, 1)."""


class Guidance(Protocol):
    """Names the branches and weighs them; the weights sum to 1 at every moment."""

    def weights(self, progress: float) -> Mapping[str, Weight]:
        """Weights by branch name at `progress` in [0, 1): the fraction of the steps already done."""
        ...


@dataclass(frozen=True, kw_only=True)
class InstructGuidance:
    """Guidance by text and by image apart (InstructPix2Pix, arXiv 2211.09800, equation 3).

    ε = ε_none + s_I·(ε_image − ε_none) + s_T·(ε_both − ε_image), for any finite s_T and s_I, those below 1
    included. Outside `interval`, fractions of the steps from 0 to 1, only the branch with both conditions
    counts (arXiv 2404.07724).

    Raises:
        SettingsError: a scale is not finite, or the interval is not 0 <= low <= high <= 1.
    """

    text: float
    image: float
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check({"text": self.text, "image": self.image}, self.interval)

    def weights(self, progress: float) -> Mapping[str, float]:
        """Weights of the branches `none`, `image` and `both` at `progress` in [0, 1)."""
        low, high = self.interval
        if not low <= progress < high:
            return {BOTH: 1.0}
        return {NONE: 1.0 - self.image, IMAGE: self.image - self.text, BOTH: self.text}


@dataclass(frozen=True, kw_only=True)
class TextGuidance:
    """Guidance by text alone (classifier-free guidance, arXiv 2207.12598, equation 6).

    ε = ε_none + s·(ε_text − ε_none), for any finite s. Outside `interval` only the branch with the text counts.

    Raises:
        SettingsError: the scale is not finite, or the interval is not 0 <= low <= high <= 1.
    """

    text: float
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check({"text": self.text}, self.interval)

    def weights(self, progress: float) -> Mapping[str, float]:
        """Weights of the branches `none` and `text` at `progress` in [0, 1)."""
        low, high = self.interval
        if not low <= progress < high:
            return {TEXT: 1.0}
        return {NONE: 1.0 - self.text, TEXT: self.text}


@dataclass(frozen=True, kw_only=True)
class SampleGuidance:
    """`TextGuidance` with a scale of its own for each sample of a batch.

    Raises:
        SettingsError: a scale is not finite, or the interval is not 0 <= low <= high <= 1.
    """

    text: tuple[float, ...]
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        for scale in self.text:
            _check({"text": scale}, self.interval)

    def weights(self, progress: float) -> Mapping[str, Weight]:
        """Weights of the branches `none` and `text` at `progress` in [0, 1), (B, 1, 1, 1) each."""
        low, high = self.interval
        if not low <= progress < high:
            return {TEXT: 1.0}
        scales = torch.tensor(self.text).view(-1, 1, 1, 1)
        return {NONE: 1.0 - scales, TEXT: scales}


@dataclass(frozen=True, kw_only=True)
class ExemplarGuidance:
    """Guidance by a reference, a share of it by its details (Subject Inpainting's modified guidance).

    ε = s·(m·ε_detail + (1 − m)·ε_reference) + (1 − s)·ε_none. Outside `interval` s is 1.

    Raises:
        SettingsError: s is not finite, m not in 0…1, or the interval is not 0 <= low <= high <= 1.
    """

    scale: float
    detail: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check({"reference": self.scale}, self.interval)
        if not 0.0 <= self.detail <= 1.0:
            raise SettingsError(f"The share of details is {self.detail}; give a number from 0 to 1.")

    def weights(self, progress: float) -> Mapping[str, float]:
        """Weights of the branches `none`, `reference` and `detail` at `progress` in [0, 1)."""
        low, high = self.interval
        scale = self.scale if low <= progress < high else 1.0
        return {NONE: 1.0 - scale, REFERENCE: scale * (1.0 - self.detail), DETAIL: scale * self.detail}


@dataclass(frozen=True, kw_only=True)
class InsertGuidance:
    """Guidance by the source and by what is put in, a share w of which is told in words.

    ε = ε_none + s_I·(ε_image − ε_none) + s_T·((1 − w)·ε_reference + w·ε_text − ε_image): InstructPix2Pix's equation 3
    with a reference in the place of the instruction, or beside it. Outside `interval` only what is put in counts.

    Raises:
        SettingsError: a scale is not finite, w not in 0…1, or the interval is not 0 <= low <= high <= 1.
    """

    reference: float
    image: float
    words: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check({"reference": self.reference, "image": self.image}, self.interval)
        if not 0.0 <= self.words <= 1.0:
            raise SettingsError(f"The share of words is {self.words}; give a number from 0 to 1.")

    def weights(self, progress: float) -> Mapping[str, float]:
        """Weights of the branches `none`, `image`, `reference` and `text` at `progress` in [0, 1)."""
        low, high = self.interval
        shares = {REFERENCE: 1.0 - self.words, TEXT: self.words}
        if not low <= progress < high:
            return {name: share for name, share in shares.items() if share}
        put_in = {name: self.reference * share for name, share in shares.items() if share}
        return {NONE: 1.0 - self.image, IMAGE: self.image - self.reference, **put_in}


def _check(scales: Mapping[str, float], interval: tuple[float, float]) -> None:
    for name, scale in scales.items():
        if not math.isfinite(scale):
            raise SettingsError(f"The {name} guidance is {scale}; give a finite number, such as 7.5.")
    low, high = interval
    if not 0.0 <= low <= high <= 1.0:
        raise SettingsError(
            f"The guidance interval is {low} to {high}; give two fractions of the steps with 0 <= low <= high <= 1."
        )
