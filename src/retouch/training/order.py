"""In which order the samples come: a function of (seed, step) alone, so that any run can resume anywhere."""

import numpy as np

from retouch.core.seeds import derive_seed


def batch_indices(*, size: int, batch: int, step: int, seed: int) -> list[int]:
    """Return the samples of one step: each epoch is a fresh permutation, the remainder is dropped."""
    per_epoch = size // batch
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng(derive_seed(seed, "epoch", epoch)).permutation(size)
    return order[place * batch : (place + 1) * batch].tolist()
