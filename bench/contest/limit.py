"""How much of a GPU's arithmetic an edit takes up."""

import time
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

BRANCHES = 3
SIDE, PRODUCTS = 8192, 20


class Limit:
    """What a GPU does in a second at most, and how many operations an edit by the model in a folder is."""

    def __init__(self, folder: Path) -> None:
        with torch.device("meta"):
            self._unet, self._vae = _shape(UNet2DConditionModel, folder / "unet"), _shape(AutoencoderKL, folder / "vae")
        self.rate = products_a_second()
        """Floating-point operations a second in products of large matrices of bfloat16, measured."""
        print(f"products of matrices: {self.rate / 1e12:.0f} TFLOP/s", flush=True)

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


def products_a_second() -> float:
    """Floating-point operations a second of products of square matrices in bfloat16."""
    one, other = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        torch.mm(one, other)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(PRODUCTS):
        torch.mm(one, other)
    torch.cuda.synchronize()
    return PRODUCTS * 2 * SIDE**3 / (time.perf_counter() - began)


def _shape(network: Any, folder: Path) -> Any:
    return network.from_config(network.load_config(folder))


def _counted(network: Any, *inputs: torch.Tensor) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return float(counter.get_total_flops())
