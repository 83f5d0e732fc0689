"""Edits of a photograph: looks, dyes and patterns with their words, and which of them a picture gets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from retouch.datagen.photos import language
from retouch.datagen.photos.colour import lab_of, to_lab
from retouch.datagen.photos.looks import LOOKS, apply_look
from retouch.datagen.photos.patterns import PATTERNS, draw_pattern
from retouch.datagen.photos.recolour import Garment, dye, mean_lab, soften
from retouch.datagen.photos.scene import PhotoScene
from retouch.records.pair import JSON
from retouch.scenes.palette import COLOURS, TRAINED_COLOURS

SOLID_ENOUGH_FOR_PATTERN, EVEN_ENOUGH_FOR_PATTERN = 0.90, 11.0
# In Lab (CIE76): how far a dye must move a colour, how far it may move lightness, how near it must land.
LEAST_DYE, MOST_LIGHTNESS_CHANGE, NEAR_PALETTE = 28.0, 72.0, 21.0
LEAST_LOOK_CHANGE = 4.0
LEAST_PATTERN_CONTRAST = 25.0
PATTERN_SHARE, REVERSE_SHARE, UNNAMED_SHARE, SUBJECT_LOOK_SHARE = 0.28, 0.22, 0.35, 0.25


@dataclass(frozen=True, kw_only=True)
class PhotoEdit:
    """An edit done: `source` and `target` (S, S, 3) uint8, the words, the `changed` region (S, S) bool, facts."""

    source: np.ndarray
    target: np.ndarray
    prompt: str
    source_caption: str
    target_caption: str
    changed: np.ndarray
    params: Mapping[str, JSON]


def look_edits(scene: PhotoScene, generator: np.random.Generator) -> Iterator[PhotoEdit]:
    """Different looks of the scene, visible ones, in random order."""
    names = _shuffled([name for name in LOOKS if not LOOKS[name].needs_subject], generator)
    if scene.mask is not None:
        special = _shuffled([name for name in LOOKS if LOOKS[name].needs_subject], generator)
        first = generator.random() < SUBJECT_LOOK_SHARE
        names = [*special[:1], *names, *special[1:]] if first else [*names, *special]
    for name in names:
        edit = _look(scene, name, generator)
        if np.linalg.norm(_lab(edit.target) - _lab(scene.image), axis=2).mean() >= LEAST_LOOK_CHANGE:
            yield edit


def garment_edits(scene: PhotoScene, generator: np.random.Generator) -> Iterator[PhotoEdit]:
    """Dyes and patterns of the scene's object in random order, some of them undone; none where it has no mask."""
    if scene.garment is None:
        return
    patterns = _shuffled(list(PATTERNS), generator)
    for colour in _shuffled(list(TRAINED_COLOURS), generator):
        if patterns and generator.random() < PATTERN_SHARE and _takes_patterns(scene.garment):
            yield _pattern(scene, scene.garment, patterns.pop(), generator)
        edit = _dye(scene, scene.garment, colour, generator)
        if edit is not None:
            yield edit


def _takes_patterns(garment: Garment) -> bool:
    return garment.solid >= SOLID_ENOUGH_FOR_PATTERN and garment.spread <= EVEN_ENOUGH_FOR_PATTERN


def _look(scene: PhotoScene, name: str, generator: np.random.Generator) -> PhotoEdit:
    soft = None if scene.mask is None else soften(scene.mask)
    changed = np.ones(scene.image.shape[:2], bool)
    if LOOKS[name].needs_subject and soft is not None:
        changed = soft < 0.99
    return PhotoEdit(
        source=scene.image,
        target=apply_look(name, scene.image, soft),
        prompt=language.look_instruction(name, generator),
        source_caption=language.caption(scene.subject()),
        target_caption=language.look_caption(name, scene.subject()),
        changed=changed,
        params={"kind": "look", "look": name},
    )


def _dye(scene: PhotoScene, garment: Garment, colour: str, generator: np.random.Generator) -> PhotoEdit | None:
    """The object in a palette colour; None where that is no visible change or cannot be reached."""
    target_lab = lab_of(colour)
    change = target_lab - garment.main
    too_little = colour == scene.colour or np.linalg.norm(change) < LEAST_DYE
    if too_little or abs(change[0]) > MOST_LIGHTNESS_CHANGE:
        return None
    target = dye(garment, target_lab)
    dyed = (garment.soft > 0.5) & (garment.dyeable > 0.5)
    if np.linalg.norm(mean_lab(target, dyed) - target_lab) > NEAR_PALETTE:
        return None
    edit = PhotoEdit(
        source=scene.image,
        target=target,
        prompt="",
        source_caption=language.caption(scene.subject()),
        target_caption=language.caption(scene.subject(colour)),
        changed=garment.soft > 0.01,
        params={"kind": "garment_recolour"},
    )
    if scene.colour is not None and generator.random() < REVERSE_SHARE:
        edit, colour = _reversed(edit), scene.colour
    prompt = language.recolour_instruction(scene.noun, colour, plural=scene.plural, generator=generator)
    return replace(
        edit, prompt=prompt, params=dict(edit.params) | {"colour": colour, "target_rgb": list(COLOURS[colour])}
    )


def _pattern(scene: PhotoScene, garment: Garment, pattern: str, generator: np.random.Generator) -> PhotoEdit:
    """The object with a pattern: in a colour the words name, or in white on dark and navy on light objects."""
    default = "white" if garment.main[0] < 60 else "navy"
    contrasting = [name for name in TRAINED_COLOURS if abs(lab_of(name)[0] - garment.main[0]) > LEAST_PATTERN_CONTRAST]
    named = bool(contrasting) and generator.random() >= UNNAMED_SHARE
    colour = language.choose(contrasting, generator) if named else default
    coverage = draw_pattern(pattern, garment.lab[:, :, 0], garment.soft > 0.5)
    target = dye(garment, lab_of(colour), coverage)
    spoken = colour if named else None
    params = {"kind": "garment_pattern", "pattern": pattern, "colour": colour, "target_rgb": list(COLOURS[colour])}
    described = f"{scene.subject()} with {language.pattern_words(pattern, colour, generator)}"
    edit = PhotoEdit(
        source=scene.image,
        target=target,
        prompt=language.pattern_instruction(scene.noun, pattern, spoken, generator=generator),
        source_caption=language.caption(scene.subject()),
        target_caption=language.caption(described),
        changed=garment.soft > 0.01,
        params=params,
    )
    if generator.random() >= REVERSE_SHARE:
        return edit
    prompt = language.plain_instruction(scene.noun, pattern, generator=generator)
    return replace(_reversed(edit), prompt=prompt, params={"kind": "garment_pattern", "pattern": "plain"})


def _reversed(edit: PhotoEdit) -> PhotoEdit:
    """The edit undone: its words and facts are still those of the edit."""
    return replace(
        edit,
        source=edit.target,
        target=edit.source,
        source_caption=edit.target_caption,
        target_caption=edit.source_caption,
    )


def _shuffled(names: list[str], generator: np.random.Generator) -> list[str]:
    return [names[int(index)] for index in generator.permutation(len(names))]


def _lab(image: np.ndarray) -> np.ndarray:
    return to_lab(image.astype(np.float32) / 255)
