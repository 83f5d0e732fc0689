"""Attention control told once more, slowly: every map in full, loops instead of indices."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class PlainControl:
    """A control whose layers keep all logits and maps; subclasses change them."""

    def __init__(self) -> None:
        self.index = self.total = self.pairs = 0

    @contextmanager
    def over(self, unet: Any) -> Iterator[None]:
        before = dict(unet.attn_processors)
        unet.set_attn_processor({name: _Plain(self, name) for name in before})
        yield
        unet.set_attn_processor(before)

    def before(self, step: Any, latents: Tensor) -> Tensor:
        self.index, self.total, self.pairs = step.index, step.total, len(latents) // 2
        return latents

    def after(self, step: Any, latents: Tensor) -> Tensor:
        return latents

    def logits(self, logits: Tensor, crosses: bool) -> Tensor:
        return logits

    def maps(self, maps: Tensor, crosses: bool, name: str) -> Tensor:
        return maps


class _Plain:
    def __init__(self, control: PlainControl, name: str) -> None:
        self.control, self.name = control, name

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        read = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        rows, positions, width = hidden_states.shape
        heads, size = attn.heads, width // attn.heads

        def by_head(projected: Tensor) -> Tensor:
            return projected.view(rows, -1, heads, size).permute(0, 2, 1, 3)

        query, key, value = by_head(attn.to_q(hidden_states)), by_head(attn.to_k(read)), by_head(attn.to_v(read))
        crosses = encoder_hidden_states is not None
        logits = self.control.logits(torch.einsum("rhtd,rhld->rhtl", query, key) / size**0.5, crosses)
        maps = self.control.maps(logits.softmax(-1), crosses, self.name)
        mixed = torch.einsum("rhtl,rhld->rhtd", maps, value).permute(0, 2, 1, 3).reshape(rows, positions, width)
        return attn.to_out[1](attn.to_out[0](mixed))


class PlainSwap(PlainControl):
    """InstructPix2Pix's: the second prompt's logits become the first's."""

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__()
        self.shares = shares

    def logits(self, logits: Tensor, crosses: bool) -> Tensor:
        if crosses:
            return logits
        logits = logits.clone()
        branches = len(logits) // (2 * self.pairs)
        for branch in range(branches):
            for pair, share in enumerate(self.shares):
                if share > self.index / (self.total - 1):
                    first = branch * 2 * self.pairs + pair
                    logits[first + self.pairs] = logits[first]
        return logits


class PlainPromptToPrompt(PlainControl):
    """The published controllers: maps of the half with the text alone."""

    def __init__(self, change, cross_share, self_share, limit=256, words=None) -> None:
        super().__init__()
        self.change, self.cross_share, self.self_share, self.limit = change, cross_share, self_share, limit
        self.words = words
        self.seen: list[Tensor] = []

    def maps(self, maps: Tensor, crosses: bool, name: str) -> Tensor:
        maps = maps.clone()
        for pair in range(self.pairs):
            source, target = len(maps) - 2 * self.pairs + pair, len(maps) - self.pairs + pair
            if crosses and self.index < int(self.cross_share * (self.total + 1)):
                maps[target] = self.change(maps[source], maps[target])
            if not crosses and self.index < int(self.self_share * self.total) and maps.shape[2] <= self.limit:
                maps[target] = maps[source]
        if crosses and not name.startswith("mid"):
            self.seen.append(maps[-2 * self.pairs :])
        return maps

    def after(self, step: Any, latents: Tensor) -> Tensor:
        if self.words is None:
            return latents
        latents = latents.clone()
        height, width = latents.shape[-2:]
        for pair in range(self.pairs):
            inside = torch.zeros(height, width, dtype=torch.bool)
            for row, places in ((pair, self.words[0]), (self.pairs + pair, self.words[1])):
                shown = torch.zeros(height, width)
                for maps in self.seen:
                    shown += sum(maps[row, :, :, place].mean(0) for place in places).view(height, width)  # type: ignore
                pooled = functional.max_pool2d(shown[None, None], 3, 1, 1)[0, 0]
                inside |= pooled / pooled.max() > 0.3
            source, target = latents[pair], latents[self.pairs + pair]
            latents[self.pairs + pair] = torch.where(inside, target, source)
        return latents
