"""A run's own checkpoints: written whole or not at all, never pickled, resumed to the bit."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retouch.core.errors import TrainingError
from retouch.core.files import atomic_write


def save_state(
    folder: Path,
    *,
    step: int,
    parameters: Mapping[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    average: Mapping[str, Tensor],
    facts: Mapping[str, object],
) -> None:
    """Write the state after `step` steps into `folder/state-<step>` and drop the ones before it.

    Raises TrainingError where a weight is not finite, so that the last good state stays.
    """
    if not all(bool(torch.isfinite(value).all()) for value in parameters.values()):
        raise TrainingError(f"Weights are not finite after step {step}; the last good checkpoint was kept.")
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"state-{step:08d}"
    partial = folder / f"state-{step:08d}.tmp"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    tensors = {f"weights/{name}": value.detach() for name, value in parameters.items()}
    tensors |= {f"average/{name}": value for name, value in average.items()}
    for name, value in parameters.items():
        moments = optimiser.state.get(value, {})
        tensors |= {f"{key}/{name}": kept for key, kept in moments.items() if isinstance(kept, Tensor)}
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
    state: Path, *, parameters: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Put weights and optimiser moments back and return the average's tensors.

    Raises TrainingError where the state belongs to another network.
    """
    tensors = load_file(state / "state.safetensors")
    missing = [name for name in parameters if f"weights/{name}" not in tensors]
    if missing:
        raise TrainingError(
            f"{state} holds no weights for {missing[0]} and {len(missing) - 1} more; "
            "it belongs to another network: give another --out."
        )
    moments: dict[str, dict[str, Tensor]] = {}
    for key, kept in tensors.items():
        group, _, name = key.partition("/")
        if group not in ("weights", "average"):
            moments.setdefault(name, {})[group] = kept
    step = int(str(load_facts(state)["step"]))
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(tensors[f"weights/{name}"])
            if name in moments:
                # AdamW counts in a tensor of its own, on the CPU; its 8-bit form in a number, which is not stored.
                kept = {
                    key: moment if key == "step" else moment.to(value.device) for key, moment in moments[name].items()
                }
                count = torch.tensor(float(step)) if isinstance(optimiser, torch.optim.AdamW) else step
                optimiser.state[value] = {"step": count, **kept}
    return {key.removeprefix("average/"): value for key, value in tensors.items() if key.startswith("average/")}
