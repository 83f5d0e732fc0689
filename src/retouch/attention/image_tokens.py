"""Decoupled cross-attention: what a U-Net reads of pictures beside the text (IP-Adapter, arXiv 2308.06721)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from retouch.attention.control import adding
from retouch.attention.layers import cross_layers, grid, output, probabilities, queries
from retouch.core.errors import SettingsError
from retouch.diffusion.loop import Step
from retouch.models.ip_adapter import IMAGE_TOKENS, ImagePrompt

_NOTHING = -1e4
"""Added to the logits of a reference that does not count in a place."""


class ImageTokens:
    """Z = Attention(Q, K, V) + Σ λ·Attention(Q, K', V') in every layer that reads the text (equation 5), a sum over
    adapters, each with its scale λ.

    Each call of the U-Net brings the tokens of its branches among its added conditions, as `UNetPredictor` does;
    branches without tokens read the adapter's "no picture". Several references of one adapter are read together: the
    logits of one that counts w of the largest w_max in a place get ln(w / w_max), the answer counts w_max; so equal
    ones may come in any order, one of weight 0 is as if it were not there, and outside all regions nothing is added.
    An adapter of scale 0 is not put in. Whatever else controls the layers goes on as it is, except that one that lets
    them attend for itself has to be there first.
    """

    def __init__(self, prompts: Sequence[ImagePrompt]) -> None:
        self._prompts = {place: prompt for place, prompt in enumerate(prompts) if prompt.scale != 0}
        self._reading: dict[int, Tensor] = {}
        self._size = (0, 0)
        self._nulls: dict[int, Tensor] = {}
        self._known: dict[tuple[int, int, int], tuple[Tensor | None, Tensor]] = {}

    @contextmanager
    def over(self, unet: UNet2DConditionModel) -> Iterator[None]:
        """Let the U-Net read the tokens; leaving takes everything out again.

        Raises:
            SettingsError: image tokens are put in already.
            ModelError: an adapter is for another U-Net, or a layer attends in a way that would be lost.
        """
        for prompt in self._prompts.values():
            prompt.adapter.check(unet)
        if not self._prompts:
            yield
            return
        layers = cross_layers(unet)
        numbers = {name: number for number, name in enumerate(layers)}
        with adding(layers, lambda name: partial(self._answer, numbers[name])):
            hook = unet.register_forward_pre_hook(self._hear, with_kwargs=True)
            try:
                yield
            finally:
                hook.remove()

    def before(self, step: Step, latents: Tensor) -> Tensor:  # noqa: ARG002
        """Leave the latents as they are."""
        return latents

    def after(self, step: Step, latents: Tensor) -> Tensor:  # noqa: ARG002
        """Leave the latents as they are."""
        return latents

    def _hear(self, _unet: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """See what the call at hand is to read."""
        sample: Tensor = arguments[0] if arguments else named["sample"]
        branches = (named.get("added_cond_kwargs") or {}).get(IMAGE_TOKENS, ((),))
        self._size = (sample.shape[-2], sample.shape[-1])
        self._reading = {
            place: self._tokens(place, prompt, branches, sample) for place, prompt in self._prompts.items()
        }

    def _tokens(self, place: int, prompt: ImagePrompt, branches: Sequence[Sequence[Tensor]], sample: Tensor) -> Tensor:
        """(K·B, R·T, D), branch by branch."""
        height, width = prompt.strength.shape[-2:]
        if (height, width) not in ((1, 1), self._size):
            raise SettingsError(
                f"The regions of the references are {height} x {width} cells, the latents {self._size[0]} x "
                f"{self._size[1]}; give each reference a region of the picture's size."
            )
        count = len(sample) // len(branches)
        parts = [branch[place] if branch else self._null(place, prompt, count) for branch in branches]
        if any(len(part) != count or count % len(prompt.strength) for part in parts):
            raise SettingsError(
                f"There are image tokens for {len(parts[0])} samples and strengths for {len(prompt.strength)}, but "
                f"{count} samples; give each sample its references."
            )
        return torch.cat([part.to(sample.device) for part in parts])

    def _null(self, place: int, prompt: ImagePrompt, count: int) -> Tensor:
        if place not in self._nulls:
            with torch.no_grad():
                self._nulls[place] = prompt.adapter.project(prompt.adapter.null_embedding())
        return self._nulls[place].repeat(count, prompt.strength.shape[1], 1)

    def _answer(self, number: int, layer: Any, hidden: Tensor) -> Tensor:
        """What the adapters add to a layer's answer, (K·B, T, C): their part of the sum through its last projection."""
        query = queries(layer, hidden)
        total: Tensor | None = None
        for place, prompt in self._prompts.items():
            read, bias, factor = self._read(place, number, layer, query)
            mixed = probabilities(query, read[0], bias) @ read[1] * (prompt.scale * factor)
            total = mixed if total is None else total + mixed
        assert total is not None
        answer, own = output(layer, total), layer.to_out[0].bias
        return answer if own is None else answer - own.to(answer)

    def _read(
        self, place: int, number: int, layer: Attention, query: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor | None, Tensor]:
        """Keys and values, (K·B, heads, L, d), the bias of the logits and what the answer counts."""
        prompt = self._prompts[place]
        key, value = (
            read.unflatten(-1, (layer.heads, -1)).transpose(1, 2).to(query)
            for read in prompt.adapter.attention(number, self._reading[place])
        )
        rows, positions = len(query), query.shape[2]
        if (place, rows, positions) not in self._known:
            self._known[place, rows, positions] = _weighed(prompt, self._size, rows, positions)
        bias, factor = self._known[place, rows, positions]
        return (key, value), None if bias is None else bias.to(query), factor.to(query)


def _weighed(prompt: ImagePrompt, size: tuple[int, int], rows: int, positions: int) -> tuple[Tensor | None, Tensor]:
    """The bias by which references count among each other, (K·B, P, L), and how much in all, (K·B, 1, P, 1).

    P is the layer's positions, or 1 where every place counts alike.
    """
    strength = prompt.strength.float()
    if strength.shape[-2:] != (1, 1):
        strength = functional.adaptive_avg_pool2d(strength, grid(size, positions))
    strength = strength.flatten(2).repeat(rows // len(strength), 1, 1)
    most = strength.amax(dim=1)
    bias = None
    if (strength != most[:, None]).any():
        share = strength / most[:, None].clamp_min(torch.finfo(torch.float32).tiny)
        bias = share.log().clamp_min(_NOTHING).repeat_interleave(prompt.adapter.tokens, dim=1).transpose(1, 2)
    return bias, most[:, None, :, None]
