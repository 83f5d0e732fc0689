"""Laws of latent blending and of inversion, for every scheduler, with predictors that know the answer."""

from collections.abc import Mapping

import pytest
import torch
from tests.diffusion.test_loop import CONFIG, ONLY_BOTH, ZERO_SNR, GaussianPredictor, noise_of
from torch import Tensor

from retouch.core.errors import SettingsError
from retouch.core.settings import SCHEDULERS
from retouch.diffusion.blending import BlendRange, LatentBlend, latent_mask, renoised
from retouch.diffusion.guidance import BOTH
from retouch.diffusion.inversion import inverted
from retouch.diffusion.levels import level_after
from retouch.diffusion.loop import Step, StepHook, denoise
from retouch.diffusion.schedules import Scheduler, make_scheduler

STEPS = 7
ALWAYS = BlendRange(start=1.0, end=0.0)
KNOWN = [
    pytest.param(name, config, id=f"{name} {label}")
    for name in SCHEDULERS
    for config, label in ((CONFIG, "epsilon"), (ZERO_SNR, "zero-snr velocity"))
    if not (name == "pndm" and config is ZERO_SNR)
]


def source_of(shape: tuple[int, ...] = (2, 4, 8, 8)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(99))


def run(scheduler: Scheduler, config: Mapping[str, object], *hooks: StepHook, steps: int = STEPS) -> Tensor:
    noise, generators = noise_of([3, 4], (4, 8, 8))
    predictor = GaussianPredictor({BOTH: 2.0}, 0.5, config)
    return denoise(predictor, scheduler, ONLY_BOTH, noise, steps=steps, generator=generators, after=hooks)


def blend(scheduler: Scheduler, mask: Tensor, *, span: BlendRange = ALWAYS, widenings: int = 0) -> LatentBlend:
    noise, _ = noise_of([3, 4], (4, 8, 8))
    return LatentBlend(scheduler, renoised(source_of(), noise), mask, span=span, widenings=widenings)


def half() -> Tensor:
    mask = torch.zeros(2, 1, 8, 8)
    mask[:, :, :, 4:] = 1
    return mask


@pytest.mark.parametrize(("name", "config"), KNOWN)
def test_a_full_mask_is_the_plain_edit_and_an_empty_one_the_source(name: str, config: Mapping[str, object]) -> None:
    plain = run(make_scheduler(name, config), config)
    for mask, expected in ((torch.ones(2, 1, 8, 8), plain), (torch.zeros(2, 1, 8, 8), source_of())):
        scheduler = make_scheduler(name, config)
        assert torch.equal(run(scheduler, config, blend(scheduler, mask).after), expected)


@pytest.mark.parametrize(("name", "config"), KNOWN)
def test_outside_the_mask_stands_the_source_at_the_samplers_own_level(name: str, config: Mapping[str, object]) -> None:
    """Told by hand: √ᾱ·x₀ + √(1−ᾱ)·ε, over √ᾱ for samplers over sigmas, ᾱ of the timestep that comes next."""
    scheduler = make_scheduler(name, config)
    powers = make_scheduler("ddim", config).alphas_cumprod.double()  # type: ignore[attr-defined]
    noise, _ = noise_of([3, 4], (4, 8, 8))
    seen: list[int] = []

    def check(step: Step, latents: Tensor) -> Tensor:
        following = [*scheduler.timesteps.tolist(), None][step.index + 1]
        power = torch.tensor(1.0).double() if following is None else powers[int(following)]
        expected = power.sqrt() * source_of() + (1 - power).sqrt() * noise
        expected = expected / power.sqrt() if name.startswith("euler") else expected
        torch.testing.assert_close(latents[..., :4], expected[..., :4].float(), rtol=1e-3, atol=1e-3)
        assert not torch.allclose(latents[..., 4:], expected[..., 4:].float(), rtol=1e-2, atol=1e-2)
        seen.append(step.index)
        return latents

    run(scheduler, config, blend(scheduler, half()).after, check)
    assert seen == list(range(len(scheduler.timesteps)))


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "lcm"])
def test_inside_the_mask_the_answer_is_what_it_was(name: str) -> None:
    """In a distribution without neighbours what stands outside cannot matter."""
    scheduler = make_scheduler(name, CONFIG)
    result = run(scheduler, CONFIG, blend(scheduler, half()).after)
    plain = run(make_scheduler(name, CONFIG), CONFIG)
    torch.testing.assert_close(result[..., 4:], plain[..., 4:])
    assert torch.equal(result[..., :4], source_of()[..., :4])


def test_soft_masks_mix() -> None:
    scheduler = make_scheduler("ddim", CONFIG)
    result = run(scheduler, CONFIG, blend(scheduler, 0 * half() + 0.25, span=BlendRange(start=0.01, end=0.0)).after)
    torch.testing.assert_close(result, 0.25 * run(make_scheduler("ddim", CONFIG), CONFIG) + 0.75 * source_of())


@pytest.mark.parametrize(
    ("span", "steps", "blended"),
    [
        ((0.1, 0.001), 100, list(range(89, 100))),
        ((0.1, 0.001), 4, [3]),
        ((0.3, 0.2), 100, list(range(69, 79))),
        ((0.3, 0.2), 4, [2]),
        ((0.2, 0.1), 4, [3]),
        ((1.0, 0.0), 4, [0, 1, 2, 3]),
        ((0.0, 0.0), 4, [3]),
    ],
)
def test_the_range_is_of_noise_however_many_steps_there_are(
    span: tuple[float, float], steps: int, blended: list[int]
) -> None:
    scheduler = make_scheduler("ddim", CONFIG)
    hook = blend(scheduler, torch.zeros(2, 1, 8, 8), span=BlendRange(start=span[0], end=span[1]))
    found: list[int] = []

    def watch(step: Step, latents: Tensor) -> Tensor:
        if not torch.equal(hook.after(step, latents), latents):
            found.append(step.index)
        return latents

    run(scheduler, CONFIG, watch, steps=steps)
    assert found == blended


def test_a_thin_mask_begins_wide_and_ends_as_it_is() -> None:
    thin = torch.zeros(2, 1, 8, 8)
    thin[..., 3] = 1
    scheduler = make_scheduler("ddim", CONFIG)
    hook = blend(scheduler, thin, widenings=2)
    widths: list[int] = []

    def watch(step: Step, latents: Tensor) -> Tensor:
        after = hook.after(step, torch.full_like(latents, 50.0))
        widths.append(int((after == 50.0)[0, 0, 0].sum()))
        return latents

    run(scheduler, CONFIG, watch, steps=6)
    assert widths == [5, 5, 3, 3, 1, 1]


def test_cells_of_latents_take_the_share_of_their_pixels() -> None:
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:] = 1
    assert latent_mask(mask, 8)[0, 0, 0].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("span", [(0.1, 0.2), (1.5, 0.0), (0.5, -0.1), (float("nan"), 0.0)])
def test_impossible_ranges(span: tuple[float, float]) -> None:
    with pytest.raises(SettingsError, match="1 >= start >= end >= 0"):
        BlendRange(start=span[0], end=span[1])


@pytest.mark.parametrize("config", [CONFIG, ZERO_SNR], ids=["epsilon", "velocity"])
def test_inversion_is_the_way_back_of_deterministic_sampling(config: Mapping[str, object]) -> None:
    predictor = GaussianPredictor({BOTH: 2.0}, 0.5, config)
    scheduler = make_scheduler("ddim", config)
    scheduler.set_timesteps(500)
    source = 2.0 + 0.5 * source_of()
    at = inverted(predictor, scheduler, source, branch=BOTH)
    level = level_after(scheduler, 249)
    # The flow of a Gaussian keeps each value's place in it.
    spread = (level.signal**2 * 0.25 + level.noise**2) ** 0.5
    expected = level.signal * 2.0 + spread * source_of()
    torch.testing.assert_close(at(level), expected, rtol=0.02, atol=0.02)
    assert torch.equal(at(level_after(scheduler, 499)), source)


@pytest.mark.parametrize(("name", "config"), KNOWN)
def test_inverted_latents_are_on_every_samplers_grid(name: str, config: Mapping[str, object]) -> None:
    predictor = GaussianPredictor({BOTH: 2.0}, 0.5, config)
    scheduler = make_scheduler(name, config)
    scheduler.set_timesteps(STEPS)
    at = inverted(predictor, scheduler, source_of(), branch=BOTH)
    hook = LatentBlend(scheduler, at, torch.zeros(2, 1, 8, 8), span=ALWAYS)
    assert torch.equal(run(scheduler, config, hook.after), source_of())
    levels = [level_after(scheduler, index) for index in range(len(scheduler.timesteps) - 1)]
    assert all(at(level).isfinite().all() for level in levels)
