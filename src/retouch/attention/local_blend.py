"""Local blending: outside of where the words in question are read, the target keeps the source's latents."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from retouch.attention.words import Places

THRESHOLD = 0.3
_SMALLEST = 1e-12


class LocalBlend:
    """x ← x₀ + m·(x − x₀) with a mask m of where either text's words are read (Prompt-to-Prompt's published code).

    The maps of all steps so far, as the picture was made with them, of the encoder's and decoder's layers whose side is
    nearest to a quarter of the latents' (16² where latents are 64²) are added up over heads, layers and words,
    max-pooled 3 × 3, brought to the latents' size, divided by their maximum and compared with `threshold`.
    `words` are the places of the source's and of the target's words.
    """

    def __init__(self, words: tuple[Places, Places], *, threshold: float = THRESHOLD) -> None:
        self._words = words
        self._threshold = threshold
        self._read: dict[int, Tensor] = {}

    def begin(self) -> None:
        """Forget what another picture's steps showed."""
        self._read = {}

    def see(self, maps: Tensor) -> None:
        """Take in a layer's maps, (2n, heads, T, L): n sources, then their targets."""
        sides = maps.float().chunk(2)
        read = torch.cat([side[..., list(own)].sum(-1).mean(1) for side, own in zip(sides, self._words, strict=True)])
        positions = read.shape[-1]
        self._read[positions] = self._read[positions] + read if positions in self._read else read

    def blend(self, latents: Tensor) -> Tensor:
        """Latents (2n, C, h, w) with the targets' kept to their mask."""
        height, width = latents.shape[-2:]
        if not self._read:
            return latents
        positions = min(self._read, key=lambda found: abs(math.sqrt(height * width / found) - 4))
        shrunk = math.sqrt(height * width / positions)
        maps = self._read[positions].view(-1, 1, round(height / shrunk), round(width / shrunk))
        pooled = functional.max_pool2d(maps, 3, stride=1, padding=1)
        masks = functional.interpolate(pooled, size=(height, width))
        masks = masks / masks.amax((2, 3), keepdim=True).clamp(min=_SMALLEST) > self._threshold
        mask = (masks.chunk(2)[0] | masks.chunk(2)[1]).to(latents.dtype)
        source, target = latents.chunk(2)
        return torch.cat([source, source + mask * (target - source)])
