"""The two ways to attend on this processor, at the shapes of Stable Diffusion 1.5 and of the pocket editor.

    python bench/attention.py [--rounds 5]

Turn about in one process, bfloat16 and float32: torch's fused kernel and products of matrices; medians, and the ratio.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from retouch.attention.by_head import ROWS, WIDE, attended

SHAPES = {
    "Stable Diffusion, 512², itself": ((3, 8, 4096, 40), (3, 8, 1024, 80), (3, 8, 256, 160), (3, 8, 64, 160)),
    "autoencoder, 512²": ((1, 1, 4096, 512),),
    "pocket": ((2, 4, 256, 32), (2, 4, 64, 48)),
}
WORDS = 77


def main() -> None:
    """Print a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{torch.get_num_threads()} threads; heads of {WIDE} and more attend by products of {ROWS} rows")
    for name, shapes in SHAPES.items():
        for shape in shapes:
            for read in (shape[2], WORDS):
                for dtype in (torch.bfloat16, torch.float32):
                    _compare(name, shape, read, dtype, rounds)


@torch.no_grad()
def _compare(name: str, shape: tuple[int, int, int, int], read: int, dtype: torch.dtype, rounds: int) -> None:
    query, key, value = (_made(shape, length, dtype) for length in (shape[2], read, read))
    fused, products = [], []
    for _ in range(rounds + 1):
        fused.append(_timed(lambda: functional.scaled_dot_product_attention(query, key, value)))
        products.append(_timed(lambda: attended(query, key, value)))
    one, other = statistics.median(fused[1:]), statistics.median(products[1:])
    kind = str(dtype).removeprefix("torch.")
    print(f"{name}, {shape} x {read}, {kind}: fused {one:.2f} ms, products {other:.2f} ms, ratio {one / other:.2f}")


def _made(shape: tuple[int, int, int, int], length: int, dtype: torch.dtype) -> Tensor:
    """As a layer's projection leaves them: heads beside one another in memory."""
    rows, heads, _, width = shape
    generator = torch.Generator().manual_seed(length)
    return torch.randn(rows, length, heads, width, generator=generator).to(dtype).transpose(1, 2)


def _timed(work: Callable[[], Tensor]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
