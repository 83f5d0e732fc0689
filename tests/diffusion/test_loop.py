"""The loop against an analytic predictor with a closed-form answer, and its laws."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from retouch.core.errors import Cancelled, SettingsError
from retouch.core.settings import SCHEDULERS
from retouch.diffusion.guidance import BOTH, IMAGE, NONE, InstructGuidance
from retouch.diffusion.loop import Progress, Step, denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler

CONFIG: dict[str, object] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "trailing",
    "set_alpha_to_one": True,
}
ZERO_SNR = CONFIG | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
ONLY_BOTH = InstructGuidance(text=1.0, image=1.0)


class GaussianPredictor:
    """Exact predictions where each branch's data are Gaussian: N(means[branch], spread²) in every cell.

    With x = a·x₀ + b·ε, ε(x) = b·(x − a·μ) / (a²s² + b²). Mixing branches with weights that sum to 1
    gives the exact prediction for the mean Σ w·μ.
    """

    def __init__(self, means: Mapping[str, float], spread: float, config: Mapping[str, object]) -> None:
        from diffusers import EulerDiscreteScheduler

        trained: Any = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        if config.get("rescale_betas_zero_snr"):
            trained = make_scheduler("euler", config)
        self._sigmas = ((1 - trained.alphas_cumprod) / trained.alphas_cumprod).sqrt().double()
        self._means, self._spread = means, spread
        self._velocity = config["prediction_type"] == "v_prediction"
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, latents: Tensor, timestep: Tensor, branches: Sequence[str]) -> dict[str, Tensor]:
        self.calls.append(tuple(branches))
        return {name: self._predict(latents, float(timestep), self._means[name]) for name in branches}

    def _predict(self, latents: Tensor, timestep: float, mean: float) -> Tensor:
        low = min(int(timestep), len(self._sigmas) - 2)
        sigma = torch.lerp(self._sigmas[low], self._sigmas[low + 1], timestep - low)
        a, b = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
        noise = b * (latents - a * mean) / (a**2 * self._spread**2 + b**2)
        return a * noise - b * (latents - b * noise) / a if self._velocity else noise


def gaussian(means: Mapping[str, float], spread: float = 0.5, **changes: object) -> GaussianPredictor:
    return GaussianPredictor(means, spread, CONFIG | changes)


def final_alpha() -> float:
    """a = √ᾱ at the noisiest step of `CONFIG`: the share of the data that is left in the start."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return float((1 - betas).prod().sqrt())


def noise_of(seeds: Sequence[int], shape: tuple[int, ...] = (4, 32, 32)) -> tuple[Tensor, list[Generator]]:
    generators = [Generator().manual_seed(seed) for seed in seeds]
    return unit_noise(shape, generators, torch.device("cpu")), generators


def run(name: str, predictor: GaussianPredictor, *, steps: int, config: Mapping[str, object] = CONFIG, **options):
    noise, generators = noise_of([0])
    guidance = options.pop("guidance", ONLY_BOTH)
    scheduler = make_scheduler(name, config)
    return denoise(predictor, scheduler, guidance, noise, steps=steps, generator=generators, **options)


@pytest.mark.parametrize("config", [CONFIG, ZERO_SNR], ids=["epsilon", "zero-snr velocity"])
@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "lcm"])
def test_lands_on_the_mean_and_spread_of_the_data(name: str, config: Mapping[str, object]) -> None:
    if name == "pndm" and config is ZERO_SNR:
        pytest.skip("PNDM has no zero terminal SNR")
    # Ancestral sampling is of first order; the others need fewer steps for the same precision.
    steps = 500 if name == "euler-ancestral" else 100
    result = run(name, GaussianPredictor({BOTH: 2.0}, 0.5, config), steps=steps, config=config)
    # Without zero terminal SNR the start should have mean a·μ, not 0; only ancestral noise forgets that.
    forgets = config is ZERO_SNR or name == "euler-ancestral"
    expected = 2.0 if forgets else 2.0 - 0.5 * final_alpha() * 2.0
    assert float(result.mean()) == pytest.approx(expected, abs=0.02)
    assert float(result.std()) == pytest.approx(0.5, rel=0.05)


def test_consistency_sampling_lands_on_the_mean() -> None:
    result = run("lcm", gaussian({BOTH: 2.0}), steps=4)
    assert float(result.mean()) == pytest.approx(2.0, abs=0.1)


def test_steps_that_an_offset_leads_past_the_schedule_are_refused() -> None:
    with pytest.raises(SettingsError, match="cannot take 1000 steps"):
        run(
            "ddim",
            gaussian({BOTH: 2.0}),
            steps=1000,
            config={**CONFIG, "steps_offset": 1, "timestep_spacing": "leading"},
        )


def test_deterministic_sampling_follows_the_closed_form_flow() -> None:
    noise, _ = noise_of([0])
    result = run("ddim", gaussian({BOTH: 2.0}), steps=1000)
    alpha = final_alpha()
    start_spread = (alpha**2 * 0.25 + 1 - alpha**2) ** 0.5
    expected = 2.0 + 0.5 * (noise - alpha * 2.0) / start_spread
    assert torch.allclose(result, expected, atol=0.01)


@pytest.mark.parametrize(("text", "image"), [(3.0, 1.5), (2.0, 1.0), (0.5, 0.8), (1.5, 0.5), (1.0, 1.0)])
def test_guidance_moves_the_mean_exactly(text: float, image: float) -> None:
    means = {NONE: 0.0, IMAGE: 1.0, BOTH: 1.4}
    guidance = InstructGuidance(text=text, image=image)
    mixed = sum(weight * means[name] for name, weight in guidance.weights(0.0).items())
    guided = run("ddim", gaussian(means), steps=25, guidance=guidance)
    plain = run("ddim", gaussian({BOTH: mixed}), steps=25)
    assert torch.allclose(guided, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "image", "branches"),
    [
        (7.5, 1.5, (NONE, IMAGE, BOTH)),
        (7.5, 1.0, (IMAGE, BOTH)),
        (1.5, 1.5, (NONE, BOTH)),
        (1.0, 1.0, (BOTH,)),
    ],
)
def test_branches_of_weight_zero_are_not_computed(text: float, image: float, branches: tuple[str, ...]) -> None:
    predictor = gaussian({NONE: 0.0, IMAGE: 1.0, BOTH: 2.0})
    run("ddim", predictor, steps=3, guidance=InstructGuidance(text=text, image=image))
    assert predictor.calls == [branches] * 3


def test_outside_the_guidance_interval_one_branch_is_computed() -> None:
    predictor = gaussian({NONE: 0.0, IMAGE: 1.0, BOTH: 2.0})
    run("ddim", predictor, steps=4, guidance=InstructGuidance(text=7.5, image=1.5, interval=(0.25, 0.75)))
    assert [len(call) for call in predictor.calls] == [1, 3, 3, 1]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_batch_equals_its_samples_alone(name: str) -> None:
    def sample(seeds: Sequence[int]) -> Tensor:
        noise, generators = noise_of(seeds, (4, 8, 8))
        scheduler = make_scheduler(name, CONFIG)
        return denoise(gaussian({BOTH: 2.0}), scheduler, ONLY_BOTH, noise, steps=6, generator=generators)

    alone = torch.cat([sample([seed]) for seed in (3, 4, 5)])
    assert torch.allclose(sample([3, 4, 5]), alone, atol=1e-5)
    assert not torch.allclose(alone[0], alone[1])


def test_hooks_see_every_step_in_order_and_replace_the_latents() -> None:
    seen: list[tuple[str, int, int]] = []

    def watch(name: str):
        def hook(step: Step, latents: Tensor) -> Tensor:
            seen.append((name, step.index, step.total))
            assert step.progress == step.index / step.total
            return latents

        return hook

    result = run(
        "ddim",
        gaussian({BOTH: 2.0}),
        steps=2,
        before=[watch("first"), watch("second")],
        after=[lambda step, latents: torch.full_like(latents, 7.0), watch("after")],
    )
    one = [("first", 0, 2), ("second", 0, 2), ("after", 0, 2)]
    assert seen == [*one, *((name, 1, 2) for name, _, _ in one)]
    assert bool((result == 7.0).all())


@pytest.mark.parametrize("name", ["ddim", "euler-ancestral", "dpm++"])
@pytest.mark.parametrize("config", [CONFIG, ZERO_SNR], ids=["epsilon", "velocity"])
def test_progress_carries_latents_and_the_predicted_source(name: str, config: Mapping[str, object]) -> None:
    """With spread 0 all data are the mean, so the clean latents are known from the first step on."""
    reports: list[Progress] = []
    predictor = GaussianPredictor({BOTH: 2.0}, 0.0, config)
    result = run(name, predictor, steps=5, config=config, on_progress=reports.append)
    assert [report.done for report in reports] == [1, 2, 3, 4, 5]
    assert {report.total for report in reports} == {5}
    assert torch.equal(reports[-1].latents, result)
    for report in reports:
        assert torch.allclose(report.predicted(), torch.full_like(result, 2.0), atol=0.05)


def test_cancellation_takes_effect_within_one_step() -> None:
    predictor = gaussian({BOTH: 2.0})
    with pytest.raises(Cancelled, match="2 of 10"):
        run("ddim", predictor, steps=10, cancelled=lambda: len(predictor.calls) == 2)
    assert len(predictor.calls) == 2


def test_cancellation_after_the_last_step_is_honoured() -> None:
    predictor = gaussian({BOTH: 2.0})
    with pytest.raises(Cancelled):
        run("ddim", predictor, steps=2, cancelled=lambda: len(predictor.calls) == 2)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_numbers_of_steps(steps: int) -> None:
    with pytest.raises(SettingsError, match=str(steps)):
        run("ddim", gaussian({BOTH: 2.0}), steps=steps)


def test_steps_beyond_the_distilled_schedule_are_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="60 steps"):
        run("lcm", gaussian({BOTH: 2.0}), steps=60)
