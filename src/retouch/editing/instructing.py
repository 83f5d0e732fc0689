"""Edits by instruction (InstructPix2Pix, arXiv 2211.09800)."""

from collections.abc import Sequence

from torch import Tensor, nn

from retouch.conditioning.instruct import check_instruct, instruct_branches
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import InstructGuidance
from retouch.editing.inside import Inside
from retouch.editing.request import required
from retouch.editing.technique import Conditioned, Pass, source_latents
from retouch.models.checkpoint import Checkpoint


class Instructing:
    """A model of kind `instruct`; see `Technique`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint of kind `instruct`; raises ModelError for any other."""
        check_instruct(checkpoint)
        self.checkpoint = checkpoint
        self.readers: Sequence[nn.Module] = ()

    def check(self, *, references: int, regional: bool) -> None:
        """See `Technique`."""
        del regional
        if references:
            raise ModelError(
                f"'{self.checkpoint.source}' reads words alone, not pictures of an object; use one that does, such as "
                "pocket/insert, or pocket/exemplar with a region."
            )

    def condition(self, pixels: Tensor, link: Pass, settings: EditSettings, inside: Inside | None) -> Conditioned:
        """See `Technique`."""
        del inside
        source = source_latents(self.checkpoint, pixels, link)
        branches = instruct_branches(
            self.checkpoint,
            source,
            link.apart or [link.instruction] * len(link.seeds),
            negative=settings.negative or "",
            negative_image=settings.negative_image or "",
        )
        return Conditioned(
            predictor=unet_predictor(self.checkpoint, branches, reuse=settings.reuse, fine_layers=settings.fine_layers),
            branches=branches,
            guidance=instruct_guidance(settings),
            shape=tuple(source.shape[1:]),
        )


def instruct_guidance(settings: EditSettings) -> InstructGuidance:
    """Guidance by text and image as resolved settings have it."""
    return InstructGuidance(
        text=required(settings.text_guidance, "text_guidance"),
        image=required(settings.image_guidance, "image_guidance"),
        interval=required(settings.guidance_interval, "guidance_interval"),
    )
