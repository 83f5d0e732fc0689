"""The predictor over a U-Net that was taught a subject: with its changes for the details, without for all else."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from retouch.conditioning.unet import unet_predictor
from retouch.diffusion.guidance import DETAIL
from retouch.diffusion.predictor import Branch
from retouch.models.subject import Subject


class SubjectPredictor:
    """Predicts `detail` with the subject's changes in the U-Net, and the other branches as the base does.

    So the two networks of Subject Inpainting, ε_ft and ε_pbe, are one in memory, at the price of two evaluations.
    """

    def __init__(self, subject: Subject, *, plain: Mapping[str, Branch], taught: Mapping[str, Branch]) -> None:
        """Take the branches of the base, and of the subject, of which `detail` alone counts."""
        checkpoint = subject.base.checkpoint
        self._unet, self._changes = checkpoint.unet, subject.changes
        self._plain = unet_predictor(checkpoint, plain)
        self._taught = unet_predictor(checkpoint, {DETAIL: taught[DETAIL]})

    def __call__(self, latents: Tensor, timestep: Tensor, branches: Sequence[str]) -> dict[str, Tensor]:
        """Predictions by name, each of the shape and type of `latents` (B, 4, h, w)."""
        plain = [name for name in branches if name != DETAIL]
        found = self._plain(latents, timestep, plain) if plain else {}
        if DETAIL in branches:
            with self._changes.within(self._unet):
                found |= self._taught(latents, timestep, [DETAIL])
        return found
