"""A start for autoencoders that already knows colour: three latents begin as mean opponent colours.

A young autoencoder of four channels spends them on brightness and one axis of colour, and is slow to find
the other. Here the residual paths carry brightness, red–green and blue–yellow from the first step on,
averaged over 8 × 8 pixels and interpolated back; training refines that, and the fourth latent is free.
"""

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

_OPPONENT = torch.tensor([[0.299, 0.587, 0.114], [0.5, -0.5, 0.0], [-0.25, -0.25, 0.5]])
"""Brightness, red against green, blue against yellow, of red, green and blue."""

_GAINS = torch.tensor([2.0, 8.0, 6.0])
"""Bring the three, in pictures from −1 to 1, to about unit variance."""

_BALLAST = 3.0
"""Constant channels of this size keep group normalisation from taking the colours' scale away."""

_LOG_VARIANCE = -6.0


@torch.no_grad()
def start_from_colours(vae: AutoencoderKL) -> None:
    """Set the weights on the colours' way through a freshly initialised autoencoder; the others stay as they are.

    x = SiLU(x) − SiLU(−x) takes the colours through the last activation unchanged. Raises ValueError where the
    normalisation before an output has fewer than eight channels a group, or no block there widens or narrows.
    """
    colours = len(_OPPONENT)
    widths = vae.config["block_out_channels"]
    if widths[0] // vae.config["norm_num_groups"] < 2 * colours + 2 or len({widths[0], *widths[-2:]}) < 3:
        raise ValueError(
            f"An autoencoder of widths {tuple(widths)} in {vae.config['norm_num_groups']} groups cannot start from "
            "colours: it needs at least eight channels a group and different widths at both ends."
        )
    to_colours = _GAINS[:, None] * _OPPONENT
    encoder: Any = vae.encoder
    decoder: Any = vae.decoder
    _centre(encoder.conv_in, to_colours)
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            _pass_through(resnet, colours)
        for sampler in block.downsamplers or ():
            _spatial(sampler.conv, colours, _corner_mean())
    last = encoder.down_blocks[-1].resnets[-1]
    _double(last, colours)
    for resnet in encoder.mid_block.resnets:
        _quiet(resnet, 2 * colours + 2)
    _collect(encoder.conv_norm_out, encoder.conv_out, torch.eye(colours))
    encoder.conv_out.bias[vae.config["latent_channels"] :] = _LOG_VARIANCE
    _identity(vae.quant_conv)
    _identity(vae.post_quant_conv)
    _centre(decoder.conv_in, torch.eye(colours, vae.config["latent_channels"]))
    for resnet in decoder.mid_block.resnets:
        _quiet(resnet, colours)
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            _pass_through(resnet, colours)
        for sampler in block.upsamplers or ():
            _spatial(sampler.conv, colours, _binomial())
    first, *others = decoder.up_blocks[-1].resnets
    _double(first, colours)
    for resnet in others:
        _quiet(resnet, 2 * colours + 2)
    _collect(decoder.conv_norm_out, decoder.conv_out, torch.linalg.inv(to_colours))


def _corner_mean() -> Tensor:
    """2 × 2 means by a stride of two; the sampler pads on the right and below."""
    kernel = torch.zeros(3, 3)
    kernel[:2, :2] = 0.25
    return kernel


def _binomial() -> Tensor:
    """Makes nearest-neighbour enlargement bilinear."""
    return torch.outer(torch.tensor([0.25, 0.5, 0.25]), torch.tensor([0.25, 0.5, 0.25]))


def _centre(conv: Any, matrix: Tensor) -> None:
    rows, columns = matrix.shape
    middle = conv.kernel_size[0] // 2
    conv.weight[:rows] = 0
    conv.weight[:rows, :columns, middle, middle] = matrix
    conv.bias[:rows] = 0


def _spatial(conv: Any, colours: int, kernel: Tensor) -> None:
    conv.weight[:colours] = 0
    for channel in range(colours):
        conv.weight[channel, channel] = kernel
    conv.bias[:colours] = 0


def _identity(conv: Any) -> None:
    conv.weight.copy_(torch.eye(len(conv.weight))[:, :, None, None])
    conv.bias.zero_()


def _quiet(resnet: Any, channels: int) -> None:
    """The block adds nothing to its first channels yet."""
    conv = resnet.conv2
    conv.weight[:channels] = 0
    conv.bias[:channels] = 0


def _pass_through(resnet: Any, colours: int) -> None:
    _quiet(resnet, colours)
    if isinstance(resnet.conv_shortcut, nn.Conv2d):
        _centre(resnet.conv_shortcut, torch.eye(colours))


def _double(resnet: Any, colours: int) -> None:
    """The block's shortcut puts out the colours, their negatives, and a positive and a negative constant."""
    shortcut = resnet.conv_shortcut
    _quiet(resnet, 2 * colours + 2)
    _centre(shortcut, torch.cat([torch.eye(colours), -torch.eye(colours), torch.zeros(2, colours)]))
    shortcut.bias[2 * colours] = _BALLAST
    shortcut.bias[2 * colours + 1] = -_BALLAST


def _collect(norm: nn.GroupNorm, conv: Any, matrix: Tensor) -> None:
    """Read the colours from behind the last normalisation, which divides them by about the group's deviation."""
    colours = matrix.shape[1]
    group = norm.num_channels // norm.num_groups
    # In the group stand 2·colours values of about unit variance, two constants, the rest of a fifth of that.
    deviation = ((2 * colours + 2 * _BALLAST**2 + 0.2 * (group - 2 * colours - 2)) / group) ** 0.5
    _centre(conv, torch.cat([matrix, -matrix], dim=1) * deviation)
