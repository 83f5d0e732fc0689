"""A step of three branches with each backend, in turns, on random weights of a shape, as Markdown.

    python bench/backend.py                                   # the size of the pocket editor
    python bench/backend.py --shape sd15 --sizes 256 512      # of Stable Diffusion 1.5: 12 GiB, minutes

The first run on a machine traces the networks and keeps them; one after it shows the start from what is kept.
"""

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch

from retouch.models.architecture import POCKET, STABLE_DIFFUSION_1, TINY, Architecture, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.computed import computed
from retouch.models.openvino.attach import use_openvino
from retouch.models.openvino.kept import kept_folder
from retouch.models.tokenizer import train_tokenizer

SHAPES: dict[str, Architecture] = {"sd15": STABLE_DIFFUSION_1, "pocket": POCKET, "tiny": TINY}
BRANCHES = 3
Step = Callable[..., Any]


def main() -> None:
    """Make the networks, have them computed by each backend, and print what they take."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="pocket")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    shape = SHAPES[arguments.shape]
    checkpoint = random_checkpoint(shape, train_tokenizer(["a"], vocabulary=300, length=shape.text_length))
    whole = deepcopy(checkpoint.unet)
    half: Any = checkpoint.unet
    half.to(torch.bfloat16)
    began = time.perf_counter()
    use_openvino(checkpoint)
    print(f"OpenVINO ready after {time.perf_counter() - began:.1f} s; on disk {_megabytes():.0f} MB; ", end="")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB", flush=True)
    fast = computed(checkpoint.unet)
    assert fast is not None
    steps: dict[str, Step] = {
        "torch float32": whole.forward,
        "torch bfloat16": fast.by_torch,
        "openvino bfloat16": fast,
    }
    print(f"\n{torch.get_num_threads()} threads, load average {os.getloadavg()[0]:.1f}\n")
    print("| side | " + " | ".join(steps) + " | torch bfloat16 / openvino | error (PSNR, dB) |")
    print("|---" * (len(steps) + 3) + "|", flush=True)
    for side in arguments.sizes:
        print(_row(side, timed(checkpoint, steps, side, arguments.rounds)), flush=True)
    print(f"\nload average {os.getloadavg()[0]:.1f} at the end")


def timed(
    checkpoint: Checkpoint, steps: Mapping[str, Step], side: int, rounds: int
) -> dict[str, tuple[float, torch.Tensor]]:
    """The median seconds of each step and its answer, one after the other in each round; the first does not count."""
    spent: dict[str, list[float]] = {name: [] for name in steps}
    answers: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for _ in range(rounds + 1):
            for name, step in steps.items():
                dtype = torch.float32 if "float32" in name else torch.bfloat16
                latents, context = _inputs(checkpoint, side)
                latents, context = latents.to(dtype), context.to(dtype)
                began = time.perf_counter()
                answer = step(latents, torch.tensor(501), encoder_hidden_states=context, return_dict=False)[0]
                spent[name].append(time.perf_counter() - began)
                answers[name] = answer.float()
    return {name: (statistics.median(values[1:]), answers[name]) for name, values in spent.items()}


def _inputs(checkpoint: Checkpoint, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    unet, cells = checkpoint.unet, side // checkpoint.vae_factor
    latents = torch.randn((BRANCHES, unet.config["in_channels"], cells, cells), generator=generator)
    length = checkpoint.text_encoder.config.max_position_embeddings
    return latents, torch.randn((BRANCHES, length, unet.config["cross_attention_dim"]), generator=generator)


def _row(side: int, found: Mapping[str, tuple[float, torch.Tensor]]) -> str:
    seconds = [value[0] for value in found.values()]
    reference = found["torch float32"][1]
    errors = " / ".join(f"{_psnr(answer, reference):.0f}" for _, answer in list(found.values())[1:])
    cells: Sequence[str] = [
        f"{side}²",
        *(f"{value:.2f} s" for value in seconds),
        f"{seconds[1] / seconds[2]:.2f}",
        errors,
    ]
    return "| " + " | ".join(cells) + " |"


def _psnr(answer: torch.Tensor, reference: torch.Tensor) -> float:
    spread = float(reference.max() - reference.min())
    return float(10 * torch.log10(spread**2 / (answer - reference).square().mean().clamp_min(1e-20)))


def _megabytes() -> float:
    return sum(path.stat().st_size for path in kept_folder().rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
