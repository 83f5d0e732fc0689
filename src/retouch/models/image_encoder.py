"""The picture half of a CLIP model: what references are read by."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from retouch.models.clip import Framing, load_clip
from retouch.models.pocket import CLIP_MEMBER, POCKET

POCKET_ENCODER = f"{POCKET}/{CLIP_MEMBER}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """What an encoder says of B pictures, with N patches each.

    last: (B, 1 + N, D), the last layer's, the class token first, before the final norm.
    penultimate: (B, 1 + N, D), those of the layer before.
    pooled: (B, D), the class token after the final norm (`pooler_output`).
    embedded: (B, P), in the space of texts, not of unit length (`image_embeds`); `pooled` where there is no such space.
    """

    last: Tensor
    penultimate: Tensor
    pooled: Tensor
    embedded: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageEncoder:
    """A CLIP vision tower with its projection, in evaluation mode, how it wants pictures, and where it came from."""

    tower: nn.Module
    projection: nn.Module
    framing: Framing
    source: str

    @property
    def width(self) -> int:
        """Of a token."""
        config: Any = self.tower.config
        return int(config.hidden_size)

    @property
    def joint_width(self) -> int:
        """Of an embedding in the space of texts."""
        return self.projection.out_features if isinstance(self.projection, nn.Linear) else self.width

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """The tower and its projection."""
        return self.tower, self.projection

    @property
    def weight(self) -> Tensor:
        """A weight of the tower: on its device, of its type."""
        return next(self.tower.parameters())

    @property
    def tokens(self) -> int:
        """Tokens of a picture, the class token included."""
        config: Any = self.tower.config
        return 1 + (int(config.image_size) // int(config.patch_size)) ** 2

    def framed(self, square: Image.Image) -> Tensor:
        """A square picture at the encoder's size, (3, side, side) uint8."""
        return self.framing.framed(square)

    def __call__(self, framed: Tensor) -> Features:
        """Read pictures, (B, 3, side, side) uint8, on the encoder's device and in its type."""
        return self.read(self.framing.normalised(framed).to(self.weight.device, self.weight.dtype))

    def read(self, pixels: Tensor) -> Features:
        """Read pictures already normalised, (B, 3, side, side)."""
        found: Any = self.tower(pixel_values=pixels, output_hidden_states=True)
        pooled = found.pooler_output
        return Features(
            last=found.last_hidden_state,
            penultimate=found.hidden_states[-2],
            pooled=pooled,
            embedded=self.projection(pooled),
        )


def load_image_encoder(
    source: str | Path = POCKET_ENCODER,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> ImageEncoder:
    """The image encoder of the CLIP model that `source` names; see `retouch.models.clip.load_clip` for its errors."""
    dual = load_clip(source, dtype=dtype, device=device)
    model: Any = dual.model
    return ImageEncoder(
        tower=model.vision_model, projection=model.visual_projection, framing=dual.framing, source=dual.source
    )
