"""A run's own checkpoints: written whole or not at all, never pickled, resumed to the bit."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from retouch.core.errors import TrainingError
from retouch.core.files import atomic_write


def kept_tensors(
    parameters: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer, average: Mapping[str, Tensor]
) -> Iterator[tuple[str, str, Tensor]]:
    """Yield all that a state keeps: what it is (weights, average, a moment), of which parameter, and the tensor."""
    for name, value in parameters.items():
        yield "weights", name, value.detach()
        yield "average", name, average[name]
        for key, kept in optimiser.state.get(value, {}).items():
            if isinstance(kept, Tensor):
                yield key, name, kept


def save_state(folder: Path, *, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write the state after `step` steps into `folder/state-<step>` and drop the ones before it.

    `tensors` are named "<what>/<parameter>", see `kept_tensors`. Raises TrainingError where a weight is not
    finite, so that the last good state stays.
    """
    weights = (value for key, value in tensors.items() if key.startswith("weights/"))
    if not all(bool(torch.isfinite(value).all()) for value in weights):
        raise TrainingError(f"Weights are not finite after step {step}; the last good checkpoint was kept.")
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"state-{step:08d}"
    partial = folder / f"state-{step:08d}.tmp"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        save_file({key: value.contiguous() for key, value in tensors.items()}, partial / "state.safetensors")
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(f"The state could not be written to {folder}: {error}; free some space.") from error
    atomic_write(partial / "facts.json", json.dumps({"step": step, **facts}, sort_keys=True).encode())
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
    for older in sorted(folder.glob("state-*"))[:-1]:
        shutil.rmtree(older)


def latest_state(folder: Path) -> Path | None:
    """Return the newest whole state in `folder`, or None."""
    states = sorted(path for path in folder.glob("state-*") if not path.name.endswith(".tmp"))
    return states[-1] if states else None


def load_facts(state: Path) -> dict[str, object]:
    """Return what `save_state` noted beside the tensors, "step" among it."""
    return json.loads((state / "facts.json").read_text())


def load_state(
    state: Path,
    *,
    parameters: Mapping[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    held: Callable[[str, Tensor], Tensor],
) -> dict[str, Tensor]:
    """Put weights and optimiser moments back and return the average's tensors.

    `held` says what this process holds of a parameter's whole tensor. Raises TrainingError where the state
    belongs to another network.
    """
    average: dict[str, Tensor] = {}
    moments: dict[str, dict[str, Tensor]] = {}
    with torch.no_grad(), safe_open(state / "state.safetensors", framework="pt") as file:
        _check_names(state, parameters, set(file.keys()))
        for key in file.keys():  # noqa: SIM118 (a file is no mapping)
            what, _, name = key.partition("/")
            if name not in parameters:
                continue
            # One at a time, so that a process that holds a part never holds the whole of all.
            tensor = held(name, file.get_tensor(key)).clone()
            if what == "weights":
                _check_shape(state, name, tensor, parameters[name])
                parameters[name].copy_(tensor)
            elif what == "average":
                average[name] = tensor
            else:
                moments.setdefault(name, {})[what] = tensor
    step = int(str(load_facts(state)["step"]))
    for name, kept in moments.items():
        # AdamW counts in a tensor of its own, on the CPU; its 8-bit form in a number, which is not stored.
        device = parameters[name].device
        placed = {key: moment if key == "step" else moment.to(device) for key, moment in kept.items()}
        optimiser.state[parameters[name]] = {"step": step, **placed}
    return average


def _check_names(state: Path, parameters: Mapping[str, nn.Parameter], keys: set[str]) -> None:
    missing = [name for name in parameters if f"weights/{name}" not in keys]
    if missing:
        raise TrainingError(
            f"{state} holds no weights for {missing[0]} and {len(missing) - 1} more; "
            "it belongs to another network: give another --out."
        )


def _check_shape(state: Path, name: str, found: Tensor, wanted: Tensor) -> None:
    if found.shape != wanted.shape:
        raise TrainingError(
            f"{state} holds {name} of the shape {tuple(found.shape)}, expected {tuple(wanted.shape)}; it belongs to "
            "another network, or to updates of another rank: give another --out."
        )
