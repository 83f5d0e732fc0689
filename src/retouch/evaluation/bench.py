"""Who is put on the bench: models by the names that `--model` takes, ranges of guidance, and what they must beat."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from torch import nn

from retouch.conditioning.image import reconstruct, to_images, to_pixels
from retouch.core.errors import ModelError, SettingsError
from retouch.core.fit import Fit
from retouch.core.settings import EditSettings
from retouch.editing.backend import backend_of
from retouch.editing.editor import Editor
from retouch.editing.instructing import Instructing
from retouch.editing.load import load_editor
from retouch.editing.pipelines.editor import PipelineEditor
from retouch.evaluation.benchmark import Picture
from retouch.evaluation.contestants import Contestant, Edits, ReturnsSource, ReturnsTarget
from retouch.evaluation.entries import BASELINE, PLAIN, Entry, distinct_names, entry_of, strength_of
from retouch.evaluation.identities import checkpoint_weights, settings_json, weights_of
from retouch.evaluation.plain_pipeline import PlainPipeline
from retouch.evaluation.sdedit import SDEdits
from retouch.models.checkpoint import Checkpoint
from retouch.models.identity import fingerprint
from retouch.models.load import load

UNTRAINED_LIMIT = 40
"""Cases put to the untrained model: its figures are near zero, its cost is the model's."""
GENERATOR = "pocket/generate"
"""The text-to-image model of SDEdit."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """Who takes part, and how.

    models: sources that `load_editor` takes, `diffusers:SOURCE` for a plain call of a pipeline, and the baselines
        `baseline:source`, `baseline:target`, `baseline:round-trip[:SOURCE]`, `baseline:untrained[:SOURCE]` and
        `baseline:sdedit[:STRENGTH]`.
    settings: of every model; what is open is the model's own.
    text_guidance, image_guidance: each value makes a contestant of its own of every model that has such a guidance.
    usual: whether the source, and of a first model of the loop its round trip and an untrained one, take part too.
    device, precision, backend, memory, quantise, side: see `load_editor`.
    """

    models: tuple[str, ...]
    settings: EditSettings = field(default_factory=EditSettings)
    text_guidance: tuple[float, ...] = ()
    image_guidance: tuple[float, ...] = ()
    usual: bool = True
    device: str = "auto"
    precision: str = "auto"
    backend: str = "auto"
    memory: str = "auto"
    quantise: str | None = None
    side: int | None = None


def contestants(entered: Field) -> Iterator[Contestant]:
    """Everybody in turn, baselines first; a model is loaded when its turn comes.

    Raises:
        SettingsError: nobody takes part, one takes part twice, a baseline is unknown, or a value is out of range.
        ModelError: a model cannot be loaded, or does not edit by instruction.
    """
    if not entered.models:
        raise SettingsError("Nobody takes part; name a model.")
    entries = [entry_of(spec) for spec in entered.models]
    names = distinct_names(entered.models)
    _check_ranges(entered)
    asked = {name for entry, name in zip(entries, names, strict=True) if entry.kind == BASELINE}
    return _entered(entered, list(zip(entries, names, strict=True)), asked)


def _entered(entered: Field, entries: list[tuple[Entry, str]], asked: set[str]) -> Iterator[Contestant]:
    first = next((entry for entry, _ in entries if entry.kind != BASELINE), None)
    if entered.usual and "source" not in asked:
        yield ReturnsSource()
    for entry, name in entries:
        if entry.kind == BASELINE:
            yield _baseline(entry, name, entered)
        elif entry.kind == PLAIN:
            yield from _plain(entry, name, entered)
        else:
            editor = _loaded(entry.source, entered)
            if entry is first and entered.usual and isinstance(editor, Editor):
                yield from _usual(editor, entered, asked)
            yield from _edits(editor, name, entered)


def _usual(editor: Editor, entered: Field, asked: set[str]) -> Iterator[Contestant]:
    if "round-trip" not in asked:
        yield _round_trip(editor.checkpoint, "round-trip")
    if "untrained" not in asked:
        yield _untrained(editor.checkpoint, "untrained", entered)


def _baseline(entry: Entry, name: str, entered: Field) -> Contestant:
    match entry.source:
        case "source":
            return ReturnsSource(name=name)
        case "target":
            return ReturnsTarget(name=name)
        case "round-trip":
            return _round_trip(_checkpoint(entry.argument or "pocket", entered), name)
        case "untrained":
            return _untrained(_checkpoint(entry.argument or "pocket", entered), name, entered)
        case _:
            # Guidance by instruction says nothing of guidance by caption: SDEdit keeps the generator's own.
            generator = load(GENERATOR)
            return SDEdits(
                checkpoint=generator,
                weights=checkpoint_weights(generator),
                strength=strength_of(entry),
                settings=EditSettings(steps=entered.settings.steps),
                name=name,
            )


def _loaded(source: str, entered: Field) -> Editor | PipelineEditor:
    editor = load_editor(
        source,
        device=entered.device,
        precision=entered.precision,
        backend=entered.backend,
        memory=entered.memory,
        quantise=entered.quantise,
        side=entered.side,
    )
    if isinstance(editor, Editor) and not isinstance(editor.technique, Instructing):
        raise ModelError(f"'{source}' edits by pictures of an object; measure it with `retouch eval insertion`.")
    return editor


def _checkpoint(source: str, entered: Field) -> Checkpoint:
    chosen = Editor.load(source, device=entered.device, precision=entered.precision, backend=entered.backend)
    return chosen.checkpoint


def _edits(editor: Editor | PipelineEditor, name: str, entered: Field) -> Iterator[Contestant]:
    weights = weights_of(editor, entered.side)
    through = round_trip_of(editor.checkpoint) if isinstance(editor, Editor) else None
    swept = list(_settings(entered, editor.defaults))
    for settings in swept:
        resolved = settings.resolve(editor.defaults)
        edits = Edits(
            name=_called(name, settings, entered, editor.defaults),
            edit=_edit(editor, settings),
            identity={"weights": weights, "settings": settings_json(resolved), **_computed(editor)},
            line=name if len(swept) > 1 else None,
        )
        yield edits if through is None else replace(edits, through=through)


def _computed(editor: Editor | PipelineEditor) -> dict[str, str]:
    """What else the answers of an editor depend on where torch does not compute it."""
    backend = backend_of(editor.checkpoint) if isinstance(editor, Editor) else "torch"
    return {} if backend == "torch" else {"backend": backend}


def _plain(entry: Entry, name: str, entered: Field) -> Iterator[Contestant]:
    plain = PlainPipeline.load(entry.source, device=entered.device, precision=entered.precision)
    swept = list(_settings(entered, plain.defaults))
    for settings in swept:

        def edit(image: Image.Image, instruction: str, seed: int, settings: EditSettings = settings) -> Image.Image:
            return plain.edit(image, instruction, seed, settings)

        yield Edits(
            name=_called(name, settings, entered, plain.defaults),
            edit=edit,
            identity=plain.identity(settings),
            line=name if len(swept) > 1 else None,
            through=plain.round_trip,
        )


def _settings(entered: Field, defaults: EditSettings) -> Iterator[EditSettings]:
    """The settings over the ranges of what the model has a guidance for."""
    texts = entered.text_guidance if defaults.text_guidance is not None else ()
    images = entered.image_guidance if defaults.image_guidance is not None else ()
    for text in texts or (entered.settings.text_guidance,):
        for image in images or (entered.settings.image_guidance,):
            yield replace(entered.settings, text_guidance=text, image_guidance=image)


def _check_ranges(entered: Field) -> None:
    """See that every value is in its range, ahead of all work."""
    list(_settings(entered, EditSettings(text_guidance=1, image_guidance=1)))


def _called(name: str, settings: EditSettings, entered: Field, defaults: EditSettings) -> str:
    """The name, with what of the settings is swept over."""
    parts = [name]
    if len(entered.text_guidance) > 1 and defaults.text_guidance is not None:
        parts.append(f"s_T={settings.text_guidance:g}")
    if len(entered.image_guidance) > 1 and defaults.image_guidance is not None:
        parts.append(f"s_I={settings.image_guidance:g}")
    return " ".join(parts)


def _edit(editor: Editor | PipelineEditor, settings: EditSettings) -> Callable[[Image.Image, str, int], Image.Image]:
    def edit(image: Image.Image, instruction: str, seed: int) -> Image.Image:
        return editor.edit(image, instruction, settings=replace(settings, seed=seed)).image

    return edit


def round_trip_of(checkpoint: Checkpoint) -> Callable[[Picture], Picture]:
    """What takes a picture, (H, W, 3) uint8, through a model's autoencoder and back."""

    def round_trip(picture: Picture) -> Picture:
        image = Image.fromarray(picture)
        factor = checkpoint.vae_factor
        if image.width % factor == 0 and image.height % factor == 0:
            return np.array(to_images(reconstruct(checkpoint, to_pixels([image])))[0])
        spec = checkpoint.spec
        fit = Fit.for_model(image.size, native=spec.native_size, multiple=spec.size_multiple)
        return np.array(fit.invert(to_images(reconstruct(checkpoint, to_pixels([fit.apply(image)])))[0]))

    return round_trip


def _round_trip(checkpoint: Checkpoint, name: str) -> ReturnsTarget:
    identity = {"returns": "round-trip", "weights": fingerprint({"vae": checkpoint.vae}, {})}
    return ReturnsTarget(name=name, identity=identity, through=round_trip_of(checkpoint))


def _untrained(checkpoint: Checkpoint, name: str, entered: Field) -> Contestant:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = cast(UNet2DConditionModel, UNet2DConditionModel.from_config(dict(checkpoint.unet.config)))
    nn.Module.to(unet, checkpoint.device, checkpoint.dtype)
    editor = Editor(replace(checkpoint, unet=unet.eval().requires_grad_(False)))
    return Edits(
        name=name,
        edit=_edit(editor, entered.settings),
        identity={
            "weights": weights_of(editor),
            "settings": settings_json(entered.settings.resolve(editor.defaults)),
        },
        limit=UNTRAINED_LIMIT,
        baseline=True,
        through=round_trip_of(checkpoint),
    )
