"""How much of a machine's arithmetic an edit takes up."""

import time
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

BRANCHES = 3
PRODUCTS = {"cuda": (8192, 23), "cpu": (4096, 7)}
"""The side of square matrices, and how many products of them are timed."""


class Limit:
    """What a device does in a second at most, and how many operations an edit by the model in a folder is."""

    def __init__(self, folder: Path, device: str) -> None:
        with torch.device("meta"):
            self._unet, self._vae = _shape(UNet2DConditionModel, folder / "unet"), _shape(AutoencoderKL, folder / "vae")
        self.rate = products_a_second(device, torch.bfloat16)
        """Floating-point operations a second in products of large matrices of bfloat16, measured."""
        single = products_a_second(device, torch.float32)
        print(f"products of matrices: {self.rate / 1e12:.3g} TFLOP/s, {single / 1e12:.3g} in float32", flush=True)

    def operations(self, side: int, *, steps: int, pictures: int) -> float:
        """Of an edit of pictures of one source: all branches at every step, one picture encoded, all decoded."""
        cells = side // 2 ** (len(self._vae.config["block_out_channels"]) - 1)
        with torch.device("meta"):
            context = torch.empty(BRANCHES, 77, self._unet.config["cross_attention_dim"])
            latents = torch.empty(BRANCHES, self._unet.config["in_channels"], cells, cells)
            step = _counted(self._unet, latents, torch.empty(()), context)
            encode = _counted(self._vae.encoder, torch.empty(1, 3, side, side))
            decode = _counted(self._vae.decoder, torch.empty(1, self._vae.config["latent_channels"], cells, cells))
        return pictures * (steps * step + decode) + encode


def products_a_second(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations a second of products of large square matrices, of the fastest of some."""
    side, products = PRODUCTS[device]
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = [_seconds(one, other) for _ in range(products)]
    return 2 * side**3 / min(seconds)


def _seconds(one: torch.Tensor, other: torch.Tensor) -> float:
    began = time.perf_counter()
    torch.mm(one, other)
    if one.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _shape(network: Any, folder: Path) -> Any:
    return network.from_config(network.load_config(folder))


def _counted(network: Any, *inputs: torch.Tensor) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return float(counter.get_total_flops())
