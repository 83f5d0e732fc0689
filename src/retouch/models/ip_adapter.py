"""IP-Adapters (arXiv 2308.06721): what turns a picture's features into tokens, and what lets a U-Net read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from retouch.core.errors import ModelError
from retouch.models.image_encoder import ImageEncoder

Variant = Literal["base", "plus"]
TOKENS: Mapping[Variant, int] = {"base": 4, "plus": 16}
"""What the published adapters make of a picture; base ones have no other number in their format."""
HEAD = 64
"""Channels of a head of a plus adapter's attention, which its format does not say."""
DEPTH = 4
"""Layers of a plus adapter, which diffusers takes for granted."""

IMAGE_TOKENS = "image_tokens"
"""The name, among a U-Net's added conditions, of its branches' image tokens: for each branch, those of each adapter."""


class DecoupledLayer(nn.Module):
    """The second keys and values of one layer that reads the text, (D → C) each."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(width, channels, bias=False)
        self.to_v_ip = nn.Linear(width, channels, bias=False)


class DecoupledAttention(nn.Module):
    """What reads the tokens of pictures: second keys and values for all layers that read the text.

    The layers are in the published order: down blocks, up blocks, then the middle.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoupledLayer(width, channels) for width, channels in shapes)

    def forward(self, number: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of layer `number`, (B, L, C) each, of tokens (B, L, D)."""
        layer: Any = self.layers[number]
        tokens = tokens.to(layer.to_k_ip.weight.dtype)
        return layer.to_k_ip(tokens), layer.to_v_ip(tokens)


@dataclass(frozen=True, kw_only=True, eq=False)
class IPAdapter:
    """An adapter: what turns embeddings into tokens, what lets a U-Net read these, and what makes embeddings.

    An adapter without an `encoder` takes embeddings that were computed elsewhere. A base adapter's embeddings are
    (N, P), in the space of texts; a plus adapter's (N, 1 + patches, D), the layer before the last.
    """

    projection: ImageProjection | IPAdapterPlusImageProjection
    attention: DecoupledAttention
    encoder: ImageEncoder | None
    source: str

    def __post_init__(self) -> None:
        if self.encoder is None:
            return
        found = self.encoder.projection.out_features if self.variant == "base" else self.encoder.width
        if found != self.reads:
            raise ModelError(
                f"The IP-Adapter '{self.source}' reads features {self.reads} wide, the image encoder "
                f"'{self.encoder.source}' makes {found}; name the encoder that the adapter was trained with."
            )

    @property
    def variant(self) -> Variant:
        """Whether it reads the whole picture's embedding, or its patches."""
        return "base" if isinstance(self.projection, ImageProjection) else "plus"

    @property
    def tokens(self) -> int:
        """What it makes of one picture."""
        if isinstance(self.projection, ImageProjection):
            return self.projection.num_image_text_embeds
        return int(self.projection.latents.shape[1])

    @property
    def width(self) -> int:
        """Of a token: that of the texts that the U-Net reads."""
        return int(self._norm.weight.shape[0])

    @property
    def reads(self) -> int:
        """The width of the features it reads."""
        linear = (
            self.projection.image_embeds if isinstance(self.projection, ImageProjection) else self.projection.proj_in
        )
        return linear.in_features

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained, by name."""
        return {"projection": self.projection, "attention": self.attention}

    def embed(self, framed: Tensor) -> Tensor:
        """The embeddings of pictures as the encoder frames them, (N, 3, side, side) uint8; raises ModelError."""
        features = self.reader()(framed)
        return features.embedded if self.variant == "base" else features.penultimate

    def project(self, embeddings: Tensor) -> Tensor:
        """Embeddings to tokens, (N, T, D); raises ModelError where they are of another shape."""
        dimensions = 2 if self.variant == "base" else 3
        if embeddings.dim() != dimensions or embeddings.shape[-1] != self.reads:
            shape = "(N, P)" if self.variant == "base" else "(N, tokens, D)"
            raise ModelError(
                f"The embeddings are {' x '.join(map(str, embeddings.shape))}; the IP-Adapter '{self.source}' of "
                f"variant '{self.variant}' reads {shape}, {self.reads} wide."
            )
        return self.projection(embeddings.to(self._norm.weight))

    def null_embedding(self) -> Tensor:
        """What stands for "no picture": zeros, or for plus adapters what the encoder says of zeros; one embedding."""
        weight = self._norm.weight
        if self.variant == "base":
            return weight.new_zeros(1, self.reads)
        encoder = self.reader()
        side, own = encoder.framing.side, encoder.weight
        with torch.no_grad():
            return encoder.read(own.new_zeros(1, 3, side, side)).penultimate.to(weight)

    def reader(self) -> ImageEncoder:
        """Its encoder; raises ModelError where it came without."""
        if self.encoder is None:
            raise ModelError(
                f"The IP-Adapter '{self.source}' came without an image encoder, which is wanted here; name the CLIP "
                "model that it was trained with."
            )
        return self.encoder

    def check(self, unet: UNet2DConditionModel) -> None:
        """See that a U-Net can read through the layers; raises ModelError."""
        wanted = [_shape(layer) for layer in text_layers(unet)]
        found = [tuple(reversed(layer.to_k_ip.weight.shape)) for layer in self._layers]
        if found != wanted:
            raise ModelError(
                f"The IP-Adapter '{self.source}' is for a U-Net with {_told(found)}, this one has {_told(wanted)}; "
                "use it with models of the family that it was trained for."
            )

    @property
    def _layers(self) -> list[Any]:
        return list(self.attention.layers)

    @property
    def _norm(self) -> nn.LayerNorm:
        return self.projection.norm if isinstance(self.projection, ImageProjection) else self.projection.norm_out


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePrompt:
    """What an adapter makes of the references of a batch: R a sample, of T tokens each.

    tokens: (B, R·T, D), reference by reference.
    strength: (B, R, h, w) of the latents' size, or (B, R, 1, 1): how much each reference counts, and where; where
        several count in one place, they are read together, and the largest says how much.
    scale: how much all of it counts beside the text; 0 not at all.
    """

    adapter: IPAdapter
    tokens: Tensor
    strength: Tensor = field(default_factory=lambda: torch.ones(1, 1, 1, 1))
    scale: float = 1.0

    def __post_init__(self) -> None:
        expected = self.strength.shape[1] * self.adapter.tokens
        if self.tokens.dim() != 3 or self.tokens.shape[1:] != (expected, self.adapter.width):
            raise ModelError(
                f"The tokens of '{self.adapter.source}' are {' x '.join(map(str, self.tokens.shape))}; expected "
                f"{expected} x {self.adapter.width} a sample for {self.strength.shape[1]} references."
            )


def fresh_ip_adapter(
    unet: UNet2DConditionModel,
    encoder: ImageEncoder,
    *,
    variant: Variant,
    tokens: int | None = None,
    seed: int = 0,
) -> IPAdapter:
    """An adapter to train: its projection random by `seed`, its keys and values those of the text (section 3.2)."""
    width = _shape(text_layers(unet)[0])[0]
    count = tokens or TOKENS[variant]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projection = (
            ImageProjection(image_embed_dim=encoder.joint_width, cross_attention_dim=width, num_image_text_embeds=count)
            if variant == "base"
            else plus_projection(
                reads=encoder.width, inner=width, width=width, heads=max(1, width // HEAD), tokens=count
            )
        )
    adapter = IPAdapter(
        projection=projection,
        attention=DecoupledAttention([_shape(layer) for layer in text_layers(unet)]),
        encoder=encoder,
        source="fresh",
    )
    for own, layer in zip(adapter._layers, text_layers(unet), strict=True):
        own.to_k_ip.weight.data.copy_(layer.to_k.weight)
        own.to_v_ip.weight.data.copy_(layer.to_v.weight)
    return adapter


def plus_projection(
    *, reads: int, inner: int, width: int, heads: int, tokens: int, depth: int = DEPTH
) -> IPAdapterPlusImageProjection:
    """The resampler of a plus adapter."""
    return IPAdapterPlusImageProjection(
        embed_dims=reads,
        output_dims=width,
        hidden_dims=inner,
        depth=depth,
        dim_head=HEAD,
        heads=heads,
        num_queries=tokens,
    )


def text_layers(unet: UNet2DConditionModel) -> list[Any]:
    """The layers of a U-Net that read the text, in the order in which the published files number them.

    It is that of diffusers' `attn_processors`: down blocks, up blocks, then the middle.
    """
    names = [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith("attn2.processor")]
    return [unet.get_submodule(name) for name in names]


def _shape(layer: Any) -> tuple[int, int]:
    """(D, C): what it reads and what it makes of that."""
    outputs, inputs = layer.to_k.weight.shape
    return int(inputs), int(outputs)


def _told(shapes: Sequence[tuple[int, ...]]) -> str:
    widths = sorted({shape[0] for shape in shapes})
    return f"{len(shapes)} layers that read texts {' or '.join(map(str, widths))} wide"
