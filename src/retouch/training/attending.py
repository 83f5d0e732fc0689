"""Attention that trains fast on a CPU, whose fused kernel has a slow backward pass over few tokens."""

from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0
from torch import Tensor


class AttendByLength:
    """Plain matrix products where a picture has at most `few` tokens, the fused kernel above.

    The two compute the same; the kernel's backward pass is the slower one for few tokens, and products for many.
    """

    def __init__(self, few: int = 256) -> None:
        self._few, self._plain, self._fused = few, AttnProcessor(), AttnProcessor2_0()

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        tokens = hidden_states.shape[-2] if hidden_states.ndim == 3 else hidden_states[0, 0].numel()
        chosen = self._plain if tokens <= self._few else self._fused
        return chosen(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
