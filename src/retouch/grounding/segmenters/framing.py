"""From a picture to what a network reads and from what it answers back to the picture: sizes, levels, resampling."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.core.errors import ModelError

Levels = tuple[float, float, float]
IMAGENET_MEAN: Levels = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Levels = (0.229, 0.224, 0.225)
HALF: Levels = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Framing:
    """How a network wants its pictures: `side` in pixels, what that means being the network's affair, and levels.

    Pixels in 0…1 have `mean` taken off and are divided by `deviation`, channel by channel.
    """

    side: int
    mean: Levels = IMAGENET_MEAN
    deviation: Levels = IMAGENET_DEVIATION
    method: Image.Resampling = Image.Resampling.BILINEAR

    def resized(self, image: Image.Image, size: tuple[int, int]) -> Tensor:
        """(1, 3, H, W) float32 of the picture brought to `size`, (W, H), whatever its aspect."""
        levels = np.asarray(image.convert("RGB").resize(size, self.method), dtype=np.float32)
        mean, deviation = (np.asarray(each, dtype=np.float32) for each in (self.mean, self.deviation))
        normalised = (levels / 255 - mean) / deviation
        return torch.from_numpy(normalised).permute(2, 0, 1).unsqueeze(0).contiguous()

    def squared(self, image: Image.Image) -> Tensor:
        """(1, 3, side, side): the picture stretched to a square."""
        return self.resized(image, (self.side, self.side))


def read_framing(folder: Path, usual: Framing) -> Framing:
    """The framing that a model's preprocessor_config.json states; what it leaves out is the usual one's.

    Raises ModelError where the file cannot be read.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return usual
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        mean, deviation = (tuple(map(float, stated.get(key) or ())) for key in ("image_mean", "image_std"))
        return replace(
            usual,
            side=_side(stated.get("size")) or usual.side,
            mean=mean if len(mean) == 3 else usual.mean,
            deviation=deviation if len(deviation) == 3 else usual.deviation,
            method=Image.Resampling(stated.get("resample", usual.method)),
        )
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"'{path}' cannot be read ({error}); restore the file.") from error


def _side(size: object) -> int | None:
    if isinstance(size, dict):
        size = next((size[key] for key in ("height", "shortest_edge", "longest_edge") if key in size), None)
    return size if isinstance(size, int) else None


def spread(grid: Tensor, image: Image.Image) -> NDArray[np.float32]:
    """(H, W) of the picture's size out of a network's (h, w) over the whole picture, bilinear, clipped to 0…1."""
    width, height = image.size
    wide = functional.interpolate(grid[None, None].float(), size=(height, width), mode="bilinear", align_corners=False)
    return np.clip(wide[0, 0].cpu().numpy(), 0, 1).astype(np.float32)


def nothing(image: Image.Image) -> NDArray[np.float32]:
    """(H, W) of zeros: the mask where nothing was found."""
    width, height = image.size
    return np.zeros((height, width), dtype=np.float32)
