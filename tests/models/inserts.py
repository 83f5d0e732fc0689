"""Small insertion models with random weights, on disk and in memory, and a published optimizer name by name."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from retouch.models.checkpoint import Checkpoint
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.image_encoder import load_image_encoder
from retouch.models.insert import Insert, Null, fresh_insert


def tiny_insert(
    base: Checkpoint, encoder: Path, *, queries: int = 16, null: Null = "encoded-zero-image", seed: int = 0
) -> Insert:
    """An insertion model of random weights over `base`, whose image encoder lies in a folder."""
    insert = fresh_insert(base, load_image_encoder(encoder), queries=queries, null=null, seed=seed)
    insert.optimizer.eval().requires_grad_(False)
    return insert


def clip_folder(tokenizer: CLIPTokenizer, folder: Path) -> Path:
    return save_clip(random_clip(TINY_CLIP, tokenizer), folder, storage="float32")


def published_optimizer(width: int = 1024, context: int = 768, seed: int = 0) -> dict[str, Tensor]:
    """What `emb_opt.pt` holds: no queries."""
    shapes: dict[str, tuple[int, ...]] = {
        "projection_layer.weight": (context, width),
        "projection_layer.bias": (context,),
        "attention_pooling.in_proj_weight": (3 * context, context),
        "attention_pooling.in_proj_bias": (3 * context,),
        "attention_pooling.out_proj.weight": (context, context),
        "attention_pooling.out_proj.bias": (context,),
    }
    for layer in range(1, 5):
        shapes |= {f"mlp_fc{layer}.weight": (context, context), f"mlp_fc{layer}.bias": (context,)}
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) / context**0.5 for name, shape in shapes.items()}
