"""Phrases for what the source pictures of records show and do not show, as JSON lines beside the shards."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.lines import json_lines

PhraseKind = Literal["plain", "attribute", "relational", "plural", "shell", "garment", "background", "absent"]
PHRASE_KINDS: tuple[PhraseKind, ...] = get_args(PhraseKind)
Area = Literal["things", "object", "background"]
AREAS: tuple[Area, ...] = get_args(Area)

_FORM = '{"record": …, "phrases": [{"text": …, "kind": …, "area": …, "things": […]}, …]}'


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A phrase and what it means in one picture.

    area: "things" are those of the record's segments whose numbers `things` holds; "object" is the record's object
        mask, "background" what is outside that.
    things: numbers of the segments, from 1; none for what the picture does not show (kind "absent").

    Raises DataError where the text is empty, or where it says nothing of where, and is not absent.
    """

    text: str
    kind: PhraseKind
    area: Area = "things"
    things: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise DataError("A phrase is empty; leave it out.")
        nowhere = self.area == "things" and not self.things
        if nowhere != (self.kind == "absent"):
            raise DataError(
                f"The phrase {self.text!r} of the kind {self.kind} has the things {list(self.things)}; one that is "
                "absent has none, every other has some or an area."
            )

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which numbers of a picture it means; in an object mask the object is 1 and the rest 0."""
        return {"things": self.things, "object": (1,), "background": (0,)}[self.area]


@dataclass(frozen=True, kw_only=True)
class Phrased:
    """The phrases for the source picture of the record with the id `record`."""

    record: str
    phrases: tuple[Phrase, ...] = field(default_factory=tuple)


def phrases_place(folder: Path) -> Path:
    """Where the phrases of a folder of records lie: FOLDER-phrases.jsonl, beside it."""
    return folder.with_name(f"{folder.name}-phrases.jsonl")


def save_phrases(path: Path, phrased: Iterable[Phrased]) -> int:
    """Write one JSON line a picture, whole or not at all; return how many."""
    lines = [json.dumps(_content(one), ensure_ascii=False) for one in phrased]
    atomic_write(path, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def load_phrases(path: Path) -> Iterator[Phrased]:
    """Read such lines; empty ones are passed over. Raises DataError that names the line which is none."""
    for where, content in json_lines(path, form=_FORM):
        record, phrases = content.get("record"), content.get("phrases")
        if not isinstance(record, str) or not isinstance(phrases, list):
            raise DataError(f"{where} lacks a record or its phrases; give {_FORM}.")
        yield Phrased(record=record, phrases=tuple(_phrase(phrase, where) for phrase in phrases))


def _content(phrased: Phrased) -> dict[str, object]:
    return {"record": phrased.record, "phrases": [_written(phrase) for phrase in phrased.phrases]}


def _written(phrase: Phrase) -> dict[str, object]:
    written: dict[str, object] = {"text": phrase.text, "kind": phrase.kind}
    if phrase.area != "things":
        written["area"] = phrase.area
    return written | ({"things": list(phrase.things)} if phrase.things else {})


def _phrase(content: object, where: str) -> Phrase:
    told = content if isinstance(content, Mapping) else {}
    text, kind, area, things = told.get("text"), told.get("kind"), told.get("area", "things"), told.get("things", [])
    numbers = isinstance(things, list) and all(isinstance(thing, int) and thing > 0 for thing in things)
    if not isinstance(text, str) or kind not in PHRASE_KINDS or area not in AREAS or not numbers:
        raise DataError(f"{where} holds a phrase of another form; give {_FORM}.")
    return Phrase(text=text, kind=kind, area=cast(Area, area), things=tuple(things))
