"""Small image encoders and IP-Adapters with random weights, and published files told name by name."""

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTokenizer

from retouch.models.clip import TINY_CLIP, random_clip
from retouch.models.image_encoder import ImageEncoder
from retouch.models.ip_adapter import IPAdapter, Variant, fresh_ip_adapter

READS: dict[Variant, int] = {"base": TINY_CLIP.joint_width, "plus": TINY_CLIP.vision_width}


def tiny_encoder(tokenizer: CLIPTokenizer) -> ImageEncoder:
    dual = random_clip(TINY_CLIP, tokenizer)
    return ImageEncoder(
        tower=dual.model.vision_model, projection=dual.model.visual_projection, framing=dual.framing, source="tiny"
    )


def tiny_adapter(
    unet: UNet2DConditionModel, encoder: ImageEncoder, variant: Variant = "base", seed: int = 0
) -> IPAdapter:
    """An adapter whose keys and values are not the text's."""
    adapter = fresh_ip_adapter(unet, encoder, variant=variant, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in adapter.attention.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    for module in adapter.modules.values():
        module.eval().requires_grad_(False)
    return adapter


def embeddings_of(variant: Variant, count: int = 2, references: int = 1, seed: int = 3) -> Tensor:
    """(B, R, …) as a pipeline has them."""
    tokens = () if variant == "base" else (5,)
    shape = (count, references, *tokens, READS[variant])
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def published_file(variant: Variant, *, layers: int, width: int, channels: int) -> dict[str, Tensor]:
    """What a published file holds, name by name, for a U-Net whose layers all have so many channels."""
    reads, inner = READS[variant], 128
    shapes: dict[str, tuple[int, ...]] = {}
    if variant == "base":
        shapes |= {"image_proj.proj.weight": (4 * width, reads), "image_proj.proj.bias": (4 * width,)}
        shapes |= {"image_proj.norm.weight": (width,), "image_proj.norm.bias": (width,)}
    else:
        shapes |= {"latents": (1, 16, inner), "proj_in.weight": (inner, reads), "proj_in.bias": (inner,)}
        shapes |= {"proj_out.weight": (width, inner), "proj_out.bias": (width,)}
        shapes |= {"norm_out.weight": (width,), "norm_out.bias": (width,)}
        for layer in range(4):
            for norm in ("0.norm1", "0.norm2", "1.0"):
                shapes |= {f"layers.{layer}.{norm}.{part}": (inner,) for part in ("weight", "bias")}
            shapes |= {f"layers.{layer}.0.to_q.weight": (128, inner), f"layers.{layer}.0.to_kv.weight": (256, inner)}
            shapes |= {f"layers.{layer}.0.to_out.weight": (inner, 128)}
            shapes |= {f"layers.{layer}.1.1.weight": (4 * inner, inner)}
            shapes |= {f"layers.{layer}.1.3.weight": (inner, 4 * inner)}
        shapes = {f"image_proj.{name}": shape for name, shape in shapes.items()}
    for place in range(layers):
        for part in "kv":
            shapes[f"ip_adapter.{2 * place + 1}.to_{part}_ip.weight"] = (channels, width)
    generator = torch.Generator().manual_seed(7)
    return {name: torch.randn(shape, generator=generator) / 4 for name, shape in shapes.items()}
