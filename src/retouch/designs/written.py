"""A design as readable JSON, and back, each field looked at: what comes may have been written by anybody."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, get_args

from retouch.core.errors import DesignError, SettingsError
from retouch.designs.changes import MAXIMUM_LABEL
from retouch.designs.design import UNFINISHED, Design, Node, State
from retouch.designs.request import Json, check_words, from_json, to_json

FORMAT = 1
MAXIMUM_NODES = 20_000
MAXIMUM_TITLE = 200
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = {
    "id",
    "parent",
    "request",
    "state",
    "label",
    "starred",
    "pruned_by",
    "image",
    "mask",
    "error",
    "warnings",
    "created_at",
    "finished_at",
}
_UPGRADES: Mapping[int, Callable[[Json], Json]] = {}
"""From each older format, what makes the next of it."""


def write_design(title: str, design: Design) -> Json:
    """A title and a design as JSON; work that is not done is written as cancelled, since it does not come along."""
    return {"format": FORMAT, "title": title, "nodes": [_write_node(node) for node in design]}


def read_design(values: object) -> tuple[str, Design]:
    """The title and the design that `write_design` wrote, in this version or an older one.

    Raises DesignError for what is no such JSON, or of a format that this version does not know.
    """
    if not isinstance(values, dict):
        raise DesignError("The design's JSON is no object; expected one that Retouch exported.")
    values = _upgraded(values)
    title, nodes = values.get("title"), values.get("nodes")
    if not isinstance(nodes, list) or len(nodes) > MAXIMUM_NODES:
        raise DesignError(f"The design has no list of nodes, or more than {MAXIMUM_NODES}.")
    try:
        check_words("The title", title, MAXIMUM_TITLE)
        read = [_read_node(node) for node in nodes]
    except (SettingsError, ValueError, TypeError, KeyError) as problem:
        reason = f"A node of the design cannot be read ({problem}); expected one that was exported."
        raise DesignError(reason) from problem
    design = Design({node.id: node for node in read})
    if len(design) != len(read):
        raise DesignError("Two nodes of the design have the same id.")
    if design.root.image is None:
        raise DesignError("The first node of the design has no picture.")
    return str(title), design


def _upgraded(values: Json) -> Json:
    number = values.get("format")
    while isinstance(number, int) and number in _UPGRADES:
        values = _UPGRADES[number](values)
        number = values.get("format")
    if number != FORMAT or isinstance(number, bool):
        raise DesignError(
            f"The design is of the format {number!r:.40}; this version reads up to {FORMAT}. Update Retouch to read it."
        )
    return values


def _write_node(node: Node) -> Json:
    return {
        "id": node.id,
        "parent": node.parent,
        "request": None if node.request is None else to_json(node.request),
        "state": "cancelled" if node.state in UNFINISHED else node.state,
        "label": node.label,
        "starred": node.starred,
        "pruned_by": node.pruned_by,
        "image": node.image,
        "mask": node.mask,
        "error": node.error,
        "warnings": list(node.warnings),
        "created_at": node.created_at.isoformat(),
        "finished_at": None if node.finished_at is None else node.finished_at.isoformat(),
    }


def _read_node(values: Any) -> Node:
    if not isinstance(values, dict) or set(values) != _FIELDS:
        raise ValueError("it does not have the fields of a node")
    state, image = values["state"], _digest(values["image"])
    if state not in get_args(State) or (state == "done") != (image is not None):
        raise ValueError(f"its state is {state!r:.40}, and exactly a node that is done has a picture")
    if not isinstance(values["starred"], bool) or not isinstance(values["warnings"], list):
        raise ValueError("starred is no truth value, or the warnings are no list")
    request = values["request"]
    return Node(
        id=_text(values, "id", 64),
        parent=_text_or_none(values, "parent", 64),
        request=None if request is None else from_json(request),
        state="cancelled" if state in UNFINISHED else state,
        label=_text(values, "label", MAXIMUM_LABEL),
        starred=values["starred"],
        pruned_by=_text_or_none(values, "pruned_by", 26),
        image=image,
        mask=_digest(values["mask"]),
        error=_text_or_none(values, "error", 2000),
        warnings=tuple(_checked("A warning", text, 2000) for text in values["warnings"][:100]),
        created_at=_time(values["created_at"]),
        finished_at=None if values["finished_at"] is None else _time(values["finished_at"]),
    )


def _text(values: Json, name: str, length: int) -> str:
    return _checked(f"Its {name}", values[name], length)


def _text_or_none(values: Json, name: str, length: int) -> str | None:
    return None if values[name] is None else _text(values, name, length)


def _checked(name: str, text: str, length: int) -> str:
    check_words(name, text, length)
    return text


def _digest(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"{value!r:.80} is no SHA-256 in hex digits")
    return value


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(str(value))
    if time.tzinfo is None:
        raise ValueError(f"the time {value!r:.40} has no zone")
    return time
