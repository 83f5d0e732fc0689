"""A path repeated elsewhere, step by step or as one edit, and what differs between two paths."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any

from retouch.core.errors import DesignError
from retouch.core.settings import MAXIMUM_TEXT
from retouch.designs.design import Design, path
from retouch.designs.request import Request, Where

NOTHING = "–"
"""What stands for a setting that was left open, or a step that a path does not have."""


def replayed(design: Design, node: str, onto: str) -> tuple[Request, ...]:
    """The requests along the path to a node, to be made one after the other on the picture of `onto`.

    Raises DesignError where one of the two is missing, or the path has no edit.
    """
    requests = tuple(each.request for each in path(design, node) if each.request is not None)
    if not requests:
        raise DesignError("The first picture of a design was not made by an edit; choose one below it.")
    if not design[onto].shown:
        raise DesignError(f"'{design[onto].name}' is pruned; restore it before you repeat a path on it.")
    return requests


def merged(requests: Sequence[Request], join: Callable[[Sequence[str]], str]) -> Request:
    """One request that does what these do one after the other; `join` makes one instruction of theirs.

    Raises DesignError, with the reason, where they cannot be one: where one shows references, or they differ in their
    models, regions, or settings other than the seed, of which the last counts.
    """
    if not requests:
        raise DesignError("There is no edit to merge.")
    last = requests[-1]
    for request in requests:
        reason = _in_the_way(request, last)
        if reason and len(requests) > 1:
            raise DesignError(f"These edits cannot be merged into one: {reason}; repeat them step by step instead.")
    if len(requests) == 1:
        return last
    instruction = join([request.instruction for request in requests if request.instruction.strip()])
    if len(instruction) > MAXIMUM_TEXT:
        raise DesignError(f"Together the instructions have {len(instruction)} characters; repeat them step by step.")
    return replace(last, instruction=instruction)


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """A field in which two requests differ, and what it holds in each, in words."""

    field: str
    left: str
    right: str


def compared(one: Request | None, other: Request | None) -> tuple[FieldChange, ...]:
    """The fields in which two requests differ; None is no edit at all."""
    left, right = _flat(one), _flat(other)
    names = dict.fromkeys([*left, *right])
    pairs = ((name, left.get(name, NOTHING), right.get(name, NOTHING)) for name in names)
    return tuple(FieldChange(field=name, left=here, right=there) for name, here, there in pairs if here != there)


def compared_paths(design: Design, one: str, other: str) -> tuple[FieldChange, ...]:
    """How what was asked along the paths to two nodes differs, step by step from where they part."""
    left, right = path(design, one), path(design, other)
    pairs = list(zip_longest(left, right))
    found: list[FieldChange] = []
    for number, (here, there) in enumerate(pairs):
        differences = compared(here.request if here else None, there.request if there else None)
        found += [replace(each, field=f"step {number}: {each.field}") for each in differences]
    return tuple(found)


def _in_the_way(request: Request, last: Request) -> str:
    if request.references:
        return f"'{request.instruction}' shows pictures of an object"
    if _everywhere(request.region) != _everywhere(last.region):
        return "they act in different regions"
    if request.region is not None and request.region.kind == "auto":
        return "their instructions say where they act"
    alike = replace(request, instruction="", region=None).with_seed(None)
    differences = compared(alike, replace(last, instruction="", region=None).with_seed(None))
    return f"they differ in their {differences[0].field}" if differences else ""


def _everywhere(region: Where | None) -> Where | None:
    return None if region == Where(kind="whole") else region


def _flat(request: Request | None) -> dict[str, str]:
    if request is None:
        return {}
    texts = {"instruction": request.instruction, "model": request.model or NOTHING}
    for name, value in _leaves("", asdict(request.settings)):
        texts[name] = _words(value)
    texts["region"] = NOTHING if request.region is None else _region_words(request.region)
    shown = (f"{each.upload} × {each.weight:g}" for each in request.references)
    texts["references"] = ", ".join(shown) or NOTHING
    return {name: text for name, text in texts.items() if text != NOTHING}


def _leaves(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(f"{prefix}{name.replace('_', ' ')} ", value)
        else:
            yield prefix + name.replace("_", " "), value


def _words(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " to ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _region_words(region: Where) -> str:
    numbers = ", ".join(f"{number:g}" for number in region.numbers)
    words = " ".join(part for part in (region.kind, region.phrase, numbers, region.upload or "") if part)
    return f"all but {words}" if region.invert else words
