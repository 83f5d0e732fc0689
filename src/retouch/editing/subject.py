"""Regions filled with an object that the model was taught (Subject Inpainting's modified guidance, one U-Net)."""

from collections.abc import Sequence

from torch import Tensor, nn

from retouch.conditioning.exemplar import exemplar_branches
from retouch.conditioning.subject import SubjectPredictor
from retouch.core.reference import Reference
from retouch.core.settings import EditSettings
from retouch.editing.filling import Filling, reference_guidance, region_channels
from retouch.editing.inside import Inside
from retouch.editing.technique import Conditioned, Pass
from retouch.models.checkpoint import Checkpoint
from retouch.models.subject import Subject


class FillingSubject:
    """A taught subject; see `Technique`. Its `detail` is m, how much of the guidance is what was taught."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._filling = Filling(subject.base)

    @property
    def checkpoint(self) -> Checkpoint:
        """The networks of the loop, without the subject's changes."""
        return self.subject.base.checkpoint

    @property
    def references(self) -> Sequence[Reference]:
        """See `Illustrated`."""
        return self.subject.references

    @property
    def readers(self) -> Sequence[nn.Module]:
        """See `Technique`."""
        return (*self._filling.readers, self.subject.changes, self.subject.detail)

    def check(self, *, references: int, regional: bool) -> None:
        """See `Technique`; without references it has its own."""
        self._filling.check(references=references or len(self.references), regional=regional)

    def condition(self, pixels: Tensor, link: Pass, settings: EditSettings, inside: Inside | None) -> Conditioned:
        """See `Technique`."""
        subject, references = self.subject, link.references or self.references
        channels = region_channels(self.checkpoint, pixels, link, inside)
        return Conditioned(
            predictor=SubjectPredictor(
                subject,
                plain=exemplar_branches(subject.base, channels, references),
                taught=exemplar_branches(subject.taught, channels, references),
            ),
            guidance=reference_guidance(settings, details=True),
            shape=(self.checkpoint.latent_channels, *channels.shape[2:]),
        )
