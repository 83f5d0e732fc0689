"""Distil an editor: a student that needs one pass a step for the guidance of several, and fewer steps."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from retouch.conditioning.image import decode_latents, scaling_factor
from retouch.conditioning.instruct import check_instruct
from retouch.conditioning.text import encode_ids, encode_null_text, token_ids
from retouch.core.errors import SettingsError
from retouch.core.seeds import derive_seed
from retouch.diffusion.guidance import InstructGuidance
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.models.save import save
from retouch.models.spec import ConditioningSpec
from retouch.models.student import save_student
from retouch.scenes.language import mirrored
from retouch.training.cache import OnPrepared, PairTable, tables_of
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material, Objective
from retouch.training.denoising import Denoising, Given, parted_steps
from retouch.training.distilling import Stretch, Teacher, consistency_errors, guidance_errors, huber
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.lora import add_lora, lora_updates, merged
from retouch.training.order import group_of, groups_of, spaced
from retouch.training.pictures import strip
from retouch.training.preview import sample_edits
from retouch.training.sending import sent
from retouch.training.settings import TrainSettings
from retouch.training.start import on_device, preparation_of

_LONG = 50
"""Steps of the teacher's run that all few-step results are compared with."""


@dataclass(frozen=True, kw_only=True)
class DistilTask:
    """What the student learns.

    `objective`: its steps are those of the guided teacher ("guidance"), or its answers agree along the teacher's path
    ("consistency"). It is to edit in `steps`, each of which is `skip` steps of the teacher's DDIM, guided by
    `text_guidance` and `image_guidance` (None: the teacher's own). In a share `dropout` of the samples there is no
    instruction; `flip` is the share of mirrored ones, whose texts swap left and right. `shown` held-out pairs are
    edited to be measured and looked at. With `lora` low-rank updates of that rank are learned, of attention alone or
    with `convolutions` of all layers.
    """

    objective: Objective = "guidance"
    steps: int = 4
    skip: int = 1
    text_guidance: float | None = None
    image_guidance: float | None = None
    dropout: float = 0.05
    flip: float = 0.5
    shown: int = 12
    lora: int | None = None
    convolutions: bool = False


class DistilKind:
    """A student that begins as its teacher, on cached latents of pairs."""

    name = "distil"

    def __init__(
        self,
        checkpoint: Checkpoint,
        tables: Sequence[PairTable],
        held_out: Sequence[PairTable],
        task: DistilTask,
        *,
        base: str,
        mirrored: Callable[[str], str],
        data: Sequence[str] = (),
    ) -> None:
        """Take the teacher, whose U-Net becomes the student; raises ModelError where it does not edit by words."""
        check_task(checkpoint, task)
        self._tables, self._held_out, self._task = tables, held_out, task
        self._base, self._data = base, tuple(data)
        spec = checkpoint.spec
        guidance = InstructGuidance(
            text=spec.text_guidance if task.text_guidance is None else task.text_guidance,
            image=spec.image_guidance if task.image_guidance is None else task.image_guidance,
        )
        self._grid = parted_steps(checkpoint.scheduler_config, steps=task.steps, parts=task.skip)
        for network in checkpoint.modules.values():
            network.eval().requires_grad_(False)
        own = replace(spec, text_guidance=guidance.text, image_guidance=guidance.image)
        self._taught_by = replace(checkpoint, unet=copy.deepcopy(checkpoint.unet), spec=own)
        self._teacher = Teacher(unet=self._taught_by.unet, denoising=Denoising.of(checkpoint), guidance=guidance)
        self.checkpoint = replace(checkpoint, spec=student_spec(spec, task))
        if task.lora is None:
            checkpoint.unet.requires_grad_(True)
        else:
            add_lora(checkpoint.unet, rank=task.lora, first_convolution=False, convolutions=task.convolutions)
        self.modules: Mapping[str, nn.Module] = {"unet": checkpoint.unet.train()}
        prompts = [prompt for table in tables for prompt in table.prompts]
        texts = [prompts, [mirrored(text) for text in prompts]]
        self._ids = torch.stack([token_ids(checkpoint, form) for form in texts])
        self._null_ids = token_ids(checkpoint, [""])[0]
        self._compared: tuple[Tensor, Tensor] | None = None
        self.groups: Sequence[range] = groups_of(tables)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        """Return how far the student is from what the teacher teaches, in clean latents."""
        task, picked = self._task, torch.tensor(indices)
        place = group_of(self.groups, indices[0])
        table, rows = self._tables[place], picked - self.groups[place].start
        side = (torch.rand(len(rows), generator=generator) < task.flip).long()
        silent = torch.rand(len(rows), generator=generator) < task.dropout
        ids = torch.where(silent[:, None], self._null_ids, self._ids[side, picked])
        source = self._condition(table.posteriors.of(table.source[rows], side)[0])
        given = self._given(source, ids)
        noise = torch.randn(source.shape, generator=generator)
        if task.objective == "guidance":
            noise = sent(noise, self.checkpoint.device)
            errors = guidance_errors(self.checkpoint.unet, self._teacher, noise, given, self._grid)
        else:
            clean = table.posteriors.of(table.target[rows], side)[0] * scaling_factor(self.checkpoint.vae)
            stretch = self._stretch(clean, noise, generator)
            errors = consistency_errors(self.checkpoint.unet, self._teacher, stretch, given)
        return Loss(total=huber(errors), parts={"error": errors.detach().square().mean().sqrt()})

    def _stretch(self, clean: Tensor, noise: Tensor, generator: torch.Generator) -> Stretch:
        """A step of the teacher for each sample, from latents with noise."""
        steps = torch.tensor([each for step in self._grid for each in pairwise(step)])
        times, until = steps[torch.randint(len(steps), (len(clean),), generator=generator)].unbind(dim=1)
        alpha, sigma = self._teacher.denoising.levels(times, clean)
        noisy = sent(alpha * clean + sigma * noise, self.checkpoint.device)
        return Stretch(noisy=noisy, times=times, until=until)

    @torch.no_grad()
    def validate(self, generator: torch.Generator) -> Validation:
        """Return how near the student's edits come to the teacher's from the same noise, and some to look at.

        PSNR in dB between decoded pictures: to the teacher at its own settings, to its run of 50 steps, and of the
        teacher's own settings to that run.
        """
        table = max(self._held_out, key=len)
        rows = spaced(table, self._task.shown)
        side = torch.zeros(len(rows), dtype=torch.long)
        source = self._condition(table.posteriors.of(table.source[rows], side)[0])
        prompts = [table.prompts[row] for row in rows.tolist()]
        state = generator.get_state()

        def edited(checkpoint: Checkpoint) -> Tensor:
            made = sample_edits(checkpoint, source, prompts, generator.set_state(state))
            return decode_latents(checkpoint.vae, made).clamp(-1, 1).cpu()

        if self._compared is None:
            long = replace(self._taught_by, spec=replace(self._taught_by.spec, steps=_LONG))
            self._compared = edited(self._taught_by), edited(long)
        own, long = self._compared
        made = edited(self.checkpoint)
        return Validation(
            figures={
                "PSNR to the teacher": _psnr(made, own),
                "PSNR to 50 steps": _psnr(made, long),
                "the teacher's PSNR to 50 steps": _psnr(own, long),
            },
            pictures={"student, teacher, teacher in 50 steps": strip([made[:8], own[:8], long[:8]])},
        )

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the student whole, in half precision, with its spec; low-rank updates also alone, in `lora` there."""
        checkpoint, task = self.checkpoint, self._task
        card = model_card(
            CardFacts(
                title="Retouch student",
                summary="Edits pictures by instruction as its teacher does with guidance, in one pass a step.",
                data=[f"{self._ids.shape[1]} pairs of the train split", *self._data],
                training={"teacher": Path(self._base).name, "optimiser steps": steps, **asdict(task)},
                figures=figures,
                tags=(*CardFacts.tags, "distillation"),
            )
        )
        if task.lora is None:
            save(checkpoint, folder, storage="float16", card=card)
            return
        save(replace(checkpoint, unet=merged(checkpoint.unet)), folder, storage="float16", card=card)
        updates = lora_updates(checkpoint.unet)
        save_student(updates, folder / "lora", base=self._base, spec=checkpoint.spec, card=card)

    def _given(self, source: Tensor, ids: Tensor) -> Given:
        device = self.checkpoint.device
        with torch.no_grad():
            text = encode_ids(self.checkpoint, sent(ids, device))
            null = encode_null_text(self.checkpoint)
        return Given(source=sent(source, device), text=text, null=null.expand_as(text))

    def _condition(self, mode: Tensor) -> Tensor:
        scaled = self.checkpoint.spec.condition_scaled
        return mode * (scaling_factor(self.checkpoint.vae) if scaled else 1.0)


def student_spec(spec: ConditioningSpec, task: DistilTask) -> ConditioningSpec:
    """The teacher's spec with the student's defaults: one branch, few steps, and the sampler it was taught for."""
    scheduler = "ddim" if task.objective == "guidance" else "lcm"
    return replace(spec, steps=task.steps, scheduler=scheduler, text_guidance=1.0, image_guidance=1.0)


def check_task(checkpoint: Checkpoint, task: DistilTask) -> None:
    """See that a teacher can teach this, before hours of preparation.

    Raises:
        ModelError: it does not edit by words.
        SettingsError: the steps do not fit its schedule, or there is nothing to learn at this rank.
    """
    check_instruct(checkpoint)
    trained = len(Denoising.of(checkpoint).powers)
    if task.steps < 1 or task.skip < 1 or task.steps * task.skip > trained // 2:
        raise SettingsError(
            f"The student is to take {task.steps} steps of {task.skip} of its teacher each; give at least 1 of each, "
            f"and together at most {trained // 2}."
        )


def _psnr(left: Tensor, right: Tensor) -> float:
    """Mean over pictures, (B, 3, H, W) from -1 to 1, in dB; at most 100."""
    errors = ((left - right) / 2).square().mean(dim=(1, 2, 3)).clamp_min(1e-10)
    return float((-10 * errors.log10()).mean())


@dataclass(frozen=True, kw_only=True)
class DistilRecipe:
    """Distil `base`, an editor that `models.load` takes, on record folders.

    `data` are folders of the train split, `held_out` of the validation split; without the latter every
    `validation_every`-th source picture is held out. `cache` keeps latents between runs, None encodes at every step;
    `size` is the longest side in pixels (None: the base's own); `notes` go into the model card.
    """

    data: Sequence[Path]
    base: str
    cache: Path | None
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    validation_every: int = 20
    size: int | None = None
    notes: Sequence[str] = ()
    task: DistilTask = field(default_factory=DistilTask)

    def build(self, device: torch.device, *, on_prepared: OnPrepared = lambda _done, _total: None) -> Kind:
        """Prepare latents and networks. Raises DataError, ModelError or SettingsError where a part does not fit."""
        checkpoint = load(self.base)
        check_task(checkpoint, self.task)
        on_device(checkpoint, device)
        preparation = preparation_of(
            checkpoint,
            cache=self.cache,
            mirrored=self.task.flip > 0,
            precision=self.settings.precision,
            on_prepared=on_prepared,
            size=self.size,
        )
        # What the teacher makes of its sources is all that its steps are learned from.
        preparation = replace(preparation, targets=self.task.objective == "consistency")
        tables, held_out = tables_of(preparation, self.data, self.held_out, every=self.validation_every)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.settings.seed, "lora"))
            return DistilKind(
                checkpoint, tables, held_out, self.task, base=self.base, mirrored=mirrored, data=self.notes
            )


def usual(material: Material, choices: Choices) -> DistilRecipe:
    """2,000 steps of 8 at 1e-4, or at 5e-4 as a LoRA; of consistency two steps, each of 8 of the teacher's."""
    wanted = material.student
    objective = wanted.objective or "guidance"
    few = objective == "consistency"
    settings = TrainSettings(
        steps=2_000,
        batch_size=8,
        learning_rate=1e-4 if material.lora is None else 5e-4,
        warmup=50,
        schedule="cosine",
        weight_decay=0.0,
        ema_decay=0.99,
    )
    return DistilRecipe(
        data=material.data,
        base=material.base,
        cache=material.out / "latents" if material.cache else None,
        size=material.size,
        settings=choices.applied(settings),
        task=DistilTask(
            objective=objective,
            steps=(2 if few else 4) if wanted.steps is None else wanted.steps,
            skip=8 if few else 1,
            text_guidance=wanted.text_guidance,
            image_guidance=wanted.image_guidance,
            lora=material.lora,
        ),
    )
