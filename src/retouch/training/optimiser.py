"""The optimiser of a run, its precision, and what saves it memory."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from retouch.core.errors import TrainingError
from retouch.editing.device import computes_bfloat16
from retouch.training.settings import Precision, TrainSettings


def make_optimiser(groups: Sequence[dict[str, Any]], settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW over groups of parameters ("params"), or its 8-bit form.

    Raises TrainingError where bitsandbytes is wanted and missing.
    """
    options = {
        "lr": settings.learning_rate,
        "betas": settings.betas,
        "eps": settings.epsilon,
        "weight_decay": settings.weight_decay,
    }
    if settings.optimiser == "adamw":
        # Fused, AdamW takes its scale from the gradient scaler in a shape that a sharded one does not have.
        fused = None if settings.precision == "float16" else True
        return torch.optim.AdamW(groups, fused=fused, **options)
    try:
        from bitsandbytes.optim import AdamW8bit  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise TrainingError(
            "The optimiser adamw8bit needs bitsandbytes; run `pip install bitsandbytes`, or train with adamw."
        ) from error
    return AdamW8bit(groups, **options)


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Compute in half precision where `precision` asks for it; weights stay float32."""
    precision = resolved(precision, device)
    kind = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, kind, enabled=precision != "float32")


def resolved(precision: Precision, device: torch.device) -> Precision:
    """Return what "auto" means on `device`: bfloat16 where it is in the hardware, else float32."""
    if precision != "auto":
        return precision
    return "bfloat16" if computes_bfloat16(device) else "float32"


def recompute_activations(modules: Iterable[nn.Module]) -> None:
    """Let the networks that can forget activations and compute them again, for memory against time."""
    for module in modules:
        for name in ("enable_gradient_checkpointing", "gradient_checkpointing_enable"):
            enable = getattr(module, name, None)
            if enable is not None:
                enable()
                break
