"""A tuned network as changes of another's weights: of low rank where they are large, whole where they are small.

The update of a weight W, flattened to a matrix of (outputs, inputs), is written as B·A of rank r, its best
approximation of that rank (Eckart and Young; as LoRA has it, arXiv 2106.09685, section 4.1), got from a network that
was trained whole. A weight that is of another shape than the base's, or that low rank would not make smaller, is
written as it is.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from retouch.core.errors import ModelError

UP, DOWN, WHOLE = ".up", ".down", ".whole"


def delta_of(
    base: Mapping[str, Tensor],
    tuned: Mapping[str, Tensor],
    *,
    rank: int | None,
    keep: Callable[[str], bool] = lambda _name: True,
) -> dict[str, Tensor]:
    """The changes from `base` to `tuned`, float32, by names with a suffix; what did not change is left out.

    With `rank` None, changed weights are written whole. Names that `keep` refuses must not have changed.

    Raises:
        ModelError: `tuned` has other names than `base`, or a weight changed that `keep` refuses.
    """
    if base.keys() != tuned.keys():
        other = sorted(base.keys() ^ tuned.keys())[0]
        raise ModelError(f"The tuned network and its base differ in '{other}'; only changed weights can be written.")
    parts: dict[str, Tensor] = {}
    for name in tuned:
        before, after = (weights[name].detach().float().cpu() for weights in (base, tuned))
        if before.shape == after.shape and torch.equal(before, after):
            continue
        if not keep(name):
            raise ModelError(f"The weight '{name}' changed, which this kind of change has no room for.")
        parts |= _parts(name, before, after, rank)
    return parts


def apply_delta(network: nn.Module, parts: Mapping[str, Tensor]) -> None:
    """Change the weights of `network`, which has the base's, in place.

    Raises:
        ModelError: a part belongs to no weight of the network, or does not fit it.
    """
    weights = network.state_dict()
    for name in parts:
        stem, dot, _ = name.rpartition(".")
        suffix = dot + name[len(stem) + 1 :]
        if suffix == DOWN:
            continue
        target = weights.get(stem)
        if target is None:
            raise ModelError(f"The changes name '{stem}', which the base has not; load them over the base they name.")
        target.copy_(_changed(target, stem, suffix, parts).to(target))


def _changed(before: Tensor, stem: str, suffix: str, parts: Mapping[str, Tensor]) -> Tensor:
    if suffix == WHOLE:
        after = parts[stem + WHOLE].float()
    else:
        after = parts[stem + UP].float() @ parts[stem + DOWN].float()
        if after.shape == before.flatten(1).shape:
            after = before.float().cpu() + after.view(before.shape)
    if after.shape != before.shape:
        raise ModelError(
            f"The changes of '{stem}' are for {tuple(after.shape)}, the base has {tuple(before.shape)}; load them over "
            "the base they name."
        )
    return after


def _parts(name: str, before: Tensor, after: Tensor, rank: int | None) -> dict[str, Tensor]:
    if rank is None or before.shape != after.shape or after.dim() < 2 or not _smaller(after, rank):
        return {name + WHOLE: after}
    change = (after - before).flatten(1)
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    scale = values[:rank].sqrt()
    return {name + UP: left[:, :rank] * scale, name + DOWN: scale[:, None] * right[:rank]}


def _smaller(weight: Tensor, rank: int) -> bool:
    rows, columns = weight.flatten(1).shape
    return rank * (rows + columns) < rows * columns
