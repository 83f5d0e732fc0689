"""Objects of references put where they belong, without a region ("Visually guided insertion")."""

from collections.abc import Sequence

from torch import Tensor, nn

from retouch.conditioning.insert import insert_branches, words_share
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings
from retouch.diffusion.guidance import InsertGuidance
from retouch.editing.inside import Inside
from retouch.editing.request import required
from retouch.editing.technique import Conditioned, Pass, check_everywhere, source_latents
from retouch.models.checkpoint import Checkpoint
from retouch.models.insert import Insert


class Inserting:
    """An insertion model; see `Technique`. Its `text_guidance` is the guidance by what is put in."""

    def __init__(self, insert: Insert) -> None:
        self.insert = insert

    @property
    def checkpoint(self) -> Checkpoint:
        """The networks of the loop."""
        return self.insert.checkpoint

    @property
    def readers(self) -> Sequence[nn.Module]:
        """See `Technique`."""
        return (*self.insert.encoder.networks, self.insert.optimizer)

    def check(self, *, references: int, regional: bool) -> None:
        """See `Technique`."""
        del regional
        if not references:
            raise ModelError(
                f"'{self.insert.source}' puts in the object of a picture; give one as a reference, or use a model that "
                "edits by instruction, such as pocket."
            )

    def condition(self, pixels: Tensor, link: Pass, settings: EditSettings, inside: Inside | None) -> Conditioned:
        """See `Technique`."""
        del inside
        check_everywhere(link.references, self.insert.source)
        source = source_latents(self.checkpoint, pixels, link)
        weight = required(required(settings.reference, "reference").words, "words")
        words = words_share(link.references, weight, link.instruction)
        branches = insert_branches(
            self.insert,
            source,
            link.references,
            link.instruction if words else "",
            negative=settings.negative or "",
            negative_image=settings.negative_image or "",
        )
        return Conditioned(
            predictor=unet_predictor(self.checkpoint, branches, reuse=settings.reuse, fine_layers=settings.fine_layers),
            branches=branches,
            guidance=InsertGuidance(
                reference=required(settings.text_guidance, "text_guidance"),
                image=required(settings.image_guidance, "image_guidance"),
                words=words,
                interval=required(settings.guidance_interval, "guidance_interval"),
            ),
            shape=tuple(source.shape[1:]),
        )
