"""The text-to-image model that a technique makes its pictures with, and how it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from retouch.attention.control import Control
from retouch.conditioning.control import PictureControl
from retouch.core.settings import EditSettings
from retouch.datagen.generative.technique import Pictures
from retouch.editing.generate import generate
from retouch.models.checkpoint import Checkpoint
from retouch.models.identity import identity
from retouch.records.pair import JSON
from retouch.records.triple import Triple


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampler:
    """A model with the scheduler and number of steps of all its pictures; None is the model's own number."""

    checkpoint: Checkpoint
    scheduler: str
    steps: int | None = None

    @property
    def guidance(self) -> float:
        """The model's own text guidance."""
        return self.checkpoint.spec.text_guidance

    def fingerprint(self) -> Mapping[str, JSON]:
        """Model, number format, scheduler and steps."""
        unet: Any = self.checkpoint.unet
        return {
            "model": identity(self.checkpoint.source, (unet.conv_in.weight, unet.conv_out.weight)),
            "precision": str(self.checkpoint.dtype).removeprefix("torch."),
            "scheduler": self.scheduler,
            "steps": self.steps or self.checkpoint.spec.steps,
        }

    def pictures(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        *,
        scales: Sequence[float] | None = None,
        control: PictureControl | None = None,
        attention: Control | None = None,
    ) -> tuple[Image.Image, ...]:
        """One picture a text; see `generate`."""
        settings = EditSettings(steps=self.steps, scheduler=self.scheduler)
        return generate(
            self.checkpoint, texts, seeds=seeds, settings=settings, scales=scales, control=control, attention=attention
        )

    def pairs(
        self, triple: Triple, seeds: Sequence[int], scales: Sequence[float], attention: Control
    ) -> list[Pictures]:
        """A source and a target for each seed, from the same noise throughout, attending as `attention` says."""
        texts = [triple.source_caption] * len(seeds) + [triple.target_caption] * len(seeds)
        made = self.pictures(texts, [*seeds, *seeds], scales=[*scales, *scales], attention=attention)
        return list(zip(made[: len(seeds)], made[len(seeds) :], strict=True))
