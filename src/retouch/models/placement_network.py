"""The network that says where in a picture an object may go: cells of a picture and an object's tokens in, places out.

Several places are right where one is shown, so no mask of the whole picture is asked for. Every cell says how likely
the object's middle is in it, and, if it were there, the object's box and its outline within that box.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from retouch.models.cells import PromptedLayer


@dataclass(frozen=True, kw_only=True)
class PlacementShape:
    """The sizes of a network: cells of `cells` channels, tokens of `tokens`, `outline` points a side of an outline."""

    cells: int
    tokens: int
    width: int
    layers: int
    heads: int
    outline: int


TINY_PLACEMENT = PlacementShape(cells=16, tokens=32, width=16, layers=1, heads=2, outline=8)
"""Small enough for tests, over the tiny segmenter and the tiny CLIP model."""

POCKET_PLACEMENT = PlacementShape(cells=96, tokens=128, width=96, layers=4, heads=3, outline=14)
"""The pocket family's, over the pocket segmenter's cells and the pocket CLIP's tokens."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """What a network says of an object in B pictures of h × w cells.

    likely: (B, h, w) logits, over all cells, of where the object's middle is.
    boxes: (B, 4, h, w) of an object in the cell: middle across and down, width and height, as parts of the picture.
    outlines: (B, S, S, h, w) logits of what of that box the object fills.
    """

    likely: Tensor
    boxes: Tensor
    outlines: Tensor

    def on_cpu(self) -> "Places":
        """The same in the CPU's memory."""
        return Places(likely=self.likely.cpu(), boxes=self.boxes.cpu(), outlines=self.outlines.cpu())


class PlacementNetwork(nn.Module):
    """Cells and tokens to places; see the module's sentence."""

    def __init__(self, shape: PlacementShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(shape.cells, shape.width)
        self.read = nn.Sequential(nn.LayerNorm(shape.tokens), nn.Linear(shape.tokens, shape.width))
        self.layers = nn.ModuleList(PromptedLayer(shape.width, shape.heads) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.likely = nn.Linear(shape.width, 1)
        self.boxes = nn.Linear(shape.width, 4)
        self.outlines = nn.Sequential(
            nn.Linear(shape.width, 2 * shape.width), nn.GELU(), nn.Linear(2 * shape.width, shape.outline**2)
        )
        # What `PlacementModel.least` tells: calibrated, not trained.
        self.register_buffer("least", torch.zeros(()))

    def forward(self, cells: Tensor, tokens: Tensor) -> Places:
        """Places for an object of (B, N, E) tokens in pictures of cells (B, D, h, w)."""
        height, width = cells.shape[-2:]
        features = self.enter(cells.flatten(2).transpose(1, 2))
        words = self.read(tokens)
        for layer in self.layers:
            features = layer(features, words, None)
        features = self.norm(features)
        boxes = self.boxes(features).transpose(1, 2).unflatten(2, (height, width)).float()
        outlines = self.outlines(features).transpose(1, 2).unflatten(2, (height, width))
        return Places(
            likely=self.likely(features)[..., 0].unflatten(1, (height, width)).float(),
            boxes=_boxes(boxes),
            outlines=outlines.unflatten(1, (self.shape.outline, self.shape.outline)).float(),
        )


def _boxes(told: Tensor) -> Tensor:
    """Boxes (B, 4, h, w) from what each cell tells: shifts of the middle in cells, and sizes beside a fifth."""
    height, width = told.shape[-2:]
    across = ((torch.arange(width, device=told.device) + 0.5) / width).expand(height, -1)
    down = ((torch.arange(height, device=told.device) + 0.5) / height)[:, None].expand(-1, width)
    middles = torch.stack([across + told[:, 0] / width, down + told[:, 1] / height], dim=1)
    # Up to the whole picture and down to a hundredth of it.
    sizes = 0.2 * told[:, 2:].clamp(-3.0, 1.6).exp()
    return torch.cat([middles, sizes], dim=1)


def chosen(places: Places, cells: Tensor) -> tuple[Tensor, Tensor]:
    """The boxes (B, 4) and outlines (B, S, S) of one cell each, (B,), counted row by row."""
    rows = torch.arange(len(cells), device=cells.device)
    return places.boxes.flatten(2)[rows, :, cells], places.outlines.flatten(3)[rows, :, :, cells]


def drawn(boxes: Tensor, outlines: Tensor, size: tuple[int, int]) -> Tensor:
    """How surely each pixel of pictures of `size` (height, width) is the object's, (B, H, W) in 0…1.

    `boxes` (B, 4) as in `Places`, `outlines` (B, S, S) logits.
    """
    height, width = size
    across = (torch.arange(width, device=boxes.device) + 0.5) / width
    down = (torch.arange(height, device=boxes.device) + 0.5) / height
    within = [
        2 * (line[None] - boxes[:, place, None]) / boxes[:, place + 2, None]
        for place, line in enumerate((across, down))
    ]
    grid = torch.stack([within[0][:, None].expand(-1, height, -1), within[1][:, :, None].expand(-1, -1, width)], dim=-1)
    shown = functional.grid_sample(outlines.sigmoid()[:, None], grid, padding_mode="zeros", align_corners=False)
    return shown[:, 0]
