"""Train a LoRA of a modern editor: low-rank updates of a transformer that flows from noise to the edited picture."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor, nn
from torch.nn import functional

from retouch.core.errors import SettingsError
from retouch.core.files import atomic_write
from retouch.core.seeds import derive_seed
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import HUB_ID
from retouch.training.cache import OnPrepared
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.flows.bases import open_family
from retouch.training.flows.family import FlowFamily
from retouch.training.flows.levels import drawn_levels, fixed_levels
from retouch.training.flows.pairs import FlowPair, FlowPairs, FlowPreparation, flow_pairs
from retouch.training.flows.sampling import flow_edits
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.optimiser import autocast, resolved
from retouch.training.order import spaced
from retouch.training.pictures import strip
from retouch.training.sending import sent
from retouch.training.settings import Precision, TrainSettings

_DTYPES: Mapping[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_TAGS = ("image-editing", "lora", "diffusers", "retouch")
_LEVELS = 4
"""At how many levels of noise a held-out pair is measured."""
NATIVE = 1024
"""The longest side in pixels that pictures are trained at when nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class LoraTask:
    """How the LoRA is trained: its `rank` (and α), and the share of samples whose instruction is dropped.

    `measured` held-out pairs give the held-out error; `shown` ones are edited to be looked at, in at most
    `shown_steps` steps.
    """

    rank: int = 16
    dropout: float = 0.05
    measured: int = 16
    shown: int = 4
    shown_steps: int = 20


class LoraKind:
    """A frozen transformer with low-rank updates, on encoded pairs."""

    name = "lora"

    def __init__(
        self,
        family: FlowFamily,
        transformer: nn.Module,
        pairs: FlowPairs,
        task: LoraTask,
        *,
        base: str,
        precision: Precision = "float32",
        notes: Sequence[str] = (),
    ) -> None:
        """Take a transformer that has its updates (see `add_updates`) and lies on its device."""
        self._family, self._transformer, self._pairs, self._task = family, transformer, pairs, task
        self._base, self._notes = base, tuple(notes)
        self._precision: Precision = precision
        self._device = next(transformer.parameters()).device
        self._scheduler = family.scheduler()
        self.modules: Mapping[str, nn.Module] = {"transformer": transformer.train()}
        self.groups: Sequence[range] = pairs.groups

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return the mean squared error of the velocity at the target's tokens (flow matching, arXiv 2210.02747)."""
        rows = [self._pairs.train[index] for index in indices]
        prompts = with_dropped([row.prompt for row in rows], self._task.dropout, generator)
        target = self._pairs.latents([row.target for row in rows])
        noise = torch.randn(target.shape, generator=generator)
        levels = drawn_levels(len(rows), generator, scheduler=self._scheduler, cells=target[0, 0].numel())
        return Loss(total=self._error(rows, prompts, target, noise, levels))

    def validate(self, generator: torch.Generator) -> Validation:
        """Return the error on held-out pairs at fixed levels and noise, and edits of a few of them to look at."""
        held_out = self._pairs.held_out
        rows = [held_out[place] for place in spaced(held_out, self._task.measured).tolist()]
        with torch.no_grad(), autocast(self._precision, self._device):
            errors = [self._measured(row, generator) for row in rows]
            picture = self._shown(generator) if self._task.shown else None
        pictures = {} if picture is None else {"source, edit, target": picture}
        return Validation(figures={"held-out error": sum(errors) / len(errors)}, pictures=pictures)

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the updates alone, as `load_lora_weights` of the base's pipeline reads them, and a model card."""
        self._family.write(self._transformer, folder)
        hub = HUB_ID.fullmatch(self._base) is not None and not Path(self._base).exists()
        base = self._base if hub else Path(self._base).name
        card = CardFacts(
            title="Retouch LoRA",
            summary=f"Low-rank updates of {base}: open that with diffusers' `{self._family.pipeline}` and give this "
            "folder to `load_lora_weights`. The base's licence holds for them too.",
            data=[f"{len(self._pairs.train)} pairs of the train split", *self._notes],
            training={"optimiser steps": steps, **asdict(self._task)},
            figures=figures,
            licence="other",
            tags=_TAGS,
            base=base if hub else None,
        )
        atomic_write(folder / "README.md", model_card(card).encode())

    def _error(
        self, rows: Sequence[FlowPair], prompts: Sequence[str], target: Tensor, noise: Tensor, levels: Tensor
    ) -> Tensor:
        """x_σ = (1 − σ) x + σ ε is to be answered with v = ε − x."""
        share = levels[:, None, None, None]
        answer = self._family.velocity(
            self._transformer,
            noisy=sent((1 - share) * target + share * noise, self._device),
            source=sent(self._pairs.latents([row.source for row in rows]), self._device),
            levels=sent(levels, self._device),
            prompts=sent(self._pairs.embeddings(prompts), self._device),
        )
        return functional.mse_loss(answer, sent(noise - target, self._device))

    def _measured(self, row: FlowPair, generator: torch.Generator) -> float:
        target = self._pairs.latents([row.target])
        levels = fixed_levels(_LEVELS, scheduler=self._scheduler, cells=target[0, 0].numel())
        noises = torch.randn(_LEVELS, *target.shape, generator=generator)
        errors = [
            self._error([row], [row.prompt], target, noise, level[None])
            for noise, level in zip(noises, levels, strict=True)
        ]
        return float(torch.stack(errors).mean())

    def _shown(self, generator: torch.Generator) -> Tensor:
        """Sources, edits and targets of a few held-out pairs of one size, below one another."""
        sizes = [pair.size for pair in self._pairs.held_out]
        alike = [pair for pair in self._pairs.held_out if pair.size == max(sizes, key=sizes.count)]
        rows = [alike[place] for place in spaced(alike, self._task.shown).tolist()]
        sources = self._pairs.latents([row.source for row in rows])
        edits = [self._edit(row, generator) for row in rows]
        targets = self._pairs.latents([row.target for row in rows])
        coder = self._family.picture_coder(self._device)
        with torch.autocast(self._device.type, enabled=False):
            return strip([torch.cat([coder.decode(each[None]) for each in side]) for side in (sources, edits, targets)])

    def _edit(self, row: FlowPair, generator: torch.Generator) -> Tensor:
        source = self._pairs.latents([row.source])
        return flow_edits(
            self._family,
            self._transformer,
            noise=torch.randn(source.shape, generator=generator).to(self._device),
            source=source.to(self._device),
            prompts=self._pairs.embeddings([row.prompt]).to(self._device),
            empty=self._pairs.embeddings([""]).to(self._device),
            steps=min(self._family.steps, self._task.shown_steps),
        )[0]


def with_dropped(prompts: Sequence[str], share: float, generator: torch.Generator) -> list[str]:
    """Prompts of which each is the empty one with the probability `share`, 0…1."""
    draws = torch.rand(len(prompts), generator=generator)
    return ["" if drop else prompt for prompt, drop in zip(prompts, (draws < share).tolist(), strict=True)]


def add_updates(family: FlowFamily, transformer: nn.Module, *, rank: int, seed: int) -> None:
    """Put trainable low-rank updates of `rank` (and of the same α) into a frozen transformer, in float32.

    At first they change nothing: one factor is zero, the other random by `seed`.
    """
    network: Any = transformer
    settings = LoraConfig(
        r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=family.targets(transformer)
    )
    with torch.random.fork_rng(devices=[]), quiet_libraries():
        torch.manual_seed(derive_seed(seed, "lora"))
        network.add_adapter(settings)
    for parameter in transformer.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


@dataclass(frozen=True, kw_only=True)
class LoraRecipe:
    """Train a LoRA of `base`, a folder or hub id of one of `flows.bases.FAMILIES`, on record folders.

    `data` are folders of records: those of the train split are trained on, those of the validation split measured;
    where there are none of the latter, every `validation_every`-th source picture is held out. `cache` keeps what
    the encoders made of pictures and instructions. `size` is the longest side in pixels; `notes` go into the card.
    """

    data: Sequence[Path]
    base: str
    cache: Path
    settings: TrainSettings
    size: int = NATIVE
    validation_every: int = 20
    notes: Sequence[str] = ()
    task: LoraTask = field(default_factory=LoraTask)

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Encode what is not yet encoded, let the encoders go and open the transformer.

        Raises DataError where records are missing and ModelError where the base cannot be trained.
        """
        family = open_family(self.base)
        precision = resolved(self.settings.precision, device)
        preparation = FlowPreparation(
            family=family,
            cache=self.cache,
            size=self.size,
            device=device,
            dtype=_DTYPES[precision],
            validation_every=self.validation_every,
            on_prepared=on_prepared,
        )
        pairs = flow_pairs(preparation, self.data)
        transformer = family.transformer(_DTYPES[precision])
        add_updates(family, transformer, rank=self.task.rank, seed=self.settings.seed)
        return LoraKind(
            family,
            transformer.to(device),
            pairs,
            self.task,
            base=self.base,
            precision=precision,
            notes=self.notes,
        )


def usual(material: Material, choices: Choices) -> LoraRecipe:
    """2,000 steps of 4 at 1e-4 and rank 16. Raises SettingsError where nothing is to be encoded ahead."""
    if not material.cache:
        raise SettingsError(
            "The kind 'lora' lets its encoders go before it trains, so that it encodes ahead; leave --no-cache out."
        )
    settings = TrainSettings(steps=2_000, batch_size=4, learning_rate=1e-4, warmup=100, ema_decay=0.99)
    return LoraRecipe(
        data=material.data,
        base=material.base,
        cache=material.out / "encoded",
        settings=choices.applied(settings),
        size=NATIVE if material.size is None else material.size,
        task=LoraTask() if material.lora is None else LoraTask(rank=material.lora),
    )
