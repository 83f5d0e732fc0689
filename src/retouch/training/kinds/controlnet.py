"""Train a ControlNet on edges: a copy of a text-to-image model's encoder, the model itself left as it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from torch import Tensor, nn
from torch.nn import functional

from retouch.conditioning.control import PictureControl, as_control, check_control
from retouch.conditioning.generate import check_generate
from retouch.conditioning.image import decode_latents, scaling_factor
from retouch.conditioning.text import encode_ids, token_ids
from retouch.core.edges import edges
from retouch.core.images import load_image
from retouch.editing.generate import generate_latents
from retouch.models.checkpoint import Checkpoint
from retouch.models.control import control_of, load_control, save_control
from retouch.models.load import load
from retouch.scenes.language import mirrored
from retouch.training.cache import OnPrepared
from retouch.training.captioned import CaptionedPairs
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.kinds.generate import SHOWN
from retouch.training.latents import (
    CaptionedLatents,
    CaptionTokens,
    captioned_latents,
    drawn_captions,
    read_folders,
    shown,
)
from retouch.training.noising import Noising
from retouch.training.pictures import strip
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings
from retouch.training.start import on_device, preparation_of


@dataclass(frozen=True, kw_only=True)
class ControlNetTask:
    """How the ControlNet is trained.

    `dropout` is the share of samples whose text is left out, which makes it read the edges where words
    say nothing (Zhang et al., arXiv 2302.05543, section 3.3); `flip` that of mirrored pictures. `channels` are those
    of the layers that bring the edges to the latents' size. See `GenerateTask` for the others.
    """

    dropout: float = 0.3
    flip: float = 0.5
    noise_bias: float = 0.0
    minimum_snr: float | None = None
    channels: tuple[int, ...] = (16, 32, 96, 256)


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgeTable:
    """Captioned latents and the edges of the same pictures, (pictures, H, W/8) uint8, eight pixels a byte."""

    latents: CaptionedLatents
    packed: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def edges(self, picked: Tensor, side: Tensor) -> Tensor:
        """Edges of pictures and their sides, (B,) each, as a ControlNet sees them, (B, 3, H, W)."""
        maps = torch.from_numpy(np.unpackbits(self.packed[picked].numpy(), axis=-1))
        return as_control(torch.where(side[:, None, None] == 1, maps.flip(-1), maps))


class ControlNetKind:
    """A ControlNet beside a frozen text-to-image checkpoint."""

    name = "controlnet"

    def __init__(
        self,
        checkpoint: Checkpoint,
        network: ControlNetModel,
        table: EdgeTable,
        held_out: EdgeTable,
        task: ControlNetTask,
        *,
        mirrored: Callable[[str], str],
        data: Sequence[str] = (),
    ) -> None:
        check_generate(checkpoint)
        check_control(network, checkpoint, 1.0)
        self.checkpoint, self.network, self._table, self._held_out = checkpoint, network, table, held_out
        self._task, self._data = task, tuple(data)
        self._noising = Noising.of(checkpoint.scheduler_config)
        captions = table.latents.captions
        self._tokens = CaptionTokens(checkpoint, captions)
        self._mirrored = CaptionTokens(checkpoint, [[mirrored(text) for text in own] for own in captions])
        self._held_out_tokens = CaptionTokens(checkpoint, held_out.latents.captions)
        self._null_ids = token_ids(checkpoint, [""])[0]
        network.train().requires_grad_(True)
        self.modules: Mapping[str, nn.Module] = {"controlnet": network}
        self.groups: Sequence[range] = (range(len(table)),)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the squared error of the base's prediction with the control's residuals in it."""
        task, picked = self._task, torch.tensor(indices)
        side = (torch.rand(len(indices), generator=generator) < task.flip).long()
        ids = drawn_captions(self._tokens, self._mirrored, picked, side, generator)
        without = torch.rand(len(indices), generator=generator) < task.dropout
        ids = torch.where(without[:, None], self._null_ids, ids)
        error, weight = self._errors(self._table, picked, side, ids, generator)
        return Loss(total=(error * weight).mean(), parts={"error": error.detach().mean()})

    def validate(self, generator: torch.Generator) -> Validation:
        """Return the held-out error with and without control, at the same noise, and pictures made from edges."""
        count = min(len(self._held_out), 192)
        picked = torch.linspace(0, len(self._held_out) - 1, count).long()
        figures = {}
        state = generator.get_state()
        for name, scale in (("held-out error", 1.0), ("held-out error without control", 0.0)):
            generator.set_state(state)
            errors = []
            for part in picked.split(32):
                side = torch.zeros(len(part), dtype=torch.long)
                ids = self._held_out_tokens.first(part)
                errors.append(self._errors(self._held_out, part, side, ids, generator, scale=scale)[0].detach())
            figures[name] = float(torch.cat(errors).mean())
        strips = {"original, edges, made": self._strip(picked[:: max(1, count // SHOWN)][:SHOWN], generator)}
        return Validation(figures=figures, pictures=strips)

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the ControlNet in diffusers layout, in half precision, with a card."""
        card = CardFacts(
            title="Retouch controlnet",
            summary="Holds pictures made from text to the edges of another (Canny, 100 and 200); diffusers' "
            "ControlNetModel, for the text-to-image model it was trained beside.",
            data=[f"{len(self._table)} pictures of the train split with their captions", *self._data],
            training={"base": Path(self.checkpoint.source).name, "optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            task="text-to-image",
            tags=("controlnet", "canny", "retouch"),
        )
        save_control(self.network, folder, card=model_card(card))

    def _errors(
        self,
        table: EdgeTable,
        picked: Tensor,
        side: Tensor,
        ids: Tensor,
        generator: torch.Generator,
        *,
        scale: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Squared errors by sample, (B,), and their weights."""
        unet, task = self.checkpoint.unet, self._task
        clean = table.latents.drawn(picked, side, generator) * scaling_factor(self.checkpoint.vae)
        noise = torch.randn(clean.shape, generator=generator)
        times = self._noising.timesteps(len(picked), generator, bias=task.noise_bias)
        noisy, place = sent(self._noising.noisy(clean, noise, times), unet.device), sent(times, unet.device)
        context = encode_ids(self.checkpoint, ids)
        control = PictureControl(network=self.network, picture=table.edges(picked, side), scale=scale)
        extra = control.residuals(noisy, place, context)
        prediction = unet(noisy, place, context, return_dict=False, **extra)[0].float()
        wanted = sent(self._noising.wanted(clean, noise, times), unet.device)
        error = functional.mse_loss(prediction, wanted, reduction="none").mean(dim=(1, 2, 3))
        return error, sent(self._noising.weights(times, gamma=task.minimum_snr), unet.device)

    def _strip(self, picked: Tensor, generator: torch.Generator) -> Tensor:
        vae, latents = self.checkpoint.vae, self._held_out.latents
        modes = latents.modes(picked) * scaling_factor(vae)
        drawn = self._held_out.edges(picked, torch.zeros(len(picked), dtype=torch.long))
        made = generate_latents(
            self.checkpoint,
            [latents.captions[index][0] for index in picked.tolist()],
            torch.randn(modes.shape, generator=generator).to(self.checkpoint.device),
            generator,
            control=PictureControl(network=self.network, picture=drawn),
        )
        return strip([decode_latents(vae, modes).cpu(), drawn * 2 - 1, decode_latents(vae, made).cpu()])


def edge_table(latents: CaptionedLatents, folders: Sequence[CaptionedPairs[bytes]]) -> EdgeTable:
    """Add to latents the edges of the pictures that `folders` show."""
    maps = [
        np.packbits(edges(np.asarray(load_image(pairs.pictures[picture]).pixels)), axis=-1)
        for pairs in folders
        for picture in shown(pairs)
    ]
    return EdgeTable(latents=latents, packed=torch.from_numpy(np.stack(maps)))


@dataclass(frozen=True, kw_only=True)
class ControlNetRecipe:
    """Train a ControlNet beside the text-to-image model `base`, which `models.load` takes.

    `data` are folders of the train split, `held_out` of the validation split; without the latter the
    pairs of every `validation_every`-th source picture are held out. `start` is a ControlNet to train on;
    None copies one from the base. `cache` keeps latents between runs, None encodes at every step; `size` is
    the longest side in pixels that pictures are trained at, the base's own where it is None; `notes` go into
    the model card.
    """

    data: Sequence[Path]
    base: str | Path
    cache: Path | None
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    start: Path | None = None
    notes: Sequence[str] = ()
    validation_every: int = 20
    size: int | None = None
    task: ControlNetTask = field(default_factory=ControlNetTask)

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents, edges and networks. Raises DataError, ModelError or MissingExtraError."""
        checkpoint = load(self.base)
        check_generate(checkpoint)
        on_device(checkpoint, device)
        network: Any = self._network(checkpoint)
        preparation = preparation_of(
            checkpoint,
            cache=self.cache,
            mirrored=self.task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        table, held_out = (
            edge_table(captioned_latents(preparation, part), part)
            for part in read_folders(self.data, self.held_out, every=self.validation_every)
        )
        return ControlNetKind(
            checkpoint, network.to(device), table, held_out, self.task, mirrored=mirrored, data=self.notes
        )

    def _network(self, checkpoint: Checkpoint) -> ControlNetModel:
        if self.start is not None:
            return load_control(self.start)
        return control_of(checkpoint, channels=self.task.channels, seed=self.settings.seed)


def usual(material: Material, choices: Choices) -> ControlNetRecipe:
    """Train beside the model that `material` names: 15,000 steps of 16 at 1e-5."""
    material.refuse("controlnet", "lora")
    settings = TrainSettings(steps=15_000, batch_size=16, learning_rate=1e-5, warmup=100, schedule="cosine")
    return ControlNetRecipe(
        data=material.data,
        base=material.base,
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
    )
