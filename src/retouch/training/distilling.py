"""What a student learns from a guided teacher: its steps of the sampler, or to be consistent along its path."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from retouch.diffusion.guidance import InstructGuidance
from retouch.training.denoising import Denoising, Given, several, times_of

_SIGMA_DATA, _TIME_SCALE = 0.5, 10.0
"""The boundary condition's constants as LCM and diffusers' LCMScheduler have them."""

_HUBER = 1e-3
"""c of the pseudo-Huber loss, in latents of unit variance; diffusers' trainers of LCMs have the same."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Teacher:
    """A frozen editor and the guidance it is asked with."""

    unet: UNet2DConditionModel
    denoising: Denoising
    guidance: InstructGuidance

    def clean(self, latents: Tensor, times: Tensor, given: Given) -> Tensor:
        """Its guided idea of the clean latents, of the shape of `latents`."""
        return self.denoising.guided(self.unet, latents, times, given, self.guidance)

    @torch.no_grad()
    def step(self, latents: Tensor, times: Tensor, until: Tensor, given: Given) -> Tensor:
        """One guided step of DDIM."""
        return self.denoising.stepped(latents, self.clean(latents, times, given), times, until)


def guidance_errors(
    student: UNet2DConditionModel, teacher: Teacher, noise: Tensor, given: Given, steps: Sequence[Sequence[int]]
) -> Tensor:
    """How far each of the student's steps is from the teacher's, in clean latents: (S·B, 4, h, w), S steps behind
    one another.

    The latents are those of the teacher's own path from `noise`, (B, 4, h, w). Where a step of the student is one of
    the teacher, it is to answer in one pass as the teacher does guided (arXiv 2210.03142, section 3.1), where it is
    several, with what leads to the same place in one step (progressive distillation, arXiv 2202.00512, section 3).
    """
    denoising, count = teacher.denoising, len(noise)
    seen, wanted, here = [], [], noise
    for step in steps:
        later = here
        for start, end in pairwise(step):
            later = teacher.step(later, times_of(start, count), times_of(end, count), given)
        seen.append(here)
        wanted.append(denoising.implied(here, later, times_of(step[0], count), times_of(step[-1], count)))
        here = later
    times = several([step[0] for step in steps], count)
    all_given = given.repeated(len(steps))
    found = denoising.clean(student, torch.cat(seen), times, all_given.source, all_given.text)
    return found - torch.cat(wanted)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """A part of a path: noisy latents (B, 4, h, w) at `times`, and `until` where it goes, (B,) timesteps each."""

    noisy: Tensor
    times: Tensor
    until: Tensor


def consistency_errors(student: UNet2DConditionModel, teacher: Teacher, stretch: Stretch, given: Given) -> Tensor:
    """How far the student's answers at two neighbours of one path are from each other, (B, 4, h, w).

    The neighbour is where one guided step of the teacher leads to (latent consistency distillation with skipped
    steps, arXiv 2310.04378, algorithm 1). The target network is the student itself, without
    gradients, as a later study of consistency training has it (arXiv 2310.14189, section 3.2).
    """
    # Ahead of the target, which autocast would else remember the student's weights from, without their gradients.
    times, until = stretch.times, stretch.until
    found = consistent(student, teacher.denoising, stretch.noisy, times, given)
    with torch.no_grad():
        later = teacher.step(stretch.noisy, times, until, given)
        wanted = consistent(student, teacher.denoising, later, until, given)
    return found - wanted


def consistent(
    student: UNet2DConditionModel, denoising: Denoising, latents: Tensor, times: Tensor, given: Given
) -> Tensor:
    """f(x, t) = c_skip(t) x + c_out(t) x₀, which is x itself at t = 0 (arXiv 2310.04378, equation 9)."""
    scaled = (times.to(latents.device) * _TIME_SCALE).reshape(-1, 1, 1, 1)
    skip = _SIGMA_DATA**2 / (scaled**2 + _SIGMA_DATA**2)
    out = scaled / (scaled**2 + _SIGMA_DATA**2).sqrt()
    return skip * latents + out * denoising.clean(student, latents, times, given.source, given.text)


def huber(errors: Tensor) -> Tensor:
    """The mean pseudo-Huber loss √(d² + c²) − c (arXiv 2310.14189, section 3.3), which large errors do not rule."""
    return ((errors.square() + _HUBER**2).sqrt() - _HUBER).mean()
