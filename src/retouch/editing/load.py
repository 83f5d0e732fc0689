"""The one door to a model that edits: the in-house loop or a pipeline of diffusers, as the source is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from retouch.core.errors import ModelError, SettingsError
from retouch.core.lora import Lora
from retouch.editing.backend import Backend, check_backend
from retouch.editing.device import choose_device
from retouch.editing.editor import Editor
from retouch.editing.memory_mode import MemoryMode
from retouch.editing.pipelines.editor import PipelineEditor
from retouch.editing.pipelines.families import find_family, known_classes
from retouch.editing.pipelines.index import pipeline_class
from retouch.models.checkpoint import Checkpoint
from retouch.models.save import PIPELINES


def load_editor(
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
    quantise: str | None = None,
    side: int | None = None,
) -> Editor | PipelineEditor:
    """Load whatever edits: by the class in its `model_index.json` a pipeline of a known family, else the loop.

    Args:
        source: as `Editor.load` and `PipelineEditor.load` take it.
        device, precision, revision, variant, loras, memory: for both; quantise, side: see `PipelineEditor.load`.
        backend, tokenizer, ip_adapter, ip_adapter_scale: for the loop; see `Editor.load`.

    Raises:
        MissingExtraError: a package is wanted and not installed.
        ModelError: the model is unknown, cannot be loaded or does not edit.
        SettingsError: a setting is not to be had, or is for the other kind of model.
    """
    name = pipeline_class(source, revision=revision)
    if name in known_classes():
        _refuse(source, find_family(name).name, {"tokenizer": tokenizer, "IP-Adapter": ip_adapter})
        _refuse_backend(source, find_family(name).name, backend)
        return PipelineEditor.load(
            source,
            device=device,
            precision=precision,
            revision=revision,
            variant=variant,
            memory=memory,
            quantise=quantise,
            side=side,
            loras=loras,
        )
    if name is not None and name not in PIPELINES.values() and not name.startswith("StableDiffusion"):
        find_family(name)
    _refuse(source, "the Stable-Diffusion-1 family", {"size": side, "quantisation": quantise})
    return Editor.load(
        source,
        device=device,
        precision=precision,
        backend=backend,
        revision=revision,
        variant=variant,
        tokenizer=tokenizer,
        loras=loras,
        ip_adapter=ip_adapter,
        ip_adapter_scale=ip_adapter_scale,
        memory=memory,
    )


def sparing_mode(device: str, backend: str = "auto") -> MemoryMode:
    """The memory mode that takes the least without layers on their own, for a device and a backend by their names.

    Raises:
        MissingExtraError: the backend is not installed.
        SettingsError: the device or the backend is not to be had.
    """
    return "auto" if choose_device(check_backend(backend, device)).type == "cpu" else "offload"


def checkpoint_of(editor: Editor | PipelineEditor) -> Checkpoint:
    """The networks of the loop, for what looks into them; raises ModelError for a pipeline."""
    if isinstance(editor, Editor):
        return editor.checkpoint
    raise _closed(editor.name, editor.family.pipeline)


def check_open(source: str | Path, *, revision: str | None = None) -> None:
    """See that the attention of a model can be looked into, before it is loaded; raises ModelError for a pipeline."""
    name = pipeline_class(source, revision=revision)
    if name is not None and name in known_classes():
        raise _closed(str(source), name)


def _closed(source: str, pipeline: str) -> ModelError:
    return ModelError(
        f"'{source}' is a {pipeline}, whose attention is not looked into; name the region by a phrase, a point or a "
        "mask."
    )


def _refuse(source: str | Path, family: str, options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if value is not None:
            raise SettingsError(f"'{source}' is of {family}, which takes no {name} of its own; leave it out.")


def _refuse_backend(source: str | Path, family: str, backend: str) -> None:
    if backend in get_args(Backend) and backend != "torch":
        raise SettingsError(f"'{source}' is of {family}, which torch alone computes; choose the backend torch or auto.")
    check_backend(backend, "auto")
