"""What every kind that learns to fill holes shares: what a sample reads, its errors, and holes filled to be seen."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from retouch.conditioning.exemplar import detail_tokens, joined_channels, reference_tokens
from retouch.conditioning.image import decode_latents, scaling_factor
from retouch.conditioning.unet import unet_predictor
from retouch.diffusion.guidance import DETAIL, NONE, REFERENCE, ExemplarGuidance
from retouch.diffusion.loop import denoise
from retouch.diffusion.predictor import Branch
from retouch.diffusion.schedules import make_scheduler
from retouch.models.checkpoint import Checkpoint
from retouch.models.exemplar import Exemplar
from retouch.training.hole_table import HoleTable, drawn_references
from retouch.training.noising import Noising
from retouch.training.sending import sent


@dataclass(frozen=True, kw_only=True, eq=False)
class HoleErrors:
    """Squared errors by cell, (B, h, w), with gradients; the share of each cell in the hole, (B, h, w) in 0…1, and
    the mean square of what was to be predicted without noise, (B,), both on the CPU."""

    error: Tensor
    inside: Tensor
    power: Tensor


def reference_context(
    exemplar: Exemplar, table: HoleTable, rows: Tensor, generator: Generator, *, vary: bool
) -> Tensor:
    """Tokens of a reference of each sample, (B, 1 + T, C): as a whole, then its details."""
    views = [table.samples.references[row] for row in rows.tolist()]
    framed = drawn_references(exemplar.encoder, views, generator, vary=vary)
    with torch.no_grad():
        features = exemplar.encoder(sent(framed, exemplar.checkpoint.device))
    whole, details = reference_tokens(exemplar, features), detail_tokens(exemplar, features)
    return whole if details is None else torch.cat([whole, details], dim=1)


def hole_errors(
    checkpoint: Checkpoint,
    table: HoleTable,
    holes: Tensor,
    side: Tensor,
    *,
    context: Tensor,
    generator: Generator,
    noising: Noising,
    noise_bias: float = 0.0,
) -> HoleErrors:
    """The errors of the U-Net's answer, ε, v or the clean change, for `holes`, (B,), mirrored where `side` is 1."""
    rows = holes // table.each
    channels = _channels(checkpoint, table, holes, side)
    clean = table.samples.posteriors.of(table.samples.shown[rows], side)[0] * scaling_factor(checkpoint.vae)
    change = checkpoint.spec.denoises == "change"
    if change:
        clean = clean - channels[:, :4]
    noise = torch.randn(clean.shape, generator=generator)
    times = noising.timesteps(len(holes), generator, bias=noise_bias)
    noisy = sent(torch.cat([noising.noisy(clean, noise, times), channels], dim=1), checkpoint.device)
    answer = checkpoint.unet(noisy, sent(times, checkpoint.device), context, return_dict=False)[0].float()
    wanted = clean if change else noising.wanted(clean, noise, times)
    error = functional.mse_loss(answer, sent(wanted, answer.device), reduction="none").mean(dim=1)
    inside = functional.interpolate(1 - table.kept(holes, side), size=error.shape[-2:], mode="area")[:, 0]
    return HoleErrors(error=error, inside=inside, power=clean.square().mean(dim=(1, 2, 3)))


@torch.no_grad()
def filled_holes(
    exemplar: Exemplar, table: HoleTable, rows: Tensor, context: Tensor, generator: Generator, *,
    guidance: ExemplarGuidance,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The first hole of samples `rows`, (B,), what was filled in, and originals, (B, 3, H, W) in −1…1 each."""
    checkpoint, side = exemplar.checkpoint, torch.zeros(len(rows), dtype=torch.long)
    spec, vae = checkpoint.spec, checkpoint.vae
    channels = _channels(checkpoint, table, rows * table.each, side).to(checkpoint.device)
    branches = {
        NONE: Branch(channels=channels, context=exemplar.mapper.uncond_vector.expand_as(context)),
        REFERENCE: Branch(channels=channels, context=context[:, :1].expand_as(context)),
        DETAIL: Branch(channels=channels, context=context),
    }
    made = denoise(
        unet_predictor(checkpoint, branches),
        make_scheduler(spec.scheduler, checkpoint.scheduler_config),
        guidance,
        torch.randn(channels[:, :4].shape, generator=generator).to(checkpoint.device),
        steps=spec.steps,
        generator=generator,
    )
    factor = scaling_factor(vae)
    seen = table.masked.of(rows * table.each, side)[0] * factor
    wanted = table.samples.posteriors.of(table.samples.shown[rows], side)[0] * factor
    masked, filled, original = (
        torch.cat([decode_latents(vae, part).cpu().clamp(-1, 1) for part in latents.split(4)])
        for latents in (seen, made, wanted)
    )
    return masked, filled, original


def _channels(checkpoint: Checkpoint, table: HoleTable, holes: Tensor, side: Tensor) -> Tensor:
    """What stands beside the noisy latents, (B, 5, h, w)."""
    masked = table.masked.of(holes, side)[0]
    if checkpoint.spec.condition_scaled:
        masked = masked * scaling_factor(checkpoint.vae)
    return joined_channels(checkpoint, masked, table.kept(holes, side))
