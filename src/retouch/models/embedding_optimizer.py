"""The network that turns an image encoder's tokens of an object into tokens that stand in for words.

`EmbeddingOptimizer` of "Visually guided insertion": a projection, attention pooling by queries, a perceptron of four
layers. There the queries are drawn anew at every call; here they are learned.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from retouch.core.errors import ModelError

_HEADS = 8


class EmbeddingOptimizer(nn.Module):
    """(B, N, D) tokens of a picture to (B, Q, C) tokens; published: D 1024, Q 77, C 768."""

    def __init__(self, *, width: int = 1024, queries: int = 77, context: int = 768) -> None:
        super().__init__()
        self.projection_layer = nn.Linear(width, context)
        self.attention_pooling = nn.MultiheadAttention(context, _HEADS, batch_first=True)
        self.queries = nn.Parameter(torch.randn(queries, context))
        self.mlp_fc1 = nn.Linear(context, context)
        self.mlp_fc2 = nn.Linear(context, context)
        self.mlp_fc3 = nn.Linear(context, context)
        self.mlp_fc4 = nn.Linear(context, context)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) to (B, Q, C)."""
        seen = self.projection_layer(tokens)
        queries = self.queries.to(seen.dtype).expand(len(seen), -1, -1)
        pooled, _ = self.attention_pooling(queries, seen, seen, need_weights=False)
        for layer in (self.mlp_fc1, self.mlp_fc2, self.mlp_fc3):
            pooled = functional.relu(layer(pooled))
        return self.mlp_fc4(pooled)


def optimizer_of(weights: Mapping[str, Tensor], source: str, *, queries: int = 77, seed: int = 0) -> EmbeddingOptimizer:
    """The optimizer with these weights.

    A published file has no queries: there they are `queries` drawn by `seed`, and stay.

    Raises:
        ModelError: the weights are not those of an optimizer.
    """
    try:
        context, width = weights["projection_layer.weight"].shape
        drawn = torch.randn(queries, context, generator=Generator().manual_seed(seed))
        learned = cast(Tensor, weights.get("queries", drawn))
        optimizer = EmbeddingOptimizer(width=width, queries=len(learned), context=context)
        optimizer.load_state_dict({**weights, "queries": learned})
    except (KeyError, ValueError, RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise ModelError(f"'{source}' holds no embedding optimizer ({reason}); get the file again.") from error
    return optimizer.eval().requires_grad_(False)
