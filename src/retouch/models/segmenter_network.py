"""The network of the pocket family's segmenter: pictures and prompts in, masks out.

One pass over a picture gives features on a fine grid (a quarter of its size) and on a coarse one (a sixteenth). Each
prompt, a phrase or a point, is then weighed against the coarse grid by attention; what comes out is, cell by cell,
the direction in which the fine features of the thing meant lie, so that the mask is one dot product (as the kernels
of CondInst, arXiv 2003.05664), and one logit that says whether the picture shows it at all (ReLA's no-target,
arXiv 2306.00968).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from retouch.models.cells import PromptedLayer, SelfLayer

FINE, COARSE = 4, 16
"""Pixels a side of a cell of the fine and of the coarse grid; pictures are multiples of the latter."""


@dataclass(frozen=True, kw_only=True)
class SegmenterShape:
    """The sizes of a segmenter: pictures of about `side` pixels, features of `widths` channels at 1/4, 1/8 and 1/16."""

    side: int
    widths: tuple[int, int, int]
    mask_width: int
    width: int
    layers: int
    heads: int
    text_width: int
    text_layers: int
    text_heads: int
    text_length: int


TINY_SEGMENTER = SegmenterShape(
    side=64,
    widths=(16, 16, 16),
    mask_width=8,
    width=16,
    layers=1,
    heads=2,
    text_width=32,
    text_layers=1,
    text_heads=2,
    text_length=16,
)
"""Small enough for tests."""

POCKET_SEGMENTER = SegmenterShape(
    side=256,
    widths=(48, 96, 128),
    mask_width=48,
    width=96,
    layers=2,
    heads=3,
    text_width=128,
    text_layers=2,
    text_heads=4,
    text_length=64,
)
"""The pocket family's; its text encoder is of the size of the pocket CLIP's, which it may start from."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A picture's features: `coarse` (B, D, h, w) with places added, `fine` (B, C, 4h, 4w)."""

    coarse: Tensor
    fine: Tensor


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Mask logits (B, P, H/4, W/4) and presence logits (B, P) for P prompts a picture."""

    masks: Tensor
    presence: Tensor


class PhraseSegmenter(nn.Module):
    """Pictures and prompts to masks; see the module's sentence."""

    def __init__(self, shape: SegmenterShape, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.shape = shape
        self.end = int(torch.as_tensor(tokenizer.eos_token_id))
        self.text = CLIPTextModel(_text_config(shape, tokenizer))
        self.eyes = _Eyes(shape)
        self.read = nn.Linear(shape.text_width, shape.width)
        self.at = nn.Linear(shape.width, shape.width)
        self.at_fine = nn.Linear(shape.mask_width, shape.width)
        self.heat = nn.Parameter(torch.randn(shape.width) * 0.5)
        self.asked = nn.Parameter(torch.randn(1, 1, shape.width) * 0.02)
        self.layers = nn.ModuleList(PromptedLayer(shape.width, shape.heads) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.kernels = nn.Linear(shape.width, shape.mask_width)
        self.presence = nn.Sequential(nn.Linear(shape.width, shape.width), nn.GELU(), nn.Linear(shape.width, 1))

    def look(self, pictures: Tensor) -> Seen:
        """Features of (B, 3, H, W) pictures in −1…1, H and W multiples of 16."""
        return self.eyes(pictures)

    def find(self, seen: Seen, ids: Tensor) -> Answer:
        """Answers for the phrases of (B, P, L) token ids, P a picture."""
        prompts, length = ids.shape[1:]
        flat = ids.reshape(-1, length)
        words = self.read(self.text(flat).last_hidden_state)
        ends = flat.eq(self.end).int().argmax(dim=1, keepdim=True)
        behind = torch.arange(length, device=ids.device)[None] > ends
        return self._answer(seen, words, behind, seen.coarse[:, None].expand(-1, prompts, -1, -1, -1))

    def find_at(self, seen: Seen, points: Tensor) -> Answer:
        """Answers for (B, P, 2) points, x and y as fractions of the picture."""
        batch, prompts, _ = points.shape
        flat = points.reshape(-1, 2).to(seen.coarse.dtype)
        coarse = self.at(_sampled(seen.coarse, points))
        fine = self.at_fine(_sampled(seen.fine, points))
        words = torch.stack([coarse, fine], dim=2).flatten(0, 1)
        warm = _heat(flat, seen.coarse.shape[-2:])[:, None] * self.heat.to(seen.coarse.dtype)[:, None, None]
        return self._answer(seen, words, None, seen.coarse[:, None] + warm.unflatten(0, (batch, prompts)))

    def _answer(self, seen: Seen, words: Tensor, behind: Tensor | None, coarse: Tensor) -> Answer:
        """Answers from the prompts' words (B·P, L, D), which of them lie behind the end, and cells (B, P, D, h, w)."""
        batch, prompts, _, height, width = coarse.shape
        cells = coarse.flatten(3).flatten(0, 1).transpose(1, 2)
        cells = torch.cat([self.asked.to(cells.dtype).expand(len(cells), -1, -1), cells], dim=1)
        for layer in self.layers:
            cells = layer(cells, words, behind)
        cells = self.norm(cells)
        kernels = self.kernels(cells[:, 1:]).unflatten(0, (batch, prompts))
        masks = _spread(kernels, seen.fine, (height, width)) / math.sqrt(self.shape.mask_width)
        return Answer(masks=masks, presence=self.presence(cells[:, 0]).view(batch, prompts))


class _Eyes(nn.Module):
    """A convolutional pyramid; the coarsest level looks at itself, and is added to the finer ones on the way up."""

    def __init__(self, shape: SegmenterShape) -> None:
        super().__init__()
        fine, middle, coarse = shape.widths
        grid = shape.side // COARSE
        self.stem = nn.Sequential(
            nn.Conv2d(5, fine // 2, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(fine // 2, fine, 3, 2, 1)
        )
        self.first = _Block(fine)
        self.down = nn.Conv2d(fine, middle, 2, stride=2)
        self.second = nn.Sequential(_Block(middle), _Block(middle))
        self.further_down = nn.Conv2d(middle, coarse, 2, stride=2)
        self.third = nn.Sequential(_Block(coarse), _Block(coarse))
        self.places = nn.Parameter(torch.randn(1, shape.width, grid, grid) * 0.2)
        self.joined = nn.Conv2d(coarse, shape.width, 1)
        self.around = _Around(shape.width, shape.heads)
        self.up = nn.Conv2d(shape.width, middle, 1)
        self.merged = _Block(middle)
        self.further_up = nn.Conv2d(middle, fine, 1)
        self.finest = _Block(fine)
        self.told = nn.Conv2d(fine, shape.mask_width - 1, 1)

    def forward(self, pictures: Tensor) -> Seen:
        fine = self.first(self.stem(torch.cat([pictures, _coordinates(pictures)], dim=1)))
        middle = self.second(self.down(fine))
        coarse = self.joined(self.third(self.further_down(middle)))
        places = functional.interpolate(
            self.places, size=coarse.shape[-2:], mode="bicubic", align_corners=False, antialias=False
        )
        coarse = self.around(coarse + places.to(coarse.dtype))
        middle = self.merged(middle + functional.interpolate(self.up(coarse), scale_factor=2.0))
        fine = self.finest(fine + functional.interpolate(self.further_up(middle), scale_factor=2.0))
        told = self.told(fine)
        # The last channel is 1 everywhere, so that a kernel may say where, whatever it looks like there.
        return Seen(coarse=coarse, fine=torch.cat([told, torch.ones_like(told[:, :1])], dim=1))


class _Block(nn.Module):
    """Two convolutions whose sum with the input goes on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.outer(functional.silu(self.inner(functional.silu(self.norm(features)))))


class _Around(nn.Module):
    """Every cell of the coarse grid looks at every other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second = SelfLayer(width, heads), SelfLayer(width, heads)

    def forward(self, features: Tensor) -> Tensor:
        cells = self.second(self.first(features.flatten(2).transpose(1, 2)))
        return cells.transpose(1, 2).unflatten(2, features.shape[-2:]).contiguous()


def _coordinates(pictures: Tensor) -> Tensor:
    """Where each pixel is, −1…1 across and down, (B, 2, H, W)."""
    batch, _, height, width = pictures.shape
    down, across = (torch.linspace(-1, 1, size, device=pictures.device) for size in (height, width))
    grid = torch.stack([across[None].expand(height, -1), down[:, None].expand(-1, width)])
    return grid.to(pictures.dtype).expand(batch, -1, -1, -1)


def _sampled(features: Tensor, points: Tensor) -> Tensor:
    """Features (B, C, h, w) at (B, P, 2) points, bilinear, (B, P, C)."""
    grid = (points.to(torch.float32) * 2 - 1)[:, :, None]
    found = functional.grid_sample(features.float(), grid, padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2).to(features.dtype)


def _heat(points: Tensor, size: torch.Size) -> Tensor:
    """How near each cell of a grid is to each of (N, 2) points, 1 at it and 0.6 a cell away, (N, h, w)."""
    height, width = size
    across = (torch.arange(width, device=points.device) + 0.5)[None] - points[:, :1] * width
    down = (torch.arange(height, device=points.device) + 0.5)[None] - points[:, 1:] * height
    return torch.exp(-(across[:, None, :] ** 2 + down[:, :, None] ** 2) / 2)


def _spread(kernels: Tensor, fine: Tensor, grid: tuple[int, int]) -> Tensor:
    """Logits (B, P, 4h, 4w): features (B, C, 4h, 4w) times kernels (B, P, h·w, C) as interpolated between cells.

    Each cell's kernel is multiplied with the features around it, weighted by how near they are, and the products are
    added up where they overlap: the same as a kernel for every fine cell, at a tenth of the arithmetic.
    """
    ratio = COARSE // FINE
    reach = {"kernel_size": 2 * ratio, "stride": ratio, "padding": ratio // 2}
    size = fine.shape[-2:]
    slope = 1 - (torch.arange(2 * ratio, device=fine.device) + 0.5 - ratio).abs() / ratio
    tent = (slope[:, None] * slope[None, :]).flatten()
    around = functional.unfold(fine, **reach).unflatten(1, (fine.shape[1], -1))
    around = (around * tent.to(fine.dtype)[None, None, :, None]).permute(0, 3, 1, 2)
    products = kernels.transpose(1, 2) @ around
    summed = functional.fold(products.permute(0, 2, 3, 1).flatten(0, 1).float(), size, **reach)
    weight = functional.fold(tent[None, :, None].expand(1, -1, grid[0] * grid[1]), size, **reach)
    return (summed / weight).unflatten(0, kernels.shape[:2])[:, :, 0]


def _text_config(shape: SegmenterShape, tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    marks: dict[str, Any] = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return CLIPTextConfig(
        **marks,
        vocab_size=len(tokenizer),
        hidden_size=shape.text_width,
        intermediate_size=4 * shape.text_width,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_heads,
        max_position_embeddings=shape.text_length,
    )
