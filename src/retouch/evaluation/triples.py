"""Judge triples about rooms: exactly one thing changes, what is removed was there, and both texts tell the same."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, TypeAlias

from retouch.evaluation.room_requests import Request, read_request
from retouch.records.triple import Triple
from retouch.scenes.edits import NATURAL_FLOORS, NATURAL_WALLS
from retouch.scenes.language.reading import Reading, Told, read_caption
from retouch.scenes.palette import NATURAL_COLOURS
from retouch.scenes.room import Light, Surface

Fault = Literal[
    "unreadable", "absent", "nothing changed", "several changes", "other object", "other look", "other request"
]  # fmt: skip
"""What is wrong: a caption that tells of something unknown; the removal of, or an addition by, what is not there; no
difference between the captions, or more than one; an instruction that is about another object, another look or
another kind of change than the captions show."""


@dataclass(frozen=True, kw_only=True)
class ObjectChange:
    """What an object was and is; None where it was not, or is no more, there. `around` are the source's kinds."""

    before: Told | None
    after: Told | None
    around: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class SurfaceChange:
    """The walls or the floor, before and after."""

    which: Literal["walls", "floor"]
    before: Surface
    after: Surface


@dataclass(frozen=True, kw_only=True)
class LightChange:
    """The light, before and after."""

    before: Light
    after: Light


Change: TypeAlias = ObjectChange | SurfaceChange | LightChange

_WORDS: dict[str, str] = {
    "brick": r"\bbricks?\b",
    "tile": r"\b(tiles?|tiled)\b",
    "wallpaper": r"\b(wallpaper|papered)\b",
    "planks": r"\b(planks|floorboards|wood|wooden)\b",
    "carpet": r"\bcarpet\b",
    "marble": r"\bmarble\b",
    "daylight": r"\b(day|daylight|daytime)\b(?! to)",
    "evening": r"\b(evening|dusk)\b",
    "lamp light": r"\b(lamps?|night)\b",
    "walls": r"\b(walls?|wallpaper)\b|paint the room",
    "floor": r"\b(floor|flooring|floorboards|carpet|planks|marble|tiles)\b",
}
"""How finishes, lights and surfaces are named; paint is as good as unsaid, since to paint is said of anything."""


def fault_of(triple: Triple) -> Fault | None:
    """What is wrong with a triple about a room, or None. The captions must be in the rooms' own language.

    One thing is one object (put in, taken out, replaced, or of another look), the walls, the floor or the light.
    """
    before, after = read_caption(triple.source_caption), read_caption(triple.target_caption)
    if before is None or after is None:
        return "unreadable"
    request = read_request(triple.instruction)
    if _removes_what_is_not_there(request, before):
        return "absent"
    changes = changes_of(before, after)
    if changes is None or len(changes) > 1:
        return "several changes"
    return _fault(request, changes[0]) if changes else "nothing changed"


def changes_of(before: Reading, after: Reading) -> list[Change] | None:
    """The differences of two captions; None where they are no such changes."""
    gone = list((Counter(before.objects) - Counter(after.objects)).elements())
    come = list((Counter(after.objects) - Counter(before.objects)).elements())
    others = ((before.walls, after.walls), (before.floor, after.floor), (before.light, after.light))
    told_once = any((one is None) != (other is None) for one, other in others)
    if before.type != after.type or told_once or max(len(gone), len(come)) > 1:
        return None
    changes: list[Change] = []
    if gone or come:
        around = frozenset(told.kind for told in before.objects)
        changes.append(ObjectChange(before=gone[0] if gone else None, after=come[0] if come else None, around=around))
    if before.walls and after.walls and before.walls != after.walls:
        changes.append(SurfaceChange(which="walls", before=before.walls, after=after.walls))
    if before.floor and after.floor and before.floor != after.floor:
        changes.append(SurfaceChange(which="floor", before=before.floor, after=after.floor))
    if before.light and after.light and before.light != after.light:
        changes.append(LightChange(before=before.light, after=after.light))
    return changes


def name_of(change: Change) -> str:
    """What kind of change it is: add, remove, replace, look, walls, floor or light."""
    if isinstance(change, SurfaceChange):
        return change.which
    if isinstance(change, LightChange):
        return "light"
    if change.before is None or change.after is None:
        return "add" if change.before is None else "remove"
    return "look" if change.before.kind == change.after.kind else "replace"


def _removes_what_is_not_there(request: Request, before: Reading) -> bool:
    there = {told.kind for told in before.objects}
    return request.removes and any(not mention.kinds & there for mention in request.subjects if mention.definite)


def _fault(request: Request, change: Change) -> Fault | None:
    match change:
        case SurfaceChange():
            fault = _surface_fault(request, change)
        case LightChange():
            fault = _light_fault(request, change)
        case ObjectChange():
            fault = "other request" if _speaks_of_surfaces(request) else _object_fault(request, change)
    return fault


def _object_fault(request: Request, change: ObjectChange) -> Fault | None:
    old, new = change.before, change.after
    if old is None:
        assert new is not None, "an object was there before or is there after"
        return _addition_fault(request, new, change.around)
    if new is None:
        return _removal_fault(request, old)
    return _look_fault(request, old, new) if old.kind == new.kind else _replacement_fault(request, old, new)


def _addition_fault(request: Request, new: Told, around: frozenset[str]) -> Fault | None:
    if request.removes:
        return "other request"
    subjects = request.subjects
    if not subjects or any(mention.definite or new.kind not in mention.kinds for mention in subjects):
        return "other object"
    # The caption shows what something is put by, but not what that in its turn is told apart by.
    anchor = next((mention for mention in request.mentions if mention.anchor), None)
    if anchor is not None and not anchor.kinds & around:
        return "absent"
    return None if _all_looks_agree(request, old=None, new=new) else "other look"


def _removal_fault(request: Request, old: Told) -> Fault | None:
    if not request.removes or request.adds:
        return "other request"
    if not request.subjects or any(old.kind not in mention.kinds for mention in request.subjects):
        return "other object"
    return None if _all_looks_agree(request, old=old, new=old) else "other look"


def _replacement_fault(request: Request, old: Told, new: Told) -> Fault | None:
    leaving = [mention for mention in request.subjects if mention.definite]
    coming = [mention for mention in request.subjects if not mention.definite]
    if not leaving or not coming:
        return "other object"
    fitting = all(old.kind in mention.kinds for mention in leaving) and all(new.kind in m.kinds for m in coming)
    if not fitting:
        return "other object"
    return None if _all_looks_agree(request, old=old, new=new) else "other look"


def _look_fault(request: Request, old: Told, new: Told) -> Fault | None:
    if request.removes or request.adds:
        return "other request"
    if not request.subjects or any(new.kind not in mention.kinds for mention in request.subjects):
        return "other object"
    if not _all_looks_agree(request, old=old, new=new):
        return "other look"
    colours, materials = _asked_looks(request)
    if old.material != new.material and new.material not in materials:
        return "other look"
    unsaid = {old.colour} | ({NATURAL_COLOURS.get(new.material or "")} if materials else set())
    return None if new.colour in colours or (not colours and new.colour in unsaid and materials) else "other look"


def _asked_looks(request: Request) -> tuple[frozenset[str], frozenset[str]]:
    """Colours and materials that something is to have."""
    asked = [mention for mention in request.subjects if not mention.definite]
    colours = request.colours.union(*(mention.colours for mention in asked))
    return colours, request.materials.union(*(mention.materials for mention in asked))


def _all_looks_agree(request: Request, *, old: Told | None, new: Told) -> bool:
    """Whether "the ..." looks as the object did, and everything else said is how the object looks now."""
    colours, materials = _asked_looks(request)
    if not _agree(colours, new.colour) or not _agree(materials, new.material):
        return False
    if old is None:
        return not request.old_colours
    definite = [mention for mention in request.subjects if mention.definite]
    return _agree(request.old_colours, old.colour) and all(
        _agree(mention.colours, old.colour) and _agree(mention.materials, old.material) for mention in definite
    )


def _agree(said: frozenset[str], told: str | None) -> bool:
    return told is None or said <= {told}


def _speaks_of_surfaces(request: Request) -> bool:
    return request.says(r"\b(walls|wallpaper|flooring|floorboards)\b|(?<!on )\bthe floor\b(?! lamp)")


def _surface_fault(request: Request, change: SurfaceChange) -> Fault | None:
    other: Literal["walls", "floor"] = "floor" if change.which == "walls" else "walls"
    named = r"\b(walls?|wallpaper)\b" if other == "walls" else r"\bfloor"
    if not request.says(_WORDS[change.which]) or request.says(named):
        return "other request"
    # "Carpet" is a rug's name too, and "wall tiles" no clock's.
    if any(mention.kinds != {"rug"} or change.which == "walls" for mention in request.subjects):
        return "other object"
    natural = NATURAL_WALLS if change.which == "walls" else NATURAL_FLOORS
    before, after = change.before, change.after
    if before.finish != after.finish:
        others = [finish for finish in natural if finish not in (before.finish, after.finish, "paint")]
        said = after.finish == "paint" or request.says(_WORDS[after.finish])
        if not said or any(request.says(_WORDS[finish]) for finish in others):
            return "other look"
    colours = request.colours.union(*(mention.colours for mention in request.mentions))
    silent = before.finish != after.finish and not colours and after.colour in (natural[after.finish], before.colour)
    return None if colours == {after.colour} or silent else "other look"


def _light_fault(request: Request, change: LightChange) -> Fault | None:
    if not request.says(_WORDS[change.after]):
        return "other request"
    third = {"daylight", "evening", "lamp light"} - {change.before, change.after}
    if any(request.says(_WORDS[light]) for light in third):
        return "other request"
    lamps_or_verbs = ({"painting"}, {"floor lamp", "table lamp", "pendant lamp"})
    named = [mention for mention in request.subjects if mention.kinds not in lamps_or_verbs]
    return "other object" if named else None
