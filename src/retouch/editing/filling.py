"""Regions filled by example (Paint-by-Example, arXiv 2211.13227; Subject Inpainting)."""

from collections.abc import Sequence

from torch import Generator, Tensor, nn

from retouch.conditioning.exemplar import exemplar_branches, hole_channels
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError, SettingsError
from retouch.core.seeds import derive_seed
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import ExemplarGuidance
from retouch.editing.inside import Inside
from retouch.editing.request import required
from retouch.editing.technique import Conditioned, Pass, check_everywhere
from retouch.models.checkpoint import Checkpoint
from retouch.models.exemplar import Exemplar


class Filling:
    """An exemplar model; see `Technique`. Its `text_guidance` is s, the guidance by the reference."""

    def __init__(self, exemplar: Exemplar) -> None:
        self.exemplar = exemplar

    @property
    def checkpoint(self) -> Checkpoint:
        """The networks of the loop."""
        return self.exemplar.checkpoint

    @property
    def readers(self) -> Sequence[nn.Module]:
        """See `Technique`."""
        return self.exemplar.readers

    def check(self, *, references: int, regional: bool) -> None:
        """See `Technique`."""
        if not references:
            raise ModelError(
                f"'{self.exemplar.source}' puts in the object of a picture; give one as a reference, or use a model "
                "that edits by instruction, such as pocket."
            )
        if not regional:
            raise ModelError(
                f"'{self.exemplar.source}' fills a region; say which, have one proposed, or use a model that needs "
                "none, such as pocket/insert."
            )

    def condition(self, pixels: Tensor, link: Pass, settings: EditSettings, inside: Inside | None) -> Conditioned:
        """See `Technique`."""
        channels = region_channels(self.checkpoint, pixels, link, inside)
        branches = exemplar_branches(self.exemplar, channels, link.references)
        return Conditioned(
            predictor=unet_predictor(self.checkpoint, branches, reuse=settings.reuse, fine_layers=settings.fine_layers),
            branches=branches,
            guidance=reference_guidance(settings, details=self.exemplar.detail is not None),
            shape=(self.checkpoint.latent_channels, *channels.shape[2:]),
        )


def region_channels(checkpoint: Checkpoint, pixels: Tensor, link: Pass, inside: Inside | None) -> Tensor:
    """What stands beside the noisy latents, (B, 5, h, w), where the regions of pixels (B, 3, H, W) are to be filled.

    Raises:
        ModelError: words are given, in the instruction or to be attended to, or a reference has its own region.
        SettingsError: a region is the whole picture.
    """
    check_everywhere(link.references, checkpoint.source)
    if link.instruction:
        raise ModelError(f"'{checkpoint.source}' reads no words; leave '{link.instruction}' out.")
    if inside is None or bool((inside.masks >= 0.5).flatten(1).all(dim=1).any()):
        raise SettingsError("The region is the whole picture; leave some of it, for the object to stand in.")
    if inside.settings.attend != "off":
        raise ModelError(f"'{checkpoint.source}' reads no words to attend to inside the region; leave that out.")
    seeds = [derive_seed(seed, "condition") for seed in link.seeds]
    sampled = checkpoint.spec.condition_posterior == "sample"
    generators = [Generator().manual_seed(seed) for seed in seeds] if sampled else None
    return hole_channels(checkpoint, pixels, inside.masks, generators)


def reference_guidance(settings: EditSettings, *, details: bool) -> ExemplarGuidance:
    """Guidance by a reference, and where the model reads `details` by these, as resolved settings have it."""
    wanted = required(settings.reference, "reference")
    return ExemplarGuidance(
        scale=required(settings.text_guidance, "text_guidance"),
        detail=required(wanted.detail, "detail") if details else 0.0,
        interval=required(settings.guidance_interval, "guidance_interval"),
    )
