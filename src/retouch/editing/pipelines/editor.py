"""The editor over editing pipelines of diffusers, for the modern families."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from retouch.core.lora import Lora
from retouch.core.settings import EditSettings
from retouch.editing.course import run_course
from retouch.editing.follow import Follower
from retouch.editing.pipelines.engine import PipelineEngine, check_side
from retouch.editing.pipelines.family import ModelFamily
from retouch.editing.pipelines.loading import load_pipeline
from retouch.editing.pipelines.requests import check_references, check_settings, warnings_of
from retouch.editing.protocol import ImageSource, ReferenceSource, RegionSource
from retouch.editing.request import prepare
from retouch.editing.result import EditProgress, EditResult


class PipelineEditor:
    """Edits images with a pipeline of diffusers; see `InstructionEditor`."""

    def __init__(self, pipeline: Any, family: ModelFamily, *, name: str | None = None, side: int | None = None) -> None:
        """Take a loaded pipeline of one of a family's classes.

        Args:
            pipeline: its networks where they are to run.
            family: its row of the table; see `find_family`.
            name: what the model is called; the family's name.
            side: of the square as large as what the model is shown, in pixels; the model's own.

        Raises:
            SettingsError: the family cannot do that size.
        """
        check_side(family, side, family.patch * pipeline.vae_scale_factor)
        pipeline.set_progress_bar_config(disable=True)
        self.family, self.pipeline = family, pipeline
        self._engine = PipelineEngine(pipeline, family, name=name or family.name, side=side)

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        revision: str | None = None,
        variant: str | None = None,
        memory: str = "auto",
        quantise: str | None = None,
        side: int | None = None,
        loras: Sequence[Lora] = (),
    ) -> "PipelineEditor":
        """Load the pipeline in a folder or on the hub; see `load_pipeline`, and for `side` above."""
        pipeline, family = load_pipeline(
            source,
            device=device,
            precision=precision,
            revision=revision,
            variant=variant,
            memory=memory,
            quantise=quantise,
            loras=loras,
        )
        return cls(pipeline, family, name=str(source), side=side)

    @property
    def name(self) -> str:
        """What the model is called, as it was asked for."""
        return self._engine.name

    @property
    def engine(self) -> PipelineEngine:
        """See `EngineEditor`."""
        return self._engine

    @property
    def distilled(self) -> bool:
        """Whether the checkpoint is of the kind that needs few steps and ignores guidance."""
        return bool(self.pipeline.config.get("is_distilled", False))

    @property
    def defaults(self) -> EditSettings:
        """The family's own settings; what it has no argument for stays open."""
        undistilled = self.family.undistilled
        return self.family.defaults if undistilled is None or self.distilled else undistilled

    def edit(
        self,
        images: ImageSource | Sequence[ImageSource],
        instructions: str | Sequence[str],
        *,
        settings: EditSettings | None = None,
        region: RegionSource | Sequence[RegionSource] = None,
        references: Sequence[ReferenceSource] = (),
        count: int = 1,
        on_progress: Callable[[EditProgress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> EditResult:
        """Edit images by instructions and references; see `InstructionEditor.edit`.

        Every result is a call of its own, from a generator of its own: modern networks fill a device with one picture.
        """
        follower = Follower(on_progress=on_progress, cancelled=cancelled)
        asked = settings or EditSettings()
        check_settings(self.family, asked)
        prepared = prepare(
            images,
            instructions,
            settings=asked,
            region=region,
            references=references,
            count=count,
            defaults=self.defaults,
        )
        check_references(self.family, prepared)
        warnings = warnings_of(self._engine, asked, prepared, distilled=self.distilled)
        return run_course(self._engine, prepared, follower, batch_size=1, warnings=warnings)
