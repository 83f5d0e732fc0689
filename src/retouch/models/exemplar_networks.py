"""The networks that turn the features of a reference into what the U-Net's cross-attention reads.

`ReferenceMapper` is Paint-by-Example's (arXiv 2211.13227, section 3.2), its parameters named as diffusers names them;
`DetailMapper` is Subject Inpainting's visual-detail-preserving module.
"""

from collections.abc import Iterable

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn
from torch.nn import functional

_DETAIL_HEADS = 8


class _Blocks(nn.Module):
    """Residual attention blocks; (B, L, D) to the same."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            BasicTransformerBlock(width, heads, width // heads, activation_fn="gelu", attention_bias=True)
            for _ in range(layers)
        )

    def forward(self, features: Tensor) -> Tensor:
        for block in self.blocks:
            features = block(features)
        return features


class ReferenceMapper(nn.Module):
    """A pooled feature of width D to one token of width C, and the token of no reference.

    Published: D 1024, 5 layers, C 768.
    """

    def __init__(self, *, width: int, layers: int, context: int) -> None:
        super().__init__()
        self.mapper = _Blocks(width, layers, 1)
        self.final_layer_norm = nn.LayerNorm(width)
        self.proj_out = nn.Linear(width, context)
        self.uncond_vector = nn.Parameter(torch.randn(1, 1, context))

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, D) to (B, 1, C)."""
        return self.proj_out(self.final_layer_norm(self.mapper(pooled[:, None])))


class DetailMapper(nn.Module):
    """Patch features, (B, N, D), to `grid` × `grid` tokens of width C: means over as many parts of the picture.

    Published: N 256, D 1024, 5 layers of 8 heads, one token (grid 1), C 768.
    """

    def __init__(self, *, width: int, layers: int, context: int, grid: int = 1) -> None:
        super().__init__()
        self.grid = grid
        self.mapper = _Blocks(width, layers, _DETAIL_HEADS if width % _DETAIL_HEADS == 0 else 1)
        self.final_layer_norm = nn.LayerNorm(width)
        self.proj_out = nn.Linear(width, context)

    def forward(self, patches: Tensor) -> Tensor:
        """(B, N, D), N a square, row by row, to (B, grid², C)."""
        seen = self.final_layer_norm(self.mapper(patches))
        side = round(seen.shape[1] ** 0.5)
        cells = seen.transpose(1, 2).unflatten(2, (side, side))
        return self.proj_out(functional.adaptive_avg_pool2d(cells, self.grid).flatten(2).transpose(1, 2))


def layers_in(names: Iterable[str]) -> int:
    """How many blocks a mapper of these parameter names has."""
    numbers = {int(name.split(".")[2]) for name in names if name.startswith("mapper.blocks.")}
    return max(numbers, default=-1) + 1
