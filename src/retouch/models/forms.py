"""The networks that something else than plain torch computes: what it is given of a call, and what it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from retouch.models.checkpoint import Checkpoint
from retouch.models.levels import ShortUNet, WholeUNet, copied, fine_layers

Call = tuple[tuple[Any, ...], Mapping[str, Any]]
"""The arguments of a call, and its named ones."""


class Form(Protocol):
    """A network, and the one way of calling it that what computes it knows."""

    @property
    def name(self) -> str:
        """The network's part in the model."""
        ...

    @property
    def network(self) -> nn.Module:
        """The torch network, the source of all weights."""
        ...

    @property
    def facts(self) -> Mapping[str, object]:
        """What the network's structure depends on."""
        ...

    @property
    def step(self) -> int:
        """What the sides of its cells are multiples of."""
        ...

    def example(self, rows: int, height: int, width: int) -> Call:
        """A call with noise for `rows` samples of (height, width) cells, each a multiple of `step`."""
        ...

    def inputs(self, call: Call) -> tuple[Tensor, ...] | None:
        """What is given for a call; None for one that is not of this form."""
        ...

    @property
    def answers(self) -> int:
        """How many tensors there are in an answer, the network's own first."""
        ...

    def outputs(self, answer: Tensor) -> Any:
        """What the call returns, where it is the network's."""
        ...

    def by_torch(self, call: Call) -> tuple[Tensor, ...]:
        """What torch answers, each tensor in its place."""
        ...

    def shown(self, network: nn.Module) -> nn.Module:
        """What takes `inputs` and gives the answers, over the layers of `network`, this one or a copy."""
        ...


@dataclass(frozen=True, eq=False)
class UNetForm:
    """A U-Net called with latents (R, C, h, w), a time and a context (R, L, D), and nothing beside.

    The features of the time are made outside, in float32: in bfloat16 a time of 999 is one of 1000. The answers
    after the first are what each layer of its finest level was given on the way up.
    """

    unet: UNet2DConditionModel

    name = "unet"

    @property
    def answers(self) -> int:
        """See `Form`."""
        return 1 + fine_layers(self.unet)

    @property
    def network(self) -> nn.Module:
        """See `Form`."""
        return self.unet

    @property
    def facts(self) -> Mapping[str, object]:
        """See `Form`."""
        return _facts(self.unet.config)

    @property
    def step(self) -> int:
        """See `Form`."""
        return 2**self.unet.num_upsamplers

    def example(self, rows: int, height: int, width: int) -> Call:
        """See `Form`."""
        config, unet = self.unet.config, self.unet
        latents = _noise((rows, config["in_channels"], height, width)).to(unet.dtype)
        context = _noise((rows, 12, config["cross_attention_dim"])).to(unet.dtype)
        return (latents, torch.tensor(501)), {"encoder_hidden_states": context, "return_dict": False}

    def inputs(self, call: Call) -> tuple[Tensor, ...] | None:
        """See `Form`."""
        arguments, named = call
        if len(arguments) != 2 or set(named) != {"encoder_hidden_states", "return_dict"} or named["return_dict"]:
            return None
        latents, time = arguments
        if not isinstance(time, Tensor) or not _divisible(latents, self.step):
            return None
        features: Tensor = self.unet.time_proj(time.to(latents.device).reshape(-1).expand(len(latents)))
        return latents, features, named["encoder_hidden_states"]

    def outputs(self, answer: Tensor) -> Any:
        """See `Form`."""
        return (answer,)

    def by_torch(self, call: Call) -> tuple[Tensor, ...]:
        """See `Form`."""
        (latents, time), named = call
        return self._layered(self.unet)(latents, time, encoder_hidden_states=named["encoder_hidden_states"])

    def shown(self, network: nn.Module) -> nn.Module:
        """See `Form`."""
        return _Timed(self._layered(network))

    def _layered(self, network: nn.Module) -> WholeUNet:
        return WholeUNet(cast(UNet2DConditionModel, network), [1] * fine_layers(self.unet))


@dataclass(frozen=True, eq=False)
class ShortForm:
    """The last `layers` of a U-Net (`Levels.short`), called with what those are given, (R, K, h, w), then as one."""

    unet: UNet2DConditionModel
    layers: int

    answers = 1

    @property
    def name(self) -> str:
        """See `Form`."""
        return f"unet-last-{self.layers}"

    @property
    def network(self) -> nn.Module:
        """See `Form`."""
        return ShortUNet(self.unet, self.layers)

    @property
    def facts(self) -> Mapping[str, object]:
        """See `Form`."""
        return _facts(self.unet.config)

    @property
    def step(self) -> int:
        """See `Form`."""
        return UNetForm(self.unet).step

    def example(self, rows: int, height: int, width: int) -> Call:
        """See `Form`."""
        whole = UNetForm(self.unet)
        arguments, named = whole.example(rows, height, width)
        return (whole.by_torch((arguments, named))[-self.layers], *arguments), named

    def inputs(self, call: Call) -> tuple[Tensor, ...] | None:
        """See `Form`."""
        (given, *arguments), named = call
        others = UNetForm(self.unet).inputs((tuple(arguments), named))
        return None if others is None else (*others, given)

    def outputs(self, answer: Tensor) -> Any:
        """See `Form`."""
        return answer

    def by_torch(self, call: Call) -> tuple[Tensor, ...]:
        """See `Form`."""
        (given, latents, time), named = call
        context = named["encoder_hidden_states"]
        return (ShortUNet(self.unet, self.layers)(given, latents, time, encoder_hidden_states=context),)

    def shown(self, network: nn.Module) -> nn.Module:
        """See `Form`."""
        return _Timed(cast(ShortUNet, network))


@dataclass(frozen=True, eq=False)
class VAEForm:
    """Half of an autoencoder: `encoder`, from pixels (R, 3, H, W), or `decoder`, from latents (R, 4, h, w)."""

    vae: AutoencoderKL
    half: str

    answers = 1

    @property
    def name(self) -> str:
        """See `Form`."""
        return f"vae-{self.half}"

    @property
    def network(self) -> nn.Module:
        """See `Form`."""
        return getattr(self.vae, self.half)

    @property
    def facts(self) -> Mapping[str, object]:
        """See `Form`."""
        return _facts(self.vae.config)

    @property
    def step(self) -> int:
        """See `Form`."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1) if self.half == "encoder" else 1

    def example(self, rows: int, height: int, width: int) -> Call:
        """See `Form`."""
        channels = self.vae.config["in_channels" if self.half == "encoder" else "latent_channels"]
        return (_noise((rows, channels, height, width)).to(self.vae.dtype),), {}

    def inputs(self, call: Call) -> tuple[Tensor, ...] | None:
        """See `Form`."""
        arguments, named = call
        return None if len(arguments) != 1 or named or not _divisible(arguments[0], self.step) else arguments

    def outputs(self, answer: Tensor) -> Any:
        """See `Form`."""
        return answer

    def by_torch(self, call: Call) -> tuple[Tensor, ...]:
        """See `Form`."""
        return (self.network(*call[0]),)

    def shown(self, network: nn.Module) -> nn.Module:
        """See `Form`."""
        return copied(network)


def forms_of(checkpoint: Checkpoint) -> tuple[Form, ...]:
    """The networks of a checkpoint that are worth it; reading the words takes no time beside them."""
    vae = checkpoint.vae
    return UNetForm(checkpoint.unet), VAEForm(vae, "encoder"), VAEForm(vae, "decoder")


class _Timed(nn.Module):
    """A U-Net that is given the features of the time, (R, T), in the place of the time, and last what is its own."""

    def __init__(self, levels: WholeUNet | ShortUNet) -> None:
        super().__init__()
        self._time = _Time()
        levels.unet.time_proj = self._time
        self._levels = levels
        # A number would be brought to the device at each call.
        self._moment = torch.zeros((), device=next(levels.parameters()).device)

    def forward(self, latents: Tensor, features: Tensor, context: Tensor, *given: Tensor) -> Tensor:
        self._time.features = features
        return self._levels(*given, latents, self._moment, encoder_hidden_states=context)


class _Time(nn.Module):
    features: Tensor

    def forward(self, _times: Tensor) -> Tensor:
        return self.features


def _facts(config: Mapping[str, object]) -> dict[str, object]:
    """The configuration, without what tells of its place."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _divisible(cells: Tensor, step: int) -> bool:
    return cells.dim() == 4 and len(cells) > 0 and not (cells.shape[-2] % step or cells.shape[-1] % step)


def _noise(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
