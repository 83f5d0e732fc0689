"""What was asked of one edit, as a value, and its one form in JSON."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from retouch.core.errors import DesignError, SettingsError
from retouch.core.provenance import settings_from_json
from retouch.core.reference import MAXIMUM_REFERENCES, MAXIMUM_WEIGHT
from retouch.core.settings import MAXIMUM_TEXT, EditSettings

Json = dict[str, Any]
Kind = Literal["whole", "auto", "phrase", "point", "box", "mask"]
MAXIMUM_PHRASE = 500
_NAME_LENGTH = 64
_NUMBERS = {"point": 2, "box": 4}


def check_words(name: str, text: object, length: int) -> None:
    """Raise SettingsError where `text` is no text, is longer than `length`, or holds what no database keeps."""
    if not isinstance(text, str):
        raise SettingsError(f"{name} is {text!r}; expected a text.")
    if len(text) > length:
        raise SettingsError(f"{name} has {len(text)} characters; at most {length} are accepted.")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        raise SettingsError(f"{name} holds a character that stands for nothing (NUL or half a surrogate pair).")


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where an edit acts, in pixels of its parent's picture.

    phrase: of a phrase, the words. numbers: of a point x, y; of a box left, top, right, bottom; else (). upload: of a
    mask, the id of its picture, white where the edit acts. invert: whether it acts everywhere else.

    Raises SettingsError where what its kind needs is missing or out of range.
    """

    kind: Kind
    phrase: str = ""
    numbers: tuple[float, ...] = ()
    upload: str | None = None
    invert: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SettingsError(f"The region's kind is {self.kind!r}; expected one of {', '.join(get_args(Kind))}.")
        check_words("The region's phrase", self.phrase, MAXIMUM_PHRASE)
        if self.kind == "phrase" and not self.phrase.strip():
            raise SettingsError("The region's phrase is empty; say what to look for.")
        _check_numbers(self.kind, self.numbers)
        if (self.kind == "mask") != (self.upload is not None):
            raise SettingsError("A region has an upload exactly where it is a mask; upload the mask and name its id.")
        if self.upload is not None:
            check_words("The region's upload", self.upload, _NAME_LENGTH)
        if not isinstance(self.invert, bool):
            raise SettingsError(f"The region's invert is {self.invert!r}; expected true or false.")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture of an object to put in: the id of an upload, and how much it counts, in 0…2; raises SettingsError."""

    upload: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_words("The reference's upload", self.upload, _NAME_LENGTH)
        if not _is_number(self.weight) or not 0 <= self.weight <= MAXIMUM_WEIGHT:
            raise SettingsError(f"The reference's weight is {self.weight!r}; expected a number from 0 to 2.")


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that makes a picture out of its parent's; `model` None is the server's choice. Raises SettingsError."""

    instruction: str = ""
    model: str | None = None
    settings: EditSettings = field(default_factory=EditSettings)
    region: Where | None = None
    references: tuple[Shown, ...] = ()

    def __post_init__(self) -> None:
        check_words("The instruction", self.instruction, MAXIMUM_TEXT)
        if self.model is not None:
            check_words("The model", self.model, 200)
        for name in ("scheduler", "negative", "negative_image"):
            check_words(name, getattr(self.settings, name) or "", MAXIMUM_TEXT)
        if len(self.references) > MAXIMUM_REFERENCES:
            raise SettingsError(
                f"There are {len(self.references)} references; at most {MAXIMUM_REFERENCES} are accepted."
            )

    @property
    def uploads(self) -> tuple[str, ...]:
        """The ids of the uploads it names, each once."""
        named = [self.region.upload] if self.region is not None and self.region.upload is not None else []
        return tuple(dict.fromkeys([*named, *(each.upload for each in self.references)]))

    def with_uploads(self, renamed: Callable[[str], str]) -> "Request":
        """The same with other names for its uploads."""
        region = self.region
        if region is not None and region.upload is not None:
            region = replace(region, upload=renamed(region.upload))
        shown = tuple(replace(each, upload=renamed(each.upload)) for each in self.references)
        return replace(self, region=region, references=shown)

    def with_seed(self, seed: int | None) -> "Request":
        """The same with another seed."""
        return replace(self, settings=replace(self.settings, seed=seed))


def to_json(request: Request) -> Json:
    """What `from_json` reads again; settings that are left open are left out."""
    values: Json = {"instruction": request.instruction, "model": request.model}
    values["settings"] = _without_none(asdict(request.settings))
    if request.region is not None:
        values["region"] = asdict(request.region) | {"numbers": list(request.region.numbers)}
    if request.references:
        values["references"] = [asdict(each) for each in request.references]
    return values


def from_json(values: object) -> Request:
    """Read a request; raises DesignError where it is none that `to_json` wrote."""
    try:
        given = _object(values, Request)
        region, shown = given.get("region"), given.get("references", [])
        if not isinstance(shown, list):
            raise DesignError("its references are no list")
        return Request(
            instruction=given.get("instruction", ""),
            model=given.get("model"),
            settings=settings_from_json(_object(given.get("settings", {}), EditSettings)),
            region=None if region is None else _where(region),
            references=tuple(Shown(**_object(each, Shown)) for each in shown),
        )
    except (SettingsError, DesignError, TypeError, ValueError, AttributeError) as problem:
        reason = f"A request of the design cannot be read ({problem}); expected one that was exported."
        raise DesignError(reason) from problem


def batch_key(request: Request, parent: str) -> str:
    """A digest that requests share which differ in their seeds alone and edit the same parent: 64 hex digits."""
    return _digest([parent, to_json(request.with_seed(None))])


def together_key(request: Request) -> str:
    """A digest that edits of whole pictures by words share whose model and settings are equal but for the seed: 64 hex
    digits; "" for an edit that is made apart, since it has a region, references or no words."""
    if not request.instruction.strip() or request.references or request.region not in (None, Where(kind="whole")):
        return ""
    return _digest([request.model, to_json(request.with_seed(None))["settings"]])


def _digest(values: Json | list[Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _where(values: object) -> Where:
    given = _object(values, Where)
    numbers = given.pop("numbers", [])
    if not isinstance(numbers, list):
        raise DesignError("a region's numbers are no list")
    return Where(**given, numbers=tuple(numbers))


def _object(values: object, kind: type) -> Json:
    if not isinstance(values, dict):
        raise DesignError(f"{values!r:.40} is no object")
    unknown = set(values) - {entry.name for entry in fields(kind)}
    if unknown:
        raise DesignError(f"it has fields that are not known: {', '.join(sorted(map(repr, unknown)))}")
    return dict(values)


def _without_none(values: Mapping[str, Any]) -> Json:
    kept = {name: value for name, value in values.items() if value is not None}
    return {
        name: _without_none(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
        for name, value in kept.items()
    }


def _check_numbers(kind: str, numbers: tuple[float, ...]) -> None:
    wanted = _NUMBERS.get(kind, 0)
    if len(numbers) != wanted or not all(map(_is_number, numbers)):
        raise SettingsError(f"A region of the kind {kind} has the numbers {list(numbers)}; expected {wanted} of them.")
    if kind == "box" and (numbers[0] >= numbers[2] or numbers[1] >= numbers[3]):
        raise SettingsError(f"The region's box is {list(numbers)}; expected left < right and top < bottom.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
