"""A rendered edit of a room as a record, whatever engine drew it."""

from dataclasses import dataclass

from retouch.datagen.room_facts import changed_region, facts_of, mask_png, object_region, png, segments_of
from retouch.records.pair import PairRecord, Split
from retouch.scenes.edits import Edit
from retouch.scenes.render import Rendering, render
from retouch.scenes.room import Room


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A room, its rendering and that as PNG; `edit` is what led here from the unit's first shot."""

    room: Room
    rendering: Rendering
    png: bytes
    edit: Edit | None = None


@dataclass(frozen=True, kw_only=True)
class Transition:
    """From one shot to another by an edit of the first, and the instruction that says so."""

    source: Shot
    target: Shot
    edit: Edit
    instruction: str


def shoot(room: Room, *, size: int, samples: int, edit: Edit | None = None) -> Shot:
    """Render a room, `size` pixels square."""
    rendering = render(room, size=size, samples=samples)
    return Shot(room=room, rendering=rendering, png=png(rendering.image), edit=edit)


def room_record(
    step: Transition,
    *,
    name: str,
    engine: str,
    split: Split,
    captions: tuple[str, str],
    references: tuple[bytes, ...] = (),
) -> PairRecord:
    """The record of a step with all that rooms know: regions, segments, and the facts of the edit."""
    source, target = step.source.rendering.ids, step.target.rendering.ids
    before, after = step.source.room, step.target.room
    facts = facts_of(step.edit, before, after)
    own = object_region(step.edit, source, target)
    segments, things = segments_of(before, source)
    return PairRecord(
        id=name,
        source_image=step.source.png,
        target_image=step.target.png,
        edit_prompt=step.instruction,
        source_caption=captions[0],
        target_caption=captions[1],
        mask=mask_png(changed_region(step.edit, before, source, target)),
        object_mask=None if own is None else mask_png(own),
        segments=png(segments),
        reference_images=references,
        object=str(facts["object"]) if "object" in facts else None,
        engine=engine,
        seed=before.seed,
        params={**facts, "segments": things},
        split=split,
    )
