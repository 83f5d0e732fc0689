"""In which order the samples come: a function of (seed, step) alone, so that any run can resume anywhere."""

from collections.abc import Sequence, Sized
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from retouch.core.seeds import derive_seed


def batch_indices(groups: Sequence[range], *, batch: int, step: int, seed: int) -> list[int]:
    """Return the samples of one step, all of one group: each epoch is a fresh permutation, remainders are dropped."""
    epoch, place = divmod(step, sum(len(group) // batch for group in groups))
    generator = np.random.default_rng(derive_seed(seed, "epoch", epoch))
    batches: list[list[int]] = []
    for group in groups:
        order = generator.permutation(len(group)) + group.start
        batches += order[: len(group) // batch * batch].reshape(-1, batch).tolist()
    return batches[place if len(groups) == 1 else generator.permutation(len(batches))[place]]


def spaced(table: Sized, count: int) -> Tensor:
    """Row numbers of at most `count` samples from all over a table, (rows,)."""
    return torch.linspace(0, len(table) - 1, min(len(table), count)).long()


def groups_of(tables: Sequence[Sized]) -> tuple[range, ...]:
    """The numbers of the samples of each table, counted through all of them."""
    ends = accumulate(map(len, tables))
    return tuple(range(end - len(table), end) for table, end in zip(tables, ends, strict=True))


def group_of(groups: Sequence[range], sample: int) -> int:
    """Which of the groups a sample is of."""
    return next(place for place, group in enumerate(groups) if sample in group)
