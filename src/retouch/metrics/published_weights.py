"""Published weights put into networks of ours: safetensors, or pickles that hold plain tensors alone."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from retouch.core.errors import ModelError
from retouch.models.unpickle import read_tensors

_PROBLEMS = (SafetensorError, OSError, ValueError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError)


def read_weights(path: Path, what: str) -> dict[str, Tensor]:
    """The tensors in a file, of which `what` is a name for messages, float32.

    Raises:
        ModelError: it is missing, broken, or holds more than tensors.
    """
    if not path.is_file():
        raise ModelError(f"The weights of {what} are missing at '{path}'; see docs/metrics.md for where to get them.")
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else read_tensors(path)
    except _PROBLEMS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The weights of {what} in '{path}' cannot be read ({reason}); restore the file.") from error
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def filled(network: nn.Module, tensors: Mapping[str, Tensor], what: str) -> nn.Module:
    """The network with those of the tensors that are its own, in evaluation mode; others are left.

    Raises:
        ModelError: a weight is missing, of another shape, or no finite number.
    """
    own = network.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - tensors.keys() - counters)
    if missing:
        raise ModelError(
            f"The weights of {what} lack '{missing[0]}' and {len(missing) - 1} more of {len(own)}; give the file that "
            "docs/metrics.md names."
        )
    for name in own.keys() - counters:
        if own[name].shape != tensors[name].shape:
            raise ModelError(
                f"The weight '{name}' of {what} is of shape {tuple(tensors[name].shape)}, expected "
                f"{tuple(own[name].shape)}; give the file that docs/metrics.md names."
            )
        if not torch.isfinite(tensors[name]).all():
            raise ModelError(f"The weight '{name}' of {what} holds what is no finite number; restore the file.")
    network.load_state_dict({name: tensors[name] for name in own.keys() & tensors.keys()}, strict=False)
    return network.eval().requires_grad_(False)
