"""The seam between a kind of model and the one loop: how it is conditioned, and how its branches are weighed.

One file a technique: `instructing`, `filling`, `subject`, `inserting`, `adapting`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from retouch.conditioning.image import encode_source
from retouch.core.errors import ModelError
from retouch.core.fit import Fit
from retouch.core.reference import Reference
from retouch.core.region_window import Box
from retouch.core.seeds import derive_seed
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import Guidance
from retouch.diffusion.predictor import Branch, Predictor
from retouch.editing.inside import Inside
from retouch.models.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class View:
    """What of an input a picture of the batch shows: its box in the input's pixels, and how that fits the model."""

    box: Box
    fit: Fit


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One run of the loop: its instruction, the instruction's number, and for each picture its seed, a number that
    pictures with the same pixels share, and what it shows of its input; the references are for all pictures. Where
    pictures have instructions of their own, which a model that edits by instruction allows, `apart` has one for each.
    """

    instruction: str
    number: int
    seeds: Sequence[int]
    alike: Sequence[int]
    references: Sequence[Reference] = ()
    views: Sequence[View] = ()
    apart: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditioned:
    """What the loop runs with: what predicts, how predictions are weighed, the latents' shape (C, h, w), and what
    holds the network while it runs. `branches` are those of the predictor, where others may read more in them."""

    predictor: Predictor
    guidance: Guidance
    shape: tuple[int, ...]
    control: AbstractContextManager[object] = field(default_factory=nullcontext)
    branches: Mapping[str, Branch] = field(default_factory=dict)


class Technique(Protocol):
    """A loaded model, and how it is asked for an edit."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The networks of the loop."""
        ...

    @property
    def readers(self) -> Sequence[nn.Module]:
        """The networks beside those of the loop, which read pictures of an object or change the U-Net."""
        ...

    def check(self, *, references: int, regional: bool) -> None:
        """See that the model can do with so many references and with or without a region; raises ModelError."""
        ...

    def condition(self, pixels: Tensor, link: Pass, settings: EditSettings, inside: Inside | None) -> Conditioned:
        """Make the branches for pixels (B, 3, H, W) from -1 to 1.

        Raises:
            ModelError: the model cannot do this.
            SettingsError: a setting is out of range, or missing.
        """
        ...


@runtime_checkable
class Illustrated(Protocol):
    """A technique that has references of its own, for edits that are given none."""

    @property
    def references(self) -> Sequence[Reference]:
        """Pictures of the object that the model was taught."""
        ...


def check_everywhere(references: Sequence[Reference], source: str) -> None:
    """Raise ModelError where a reference is for a part of the picture, which the model of `source` cannot heed."""
    for each in references:
        if each.region is not None:
            raise ModelError(
                f"'{each.name}' is for a region of its own, and '{source}' reads references for the whole of its edit; "
                "leave that region out, or have the references read by an IP-Adapter."
            )


def source_latents(checkpoint: Checkpoint, pixels: Tensor, link: Pass) -> Tensor:
    """Source latents (B, 4, h, w); pictures with the same pixels are encoded once where that is exact."""
    if checkpoint.spec.condition_posterior == "sample":
        seeds = [derive_seed(seed, "condition") for seed in link.seeds]
        return encode_source(checkpoint, pixels, [Generator().manual_seed(seed) for seed in seeds])
    order = list(dict.fromkeys(link.alike))
    distinct = [pixels[link.alike.index(key)][None] for key in order]
    # Not by lists of numbers, which all threads of the CPU would be woken for, and a GPU waited for.
    latents = encode_source(checkpoint, distinct[0] if len(distinct) == 1 else torch.cat(distinct))
    return torch.cat([latents[order.index(key)][None] for key in link.alike])
