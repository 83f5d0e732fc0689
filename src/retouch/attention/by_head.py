"""Attention on a processor by the faster of two ways: torch's fused kernel, or products of matrices by some rows."""

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

from retouch.attention.layers import keys, output, queries, values

WIDE = 64
"""Width of a head from which products are faster; the fused kernel wins below it (`python bench/attention.py`)."""
ROWS = 1024
"""Positions that attend together: what bounds the memory of the products."""


def attend_by_head(network: nn.Module) -> None:
    """Let the layers of a U-Net or an autoencoder with heads of `WIDE` or more attend by products, exactly as before.

    The same computation in another order; for networks on the CPU.
    """
    processor = AttendByProducts()
    for module in network.modules():
        if isinstance(module, Attention) and isinstance(module.processor, AttnProcessor2_0) and _is_wide(module):
            module.set_processor(processor)


def attended(query: Tensor, key: Tensor, value: Tensor, *, rows: int = ROWS) -> Tensor:
    """softmax(QKᵀ/√d)·V for (R, heads, T, d) and (R, heads, L, d), as (R, heads, T, d), `rows` of T at a time."""
    turned = key.transpose(-1, -2)
    scaled = query * query.shape[-1] ** -0.5
    parts = [torch.softmax(part @ turned, dim=-1) @ value for part in scaled.split(rows, dim=-2)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)


class AttendByProducts:
    """A processor that attends by `attended` where nothing is added to the logits, else by the fused kernel."""

    def __init__(self) -> None:
        self._fused = AttnProcessor2_0()

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        if attention_mask is not None:
            return self._fused(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        tokens = hidden_states.flatten(2).transpose(1, 2) if hidden_states.ndim == 4 else hidden_states
        if attn.group_norm is not None:
            tokens = attn.group_norm(tokens.transpose(1, 2)).transpose(1, 2)
        read = tokens if encoder_hidden_states is None else encoder_hidden_states
        answer = output(attn, attended(queries(attn, tokens), keys(attn, read), values(attn, read)))
        if hidden_states.ndim == 4:
            answer = answer.transpose(1, 2).unflatten(2, hidden_states.shape[2:])
        if attn.residual_connection:
            answer = answer + hidden_states
        return answer / attn.rescale_output_factor


def _is_wide(layer: Attention) -> bool:
    plain = (layer.spatial_norm, layer.norm_q, layer.norm_k, layer.norm_cross)
    return layer.inner_dim // layer.heads >= WIDE and not any(plain)
