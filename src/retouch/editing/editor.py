"""The editor over the in-house loop, for models of the Stable-Diffusion-1 family."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from retouch.conditioning.text import cut_text
from retouch.core.lora import Lora
from retouch.core.settings import EditSettings
from retouch.editing.backend import Watch, check_backend, use_backend
from retouch.editing.course import run_course
from retouch.editing.device import choose_device, choose_precision, image_precision
from retouch.editing.follow import Follower
from retouch.editing.instructing import Instructing
from retouch.editing.loop_engine import LoopEngine
from retouch.editing.loop_memory import check_loop_mode, loading_device, settle
from retouch.editing.memory import memory_errors
from retouch.editing.protocol import ImageSource, ReferenceSource, RegionSource
from retouch.editing.request import Prepared, prepare
from retouch.editing.result import EditProgress, EditResult
from retouch.editing.technique import Illustrated, Technique
from retouch.editing.techniques import Place, load_technique, with_adapter
from retouch.models.checkpoint import Checkpoint
from retouch.models.lora import fuse_loras

BATCH_SIZE = 8
"""Pictures denoised together at the most; more are taken one batch after the other."""


class Editor:
    """Edits images with a loaded model: by instruction, by pictures of an object, or by both."""

    def __init__(self, model: Checkpoint | Technique, *, batch_size: int = BATCH_SIZE) -> None:
        """Take a checkpoint of kind `instruct`, or any model with its technique; raises ModelError for other kinds."""
        self.technique: Technique = Instructing(model) if isinstance(model, Checkpoint) else model
        self.batch_size = batch_size
        """Pictures denoised together at the most."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The networks of the loop."""
        return self.technique.checkpoint

    @classmethod
    def load(
        cls,
        source: str | Path = "pocket",
        *,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        revision: str | None = None,
        variant: str | None = None,
        tokenizer: str | Path | None = None,
        loras: Sequence[Lora] = (),
        ip_adapter: str | Path | None = None,
        ip_adapter_scale: float = 1.0,
        memory: str = "auto",
    ) -> "Editor":
        """Load the model that `source` names (`pocket`, a folder, a hub id, a file) and make an editor of it.

        Args:
            source: see `retouch.models.load`; or a model that reads pictures of an object, such as `pocket/insert`,
                `pocket/exemplar` or the folder of one.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            precision: `auto`, `float32`, `bfloat16` or `float16`.
            backend: what computes the networks: `torch`, `openvino` (on the CPU), `graphs` or `compiled` (on an NVIDIA
                GPU), or `auto`, which is the fastest that `retouch doctor --bench` measured here; else `graphs` on an
                NVIDIA GPU and `torch` elsewhere.
            revision: branch, tag or commit, for hub ids.
            variant: the variant of the weight files, such as `fp16`.
            tokenizer: for a single file, where its tokenizer lies; see `retouch.models.load`.
            loras: added to the model's weights; see `fuse_loras`.
            ip_adapter: lets a model that edits by instruction, or fills regions, read references too; see
                `load_ip_adapter`.
            ip_adapter_scale: how much they count beside the text, 0…2.
            memory: `full` (all networks on the device), `offload` (U-Net, VAE and text encoder one at a time, on a GPU)
                or `auto`: full where there is room for it.

        Raises:
            MissingExtraError: the backend is not installed.
            ModelError: the model cannot be loaded or does not edit by instruction, or a LoRA does not fit it.
            SettingsError: the device, the precision, the backend or the memory mode is not to be had.
        """
        where = choose_device(check_backend(backend, device))
        dtype = choose_precision(precision, where)
        mode = check_loop_mode(memory, where, str(source))
        with memory_errors(f"loading '{source}'"):
            place = Place(dtype=dtype, vae_dtype=image_precision(dtype, where), device=loading_device(mode, where))
            technique = load_technique(source, revision=revision, variant=variant, tokenizer=tokenizer, place=place)
            fuse_loras(technique.checkpoint, loras)
            if ip_adapter is not None:
                technique = with_adapter(technique, ip_adapter, place=place, scale=ip_adapter_scale)
            settle(technique, mode, where)
            use_backend(technique.checkpoint, backend)
        return cls(technique)

    @property
    def name(self) -> str:
        """What the model is called, as it was asked for."""
        return self.checkpoint.source

    @property
    def engine(self) -> LoopEngine:
        """See `EngineEditor`."""
        return LoopEngine(self.technique)

    @property
    def defaults(self) -> EditSettings:
        """The model's own settings."""
        return self.checkpoint.spec.defaults

    def asked(self, settings: EditSettings | None) -> EditSettings:
        """Settings as the model takes their profile."""
        return self.checkpoint.spec.asked(settings or EditSettings())

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

        Pictures of one model size are denoised together. Between instructions the result stays at the
        model's size, unrounded, so that a chain of edits drifts as little as the model lets it; a chain with regions
        goes on from the picture at its own size, of which all that lies outside is the input's. A model that was
        taught a subject has its pictures for references where none are given.
        """
        follower = Follower(on_progress=on_progress, cancelled=cancelled)
        prepared = prepare(
            images,
            instructions,
            settings=self.asked(settings),
            region=region,
            references=references or self._own_references(),
            count=count,
            defaults=self.defaults,
        )
        self.technique.check(references=len(prepared.references), regional=bool(prepared.regions))
        watch = Watch(self.checkpoint)
        result = run_course(
            self.engine,
            prepared,
            follower,
            batch_size=self.batch_size,
            warnings=self.warnings_of(prepared),
        )
        return replace(result, warnings=result.warnings + watch.warnings())

    def _own_references(self) -> Sequence[ReferenceSource]:
        return self.technique.references if isinstance(self.technique, Illustrated) else ()

    def warnings_of(self, prepared: Prepared) -> tuple[str, ...]:
        """A sentence for each text of a request whose end the model does not read."""
        if self.checkpoint.text is None:
            return ()
        texts = (*prepared.active, prepared.settings.negative or "", prepared.settings.negative_image or "")
        cuts = [cut_text(self.checkpoint, text) for text in dict.fromkeys(texts)]
        return tuple(
            f"The text is longer than the model reads; it did not see its end: '{cut}'." for cut in cuts if cut
        )
