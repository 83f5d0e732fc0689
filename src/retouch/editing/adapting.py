"""Edits by instruction or by example beside pictures, which an IP-Adapter reads (arXiv 2308.06721)."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from retouch.attention.image_tokens import ImageTokens
from retouch.conditioning.ip_adapter import image_prompt, ip_adapter_branches
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import BOTH, DETAIL, REFERENCE
from retouch.editing.filling import Filling
from retouch.editing.inside import Inside
from retouch.editing.instructing import Instructing
from retouch.editing.technique import Conditioned, Pass
from retouch.models.checkpoint import Checkpoint
from retouch.models.ip_adapter import IPAdapter

READING = (BOTH, REFERENCE, DETAIL)
"""The branches that read pictures: those that the instruction or the reference is told to."""


class Adapting:
    """Edits by instruction, or fills by example, beside what an adapter reads; see `Technique`.

    An exemplar model reads the references by its own network too, wherever in the picture each is for. `scale` is how
    much the adapter's pictures count, 0…2. At 0, and where no reference counts, the edit is the plain one to the bit.
    """

    def __init__(self, technique: Instructing | Filling, adapter: IPAdapter, *, scale: float = 1.0) -> None:
        """Take an adapter for the technique's U-Net; raises ModelError for one of another."""
        adapter.check(technique.checkpoint.unet)
        self.technique, self.adapter, self._scale = technique, adapter, scale

    @property
    def checkpoint(self) -> Checkpoint:
        """The networks of the loop."""
        return self.technique.checkpoint

    @property
    def readers(self) -> Sequence[nn.Module]:
        """See `Technique`."""
        encoder = () if self.adapter.encoder is None else self.adapter.encoder.networks
        return (*self.technique.readers, *self.adapter.modules.values(), *encoder)

    def check(self, *, references: int, regional: bool) -> None:
        """See `Technique`."""
        if not references:
            raise ModelError(f"The adapter '{self.adapter.source}' reads pictures; give one as a reference.")
        self.technique.check(references=references if self._fills else 0, regional=regional)

    def condition(self, pixels: Tensor, link: Pass, settings: EditSettings, inside: Inside | None) -> Conditioned:
        """See `Technique`."""
        own = [replace(each, region=None) for each in link.references] if self._fills else []
        made = self.technique.condition(pixels, replace(link, references=own), settings, inside)
        counted = sorted((each for each in link.references if each.weight > 0), key=lambda each: each.sha256)
        if not self._scale or not counted:
            return made
        prompt = image_prompt(
            self.adapter,
            [[each.cropped(view.box) for each in counted] for view in link.views],
            scale=self._scale,
            fits=[view.fit for view in link.views],
            factor=self.checkpoint.vae_factor,
        )
        branches = ip_adapter_branches(made.branches, [prompt], into=READING)
        return replace(
            made,
            predictor=unet_predictor(self.checkpoint, branches, reuse=settings.reuse, fine_layers=settings.fine_layers),
            branches=branches,
            control=ImageTokens([prompt]).over(self.checkpoint.unet),
        )

    @property
    def _fills(self) -> bool:
        return isinstance(self.technique, Filling)
