"""Layers of networks that weigh the cells of a picture's grid against a prompt: words, a point, an object's picture."""

import math

from torch import Tensor, nn
from torch.nn import functional


class SelfLayer(nn.Module):
    """One layer of a transformer over cells (B, N, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), CellAttention(width, heads)
        self.second_norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, cells: Tensor) -> Tensor:
        normed = self.norm(cells)
        cells = cells + self.attention(normed, normed, None)
        return cells + self.outer(functional.gelu(self.inner(self.second_norm(cells))))


class PromptedLayer(nn.Module):
    """The cells read the prompt, then look at each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.prompt = nn.LayerNorm(width), CellAttention(width, heads)
        self.around = SelfLayer(width, heads)

    def forward(self, cells: Tensor, words: Tensor, behind: Tensor | None) -> Tensor:
        return self.around(cells + self.prompt(self.norm(cells), words, behind))


class CellAttention(nn.Module):
    """Attention of (B, N, D) to (B, M, D); `behind` (B, M) are those not to look at."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ask, self.offer = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, cells: Tensor, words: Tensor, behind: Tensor | None) -> Tensor:
        asked = self.ask(cells).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = self.offer(words).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # Written out: torch's fused attention takes ten times as long on a CPU, going backward.
        scores = asked @ key.transpose(-1, -2) * (1 / math.sqrt(key.shape[-1]))
        if behind is not None:
            scores = scores.masked_fill(behind[:, None, None, :], -1e4)
        return self.out((scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2))
