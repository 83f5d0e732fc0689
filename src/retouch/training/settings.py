"""How a training run goes, whatever its kind: lengths, rates, averages and intervals."""

import math
from dataclasses import dataclass
from typing import Literal

from retouch.core.errors import SettingsError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Schedule = Literal["constant", "linear", "cosine"]
Optimiser = Literal["adamw", "adamw8bit"]


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One run's settings.

    `steps` optimiser steps in all, of `batch_size` samples, which go through the network in `accumulate`
    equal parts where memory is short. The learning rate rises linearly over `warmup` steps. With the
    `schedule` "constant" it then stays, and falls linearly to zero over the last `cooldown` steps, so
    that a run may be prolonged from a checkpoint taken before its cooldown; "linear" and "cosine" fall
    to zero all the way. `ema_decay` is the limit of the weights' moving average,
    decay_n = min(ema_decay, (1 + n) / (10 + n)); 0 keeps none; with `ema_on_cpu` it lies there.
    `checkpointing` recomputes activations instead of keeping them. `betas` and `epsilon` are AdamW's;
    "adamw8bit" needs bitsandbytes.
    `precision` is that of the networks' arithmetic; "auto" is bfloat16 where the device has instructions for
    it, else float32. Weights are always kept in float32.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int = 200
    cooldown: int = 0
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.99)
    epsilon: float = 1e-8
    clip: float = 1.0
    schedule: Schedule = "constant"
    accumulate: int = 1
    optimiser: Optimiser = "adamw"
    ema_decay: float = 0.999
    ema_on_cpu: bool = False
    checkpointing: bool = False
    precision: Precision = "auto"
    seed: int = 0
    save_every: int = 500
    validate_every: int = 500
    log_every: int = 20

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise SettingsError(
                f"A run of {self.steps} steps of {self.batch_size} samples was asked for; give at least 1 of each."
            )
        if self.accumulate < 1 or self.batch_size % self.accumulate:
            raise SettingsError(
                f"A batch of {self.batch_size} samples cannot be accumulated from {self.accumulate} equal parts; "
                "give a divisor of the batch size."
            )
        if self.cooldown and self.schedule != "constant":
            raise SettingsError(
                f"The schedule '{self.schedule}' falls to zero by itself; give a cooldown only with 'constant'."
            )
        if not 0 < self.learning_rate < 1:
            raise SettingsError(f"The learning rate is {self.learning_rate}; give one between 0 and 1.")
        if not 0 < self.epsilon < 1:
            raise SettingsError(f"AdamW's epsilon is {self.epsilon}; give one between 0 and 1.")
        if not 0 <= self.ema_decay < 1:
            raise SettingsError(f"The EMA decay is {self.ema_decay}; give one in [0, 1).")


def rate_factor(settings: TrainSettings, step: int) -> float:
    """Return the learning rate at `step` (counted from 0) as a fraction of its peak."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if settings.schedule == "constant":
        return min(1.0, (settings.steps - step) / (settings.cooldown + 1)) if settings.cooldown else 1.0
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 1 - done if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
