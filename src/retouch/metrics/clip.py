"""Pictures and texts as unit vectors of a CLIP model, under the protocol that names it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.metrics.vision import VisionTransformer
from retouch.models.clip import DualEncoder, load_clip
from retouch.models.identity import identity

_BATCH = 32
_STILL = 1e-5
"""The length of a change of unit vectors that is none."""


class Encoder:
    """Unit vectors of pictures and texts in the space of one dual encoder.

    Pictures are read as 8-bit RGB and scaled to [0, 1] before the encoder's own normalisation. `protocol`
    names all that figures depend on, the encoder's `name` and the `manner` pictures are framed in among it;
    `patch_protocol` is that of `patches`.
    """

    def __init__(self, dual: DualEncoder) -> None:
        self.dual = dual
        model: Any = dual.model
        self.name = identity(dual.source, (model.visual_projection.weight, model.text_projection.weight))
        self.manner = f"bicubic-centre-{dual.framing.side}"
        manner = f"{self.name}/{self.manner}/rgb-0-1"
        self.protocol = f"clip/{manner}"
        self.patch_protocol = f"clip-patches/{manner}"

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return unit vectors, (B, D) float32, on the CPU."""
        return self.framed(torch.stack([self.dual.framing.framed(picture) for picture in pictures]))

    @torch.no_grad()
    def framed(self, pictures: Tensor) -> Tensor:
        """The same of pictures already framed, (B, 3, S, S) uint8."""
        return torch.cat([self._embedded(part) for part in pictures.split(_BATCH)])

    @torch.no_grad()
    def unscaled(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return the pictures' vectors as the model has them, not of unit length, (B, D) float32, on the CPU."""
        framed = torch.stack([self.dual.framing.framed(picture) for picture in pictures])
        return torch.cat([self._features(part) for part in framed.split(_BATCH)])

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors, (B, D) float32, on the CPU."""
        model: Any = self.dual.model
        parts = self.dual.tokens(texts).to(model.device).split(_BATCH)
        found = [model.get_text_features(part).pooler_output for part in parts]
        return functional.normalize(torch.cat(found).float(), dim=-1).cpu()

    @torch.no_grad()
    def patches(self, picture: Image.Image) -> Tensor:
        """Return a unit vector for each patch of the picture, row by row, (patches, width) float32.

        The vision tower's last features without its class token: where no self-supervised model is at
        hand they stand in for DINO's, under a protocol of their own.
        """
        return self.tower.patches([np.asarray(picture.convert("RGB"))])[0].float()

    @property
    def tower(self) -> VisionTransformer:
        """The vision tower alone, which stands in for DINO's where there is none."""
        model: Any = self.dual.model
        framing = self.dual.framing
        return VisionTransformer(
            tower=model.vision_model,
            name=f"vision-of-{self.name}",
            side=framing.side,
            short=framing.side,
            skipped=1,
            mean=framing.mean,
            deviation=framing.deviation,
        )

    def _embedded(self, framed: Tensor) -> Tensor:
        return functional.normalize(self._features(framed), dim=-1)

    def _features(self, framed: Tensor) -> Tensor:
        model: Any = self.dual.model
        pixels = self.dual.framing.normalised(framed).to(model.device, model.dtype)
        return model.get_image_features(pixels).pooler_output.float().cpu()


def load_encoder(source: str | Path, *, device: str | torch.device = "cpu") -> Encoder:
    """The encoder that `source` names; see `retouch.models.clip.load_clip`, whose errors it raises."""
    return Encoder(load_clip(source, device=device))


def directional_similarity(pictures: Tensor, texts: Tensor) -> Tensor:
    """Cosine of the change in pictures and the change in texts, (B,) from sides (B, 2, D) each.

    sim_dir of InstructPix2Pix (arXiv 2211.09800, section 3.1); 0 where either side does not change.
    """
    moved = pictures[:, 1] - pictures[:, 0]
    meant = texts[:, 1] - texts[:, 0]
    # Equal pictures may differ in their last digits by their place in a batch, which is no direction.
    still = torch.minimum(moved.norm(dim=-1), meant.norm(dim=-1)) < _STILL
    return functional.cosine_similarity(moved, meant, dim=-1).masked_fill(still, 0)


def patch_similarity(encoder: Encoder, one: Image.Image, other: Image.Image) -> float:
    """Likeness of two pictures of a size in [0, 1]: the mean over patches of (cosine + 1) / 2.

    LangDesign measures so with DINOv2's patches; here they are the encoder's own (`Encoder.patch_protocol`).
    """
    cosines = (encoder.patches(one) * encoder.patches(other)).sum(dim=-1)
    return float((cosines.mean() + 1) / 2)
