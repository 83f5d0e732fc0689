"""Train an autoencoder: pictures to latents of a factor 8 and back."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.models.architecture import POCKET, Architecture, random_vae
from retouch.models.colour_start import start_from_colours
from retouch.models.sources import find_model
from retouch.training.cache import OnPrepared
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.pictures import decode, random_crops, strip, to_model_range, unique_pictures
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class VaeTask:
    """What the loss weighs: absolute and squared error, edges, colours, and the posterior's divergence.

    `colours` weighs the absolute error of means over 8 × 8 pixels: without it a young autoencoder of
    four channels spends them on brightness and one axis of colour, and takes purple for blue. `crop`
    is the side of the training crops in pixels. With `decoder_only` the latent space stays.
    """

    crop: int = 128
    squared: float = 1.0
    edges: float = 0.5
    colours: float = 2.0
    divergence: float = 5e-5
    decoder_only: bool = False


class VaeKind:
    """An `AutoencoderKL` on random crops of pictures; validated on whole unseen ones by PSNR."""

    name = "vae"

    def __init__(
        self,
        vae: AutoencoderKL,
        pictures: Sequence[bytes],
        held_out: Mapping[str, Sequence[bytes]],
        task: VaeTask,
    ) -> None:
        vae.requires_grad_(True)
        if task.decoder_only:
            vae.encoder.requires_grad_(False)
            if vae.quant_conv is not None:
                vae.quant_conv.requires_grad_(False)
        self.vae, self._pictures, self._held_out, self._task = vae, pictures, held_out, task
        self.modules: Mapping[str, nn.Module] = {"vae": vae}
        self.groups: Sequence[range] = (range(len(pictures)),)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return reconstruction error plus weighted divergence of the posterior from N(0, 1)."""
        task = self._task
        pictures = random_crops(self._pictures, indices, size=task.crop, generator=generator)
        pictures = sent(pictures, next(self.vae.parameters()).device)
        posterior = self.vae.encode(as_input(pictures), return_dict=False)[0]
        noise = sent(torch.randn(posterior.mean.shape, generator=generator), pictures.device)
        output = reconstruction(self.vae, posterior.mean + posterior.std * noise)
        absolute = functional.l1_loss(output, pictures)
        squared = functional.mse_loss(output, pictures)
        edges = _edge_loss(output, pictures)
        colours = functional.l1_loss(functional.avg_pool2d(output, 8), functional.avg_pool2d(pictures, 8))
        divergence = posterior.kl().mean() / posterior.mean[0].numel()
        total = absolute + task.squared * squared + task.edges * edges + task.colours * colours
        total = total + task.divergence * divergence.float()
        parts = {"absolute": absolute, "squared": squared, "edges": edges, "colours": colours, "divergence": divergence}
        return Loss(total=total, parts={name: part.detach() for name, part in parts.items()})

    def validate(self, generator: torch.Generator) -> Validation:
        """Return mean PSNR in dB of whole held-out pictures by group, and a strip of a few."""
        del generator
        figures, strips = {}, {}
        for group, pictures in self._held_out.items():
            values, shown = [], []
            for data in pictures:
                picture = to_model_range(decode(data))[None]
                output = round_trip(self.vae, picture).cpu()
                values.append(psnr(output, picture))
                shown.append(torch.cat([picture, output], dim=-2))
            figures[f"PSNR {group}"] = sum(values) / len(values)
            strips[group] = strip([torch.cat(shown[:8])])
        return Validation(figures=figures, pictures=strips)

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the autoencoder in diffusers layout, in half precision; of a new latent space the scale is measured."""
        if not self._task.decoder_only:
            self.vae.register_to_config(scaling_factor=measured_scaling(self.vae, self._pictures))
        deepcopy(self.vae).half().save_pretrained(folder)
        card = CardFacts(
            title="Retouch vae",
            summary="Turns pictures into latents of a factor 8 and back; open it with Retouch or with diffusers.",
            data=[f"{len(self._pictures)} pictures of the train split"],
            training={"optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            tags=("autoencoder", "retouch"),
        )
        (folder / "README.md").write_text(model_card(card), encoding="utf-8")


def _edge_loss(output: Tensor, target: Tensor) -> Tensor:
    across = functional.l1_loss(output.diff(dim=-1), target.diff(dim=-1))
    down = functional.l1_loss(output.diff(dim=-2), target.diff(dim=-2))
    return across + down


def as_input(tensor: Tensor) -> Any:
    """The tensor as diffusers' own signatures name it: they speak of `FloatTensor`, which no tensor is."""
    return tensor


def reconstruction(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Decode unscaled latents, (B, 4, h, w), to float32 pictures, (B, 3, 8h, 8w) about ±1, with gradients."""
    decoded: Any = vae.decode(as_input(latents), return_dict=False)[0]
    return decoded.float()


@torch.no_grad()
def round_trip(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Encode (the posterior's mode) and decode pictures, (B, 3, H, W) in −1…1, where the autoencoder is."""
    pictures = pictures.to(next(vae.parameters()).device)
    return reconstruction(vae, vae.encode(as_input(pictures), return_dict=False)[0].mode())


def psnr(output: Tensor, target: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of pictures in −1…1, after clamping."""
    error = functional.mse_loss(output.clamp(-1, 1).float(), target.float())
    return float(10 * torch.log10(4 / error.clamp_min(1e-12)))


@torch.no_grad()
def measured_scaling(vae: AutoencoderKL, pictures: Sequence[bytes], *, count: int = 64) -> float:
    """Return 1 / the standard deviation of sampled latents over evenly spaced pictures."""
    picked = pictures[:: max(1, len(pictures) // count)][:count]
    latents = []
    for data in picked:
        picture = to_model_range(decode(data))[None].to(next(vae.parameters()).device)
        latents.append(vae.encode(as_input(picture), return_dict=False)[0].mode())
    return round(1 / float(torch.cat(latents).std()), 5)


@dataclass(frozen=True, kw_only=True)
class VaeRecipe:
    """Train an autoencoder on the pictures of record folders.

    `data` are folders of records of the train split, `held_out` of the validation split by the name
    their figure gets; without the latter a twentieth of the pictures is held out. `validation_pictures`
    of each are measured. `base` is an autoencoder's own folder, or whatever `models.load` takes; None
    starts from nothing, or with `from_colours` from weights that already carry mean colours.
    """

    data: Sequence[Path]
    settings: TrainSettings
    held_out: Mapping[str, Path] = field(default_factory=dict)
    task: VaeTask = field(default_factory=VaeTask)
    architecture: Architecture = POCKET
    base: str | Path | None = None
    from_colours: bool = False
    validation_pictures: int = 24

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Load the pictures and the network. Raises DataError where a folder has no records."""
        del on_prepared
        pictures = unique_pictures(self.data, split="train")
        held_out = {name: unique_pictures([folder], split="validation") for name, folder in self.held_out.items()}
        if not held_out:
            held_out = {"pictures": pictures[19::20]}
            pictures = [picture for place, picture in enumerate(pictures) if place % 20 != 19]
        if not all(held_out.values()):
            raise DataError("The data shows fewer than 20 pictures, too few to hold some out; make more pairs.")
        held_out = {name: shown[: self.validation_pictures] for name, shown in held_out.items()}
        vae: Any = self._network()
        # oneDNN and cuDNN both compute convolutions this narrow faster with the channels last.
        vae.to(device, memory_format=torch.channels_last)
        return VaeKind(vae, pictures, held_out, self.task)

    def _network(self) -> AutoencoderKL:
        if self.base is not None:
            alone = (Path(self.base) / "config.json").is_file()
            folder = Path(self.base) if alone else find_model(str(self.base)) / "vae"
            return AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            vae = random_vae(self.architecture)
        if self.from_colours:
            start_from_colours(vae)
        return vae


def usual(material: Material, choices: Choices) -> VaeRecipe:
    """The decoder alone, so that whatever was trained on the latents stays valid."""
    material.refuse("vae", "lora", "size", "cache")
    settings = TrainSettings(steps=20_000, batch_size=8, learning_rate=1e-4, warmup=100, schedule="cosine")
    return VaeRecipe(
        data=material.data,
        base=material.base,
        settings=choices.applied(settings),
        task=VaeTask(decoder_only=True),
    )
