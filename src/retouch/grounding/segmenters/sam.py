"""SAM, SAM 2 and the tracker of SAM 3: a mask for a box or a point (arXiv 2304.02643, 2408.00714)."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import Sam2Model, Sam3TrackerModel, SamModel

from retouch.core.errors import SettingsError
from retouch.grounding.checks import check_point
from retouch.grounding.segmenter import Segment
from retouch.grounding.segmenters.framing import HALF, Framing, read_framing, spread
from retouch.grounding.segmenters.networks import called, find_network, load_network, model_type

SIDE = 1024
TRACKER_SIDE = 1008
Placing = Literal["padded", "stretched"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Placed:
    """A picture as the network reads it; `scale` takes the picture's (x, y) there, `used` is what it fills, (W, H)."""

    pixels: Tensor
    scale: tuple[float, float]
    used: tuple[int, int]


class SamPrompter:
    """Masks for boxes and points, by any network of SAM's form.

    SAM keeps the aspect and pads to a square ("padded"); SAM 2 and 3 are shown the picture stretched to one.
    """

    def __init__(self, network: Any, framing: Framing, placing: Placing, *, name: str) -> None:
        self._network, self._framing, self._placing, self.name = network, framing, placing, name

    @torch.no_grad()
    def within(self, image: Image.Image, boxes: Tensor) -> NDArray[np.float32]:
        """The union (H, W), in 0…1, of one mask for each box (N, 4) in the picture's pixels."""
        placed = self._placed(image)
        corners = boxes.to(placed.pixels) * torch.tensor(placed.scale * 2).to(placed.pixels)
        found = self._network(pixel_values=placed.pixels, input_boxes=corners[None], multimask_output=False)
        union = torch.sigmoid(found.pred_masks[0, :, 0]).amax(dim=0)
        return self._spread(union, placed, image)

    @torch.no_grad()
    def at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """The thing at a point: of the masks of several sizes that the network offers the one it trusts most."""
        check_point(image, point)
        placed = self._placed(image)
        # A pixel's middle is half a pixel from its corner.
        x, y = ((value + 0.5) * scale for value, scale in zip(point, placed.scale, strict=True))
        found = self._network(
            pixel_values=placed.pixels,
            input_points=torch.tensor([[[[x, y]]]]).to(placed.pixels),
            input_labels=torch.ones(1, 1, 1, dtype=torch.long, device=placed.pixels.device),
            multimask_output=True,
        )
        trust = found.iou_scores[0, 0]
        best = int(trust.argmax())
        mask = self._spread(torch.sigmoid(found.pred_masks[0, 0, best]), placed, image)
        return Segment(mask=mask, score=float(trust[best].clamp(0, 1)))

    def _placed(self, image: Image.Image) -> _Placed:
        side, (width, height) = self._framing.side, image.size
        device = self._network.device
        if self._placing == "stretched":
            return _Placed(
                pixels=self._framing.squared(image).to(device), scale=(side / width, side / height), used=(side, side)
            )
        scale = side / max(width, height)
        used = int(width * scale + 0.5), int(height * scale + 0.5)
        pixels = functional.pad(self._framing.resized(image, used), (0, side - used[0], 0, side - used[1]))
        return _Placed(pixels=pixels.to(device), scale=(used[0] / width, used[1] / height), used=used)

    def _spread(self, grid: Tensor, placed: _Placed, image: Image.Image) -> NDArray[np.float32]:
        """A mask (h, w) over the network's square → (H, W) over the picture."""
        side, (width, height) = self._framing.side, placed.used
        if placed.used != (side, side):
            whole = functional.interpolate(grid[None, None], size=(side, side), mode="bilinear", align_corners=False)
            grid = whole[0, 0, :height, :width]
        return spread(grid, image)


class SamSegmenter:
    """A `Segmenter` of points alone."""

    def __init__(self, prompter: SamPrompter) -> None:
        self._prompter = prompter

    @property
    def name(self) -> str:
        """The model's source."""
        return self._prompter.name

    @property
    def threshold(self) -> float:
        """The trust below which the mask at a point is refused: SAM finds something at every point."""
        return 0.0

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        """Raise SettingsError: SAM knows no words."""
        del image
        raise SettingsError(
            f"'{self.name}' takes no phrase such as '{phrase}' but points; put a detector before it, such as "
            f"IDEA-Research/grounding-dino-tiny+{self.name}, or give a point."
        )

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """The thing at a point."""
        return self._prompter.at(image, point)


def load_sam(source: str, *, device: str = "cpu") -> SamPrompter:
    """A folder or hub id of SAM, of SAM 2 (its video models too) or of SAM 3 with its tracker; raises ModelError."""
    folder = find_network(source)
    kind = model_type(folder, source)
    network, framing, placing = SamModel, Framing(side=SIDE), "padded"
    if kind.startswith("sam3"):
        network, framing, placing = Sam3TrackerModel, Framing(side=TRACKER_SIDE, mean=HALF, deviation=HALF), "stretched"
    elif kind.startswith("sam2"):
        network, placing = Sam2Model, "stretched"
    loaded = load_network(network, folder, source, device)
    return SamPrompter(loaded, read_framing(folder, framing), placing, name=called(source))
