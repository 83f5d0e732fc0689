"""The one denoising loop: predict the branches that count, add them up, let the scheduler step."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from retouch.core.errors import Cancelled, SettingsError
from retouch.diffusion.guidance import Guidance, Weight
from retouch.diffusion.predictor import Predictor
from retouch.diffusion.schedules import Scheduler


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where the loop stands: step `index` of `total`, counted from 0, at the scheduler's `timestep`."""

    index: int
    total: int
    timestep: Tensor

    @property
    def progress(self) -> float:
        """The fraction of the steps already done, in [0, 1)."""
        return self.index / self.total


@dataclass(frozen=True, kw_only=True, eq=False)
class Progress:
    """What a progress callback sees after a step: how many of `total` are done, and what there is to show.

    `latents` is (B, C, h, w); `predicted` computes the model's present idea of the clean latents, same shape.
    """

    done: int
    total: int
    latents: Tensor
    predicted: Callable[[], Tensor]


StepHook = Callable[[Step, Tensor], Tensor]
"""Takes the latents before or after a step, (B, C, h, w), and returns what the loop goes on with."""


def denoise(
    predictor: Predictor,
    scheduler: Scheduler,
    guidance: Guidance,
    noise: Tensor,
    *,
    steps: int,
    generator: Generator | Sequence[Generator],
    before: Sequence[StepHook] = (),
    after: Sequence[StepHook] = (),
    since: float = 0.0,
    until: float = 1.0,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Turn noise into clean latents: x ← step(Σ_b w_b(t)·ε(x, t, b)), branches of weight zero left out.

    Args:
        predictor: computes the predictions of the branches asked for.
        scheduler: a fresh diffusers scheduler; its state is set anew here.
        guidance: weighs the branches at every step.
        noise: (B, C, h, w), unit Gaussian; brought to the scheduler's first noise level here.
        steps: at least 1. PNDM adds one evaluation of its own.
        generator: the source of the noise a stochastic scheduler adds; one for each sample makes every
            sample of a batch come out as it would alone.
        before: applied in order to the latents ahead of each step.
        after: applied in order to the latents behind each step.
        since: the fraction of the steps that are left out ahead; a hook in `before` brings the first one's latents.
        until: the fraction of the steps behind which the loop ends, with noise left in the latents.
        on_progress: called after every step.
        cancelled: asked ahead of every step and after the last.

    Returns:
        The clean latents, shape and type of `noise`.

    Raises:
        Cancelled: `cancelled` answered True.
        SettingsError: the scheduler cannot take this many steps.
    """
    set_timesteps(scheduler, steps)
    latents, extra = noise * scheduler.init_noise_sigma, _step_arguments(scheduler, generator)
    total = len(scheduler.timesteps)
    for index, timestep in enumerate(scheduler.timesteps):
        _check_cancelled(cancelled, index, total)
        step = Step(index=index, total=total, timestep=timestep)
        if step.progress >= until:
            break
        if step.progress < since:
            continue
        latents = _apply(before, step, latents)
        scaled = scheduler.scale_model_input(latents, timestep)
        prediction = _combine(predictor, scaled, timestep, guidance.weights(step.progress))
        signal = _signal_power(scheduler, index, timestep)
        latents = scheduler.step(prediction, timestep, latents, **extra, return_dict=False)[0]
        latents = _apply(after, step, latents)
        if on_progress is not None:
            predicted = _predicted_source(scheduler, scaled, prediction, signal)
            on_progress(Progress(done=index + 1, total=total, latents=latents, predicted=predicted))
    _check_cancelled(cancelled, total, total)
    return latents


def unit_noise(shape: Sequence[int], generators: Sequence[Generator], device: torch.device) -> Tensor:
    """Unit Gaussian noise (len(generators), *shape), float32: each sample's from its own generator."""
    samples = [torch.randn((1, *shape), generator=generator, device=generator.device) for generator in generators]
    return torch.cat([sample.to(device) for sample in samples])


def set_timesteps(scheduler: Scheduler, steps: int) -> None:
    """Lay out the steps of a run; raises SettingsError where the scheduler cannot take so many.

    They stay on the CPU, where a number is read of them at every step: reading one of a GPU waits until it is idle.
    """
    trained = int(scheduler.config.num_train_timesteps)
    if not 1 <= steps <= trained:
        raise SettingsError(f"The number of steps is {steps}; the model's schedule takes 1 to {trained}.")
    try:
        scheduler.set_timesteps(steps, device="cpu")
    except ValueError as error:
        raise SettingsError(f"This scheduler cannot take {steps} steps; ask for another number ({error})") from error
    # diffusers adds an offset of its own to evenly spaced steps, which can lead past the last trained one.
    if int(scheduler.timesteps.max()) >= trained:
        raise SettingsError(f"This scheduler cannot take {steps} steps of a schedule of {trained}; ask for fewer.")


def _step_arguments(scheduler: Scheduler, generator: Generator | Sequence[Generator]) -> dict[str, Any]:
    if "generator" not in inspect.signature(scheduler.step).parameters:
        return {}
    return {"generator": generator if isinstance(generator, Generator) else list(generator)}


def _check_cancelled(cancelled: Callable[[], bool] | None, done: int, total: int) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled(f"The work was cancelled after {done} of {total} steps; nothing was written.")


def _apply(hooks: Sequence[StepHook], step: Step, latents: Tensor) -> Tensor:
    for hook in hooks:
        latents = hook(step, latents)
    return latents


def _combine(predictor: Predictor, latents: Tensor, timestep: Tensor, weights: Mapping[str, Weight]) -> Tensor:
    active = {name: weight for name, weight in weights.items() if _counts(weight)}
    predictions = predictor(latents, timestep, tuple(active))
    terms = [_on(weight, latents) * predictions[name] for name, weight in active.items()]
    return torch.stack(terms).sum(dim=0) if len(terms) > 1 else terms[0]


def _counts(weight: Weight) -> bool:
    return bool((weight != 0).any()) if isinstance(weight, Tensor) else weight != 0.0


def _on(weight: Weight, latents: Tensor) -> Weight:
    return weight.to(latents) if isinstance(weight, Tensor) else weight


def _signal_power(scheduler: Any, index: int, timestep: Tensor) -> Tensor:
    """ᾱ at a step: the share of the clean signal in the variance of the scaled model input."""
    if hasattr(scheduler, "sigmas"):
        return 1.0 / (scheduler.sigmas[index] ** 2 + 1.0)
    return scheduler.alphas_cumprod[int(timestep)]


def _predicted_source(scheduler: Scheduler, scaled: Tensor, prediction: Tensor, signal: Tensor) -> Callable[[], Tensor]:
    """Clean latents x₀ from a prediction (arXiv 2202.00512, appendix D)."""

    def predicted() -> Tensor:
        alpha, sigma = signal.sqrt().to(scaled.device), (1.0 - signal).sqrt().to(scaled.device)
        kind = scheduler.config.prediction_type
        if kind == "sample":
            return prediction
        if kind == "v_prediction":
            return alpha * scaled - sigma * prediction
        return (scaled - sigma * prediction) / alpha

    return predicted
