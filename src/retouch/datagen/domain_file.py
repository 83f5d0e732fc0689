"""Read a domain from a YAML file, checked: every complaint names the key and the line where it stands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from retouch.core.errors import DataError
from retouch.datagen.agents.reading import Lexicon, lexicon
from retouch.datagen.agents.rules import fault_of
from retouch.datagen.domain import Domain, Level, Place, Thing
from retouch.records.triple import Triple

Value = TypeVar("Value")

_DOMAIN = ("name", "description", "attributes", "objects", "places", "rules", "levels")
_PLACE = ("also", "examples")
_OBJECT = ("also", "places", "attributes", "examples")
_LEVEL = ("objects", "share")
_EXAMPLE = ("input", "edit", "output")


def read_domain(path: Path) -> Domain:
    """The domain that a file describes.

    Raises DataError where it cannot be read, has an unknown or a missing key or a value of another kind, names what
    it does not define, gives one word two meanings, or shows an example that breaks the rules of triples.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path} cannot be read ({reason}); give a domain's YAML file.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(_not_yaml(path, error)) from error
    if root is None:
        raise DataError(f"{path} is empty; a domain's file has {', '.join(_DOMAIN)}.")
    return _domain(_Entry(node=root, key="the domain", path=path, line=_line(root)))


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A value in the file, the key it is under, and the line of the key for complaints."""

    node: yaml.Node
    key: str
    path: Path
    line: int

    def fault(self, what: str) -> DataError:
        """A complaint about this entry."""
        return DataError(f"{self.path}, line {self.line}: {what}")

    def within(self, node: yaml.Node, key: str, beside: yaml.Node | None = None) -> "_Entry":
        """An entry of this one, which stands where it begins or where its own key does."""
        return _Entry(node=node, key=key, path=self.path, line=_line(beside or node))

    def text(self) -> str:
        """A text or a number, as it is written."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            raise self.fault(f"'{self.key}' holds {_kind(self.node)}; give a text.")
        return " ".join(self.node.value.split())

    def number(self) -> float:
        """A number above 0."""
        try:
            value = float(self.text())
        except ValueError as error:
            raise self.fault(f"'{self.key}' is '{self.text()}'; give a number.") from error
        if not 0 < value < 1e6:
            raise self.fault(f"'{self.key}' is {value:g}; give a number above 0.")
        return value

    def each(self, of: Callable[["_Entry"], Value]) -> list[Value]:
        """A list, its entries read by `of`."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.fault(f"'{self.key}' holds {_kind(self.node)}; give a list.")
        return [of(self.within(node, self.key)) for node in self.node.value]

    def texts(self) -> list[str]:
        """A list of texts, each once."""
        found = self.each(_Entry.text)
        for place, text in enumerate(found):
            if text in found[:place]:
                raise self.fault(f"'{self.key}' lists '{text}' twice; list it once.")
        return found

    def named(self) -> dict[str, "_Entry"]:
        """Entries under names that the file chooses."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.fault(f"'{self.key}' holds {_kind(self.node)}; give names, each with a colon and a value.")
        found: dict[str, _Entry] = {}
        for key, value in self.node.value:
            name = self.within(key, self.key).text()
            if name in found:
                raise self.within(key, name).fault(f"'{name}' stands twice; keep one of both.")
            found[name] = self.within(value, name, beside=key)
        return found

    def fields(self, known: Sequence[str], *, required: Sequence[str]) -> dict[str, "_Entry"]:
        """Entries under keys that are known; an empty value is as good as none."""
        found = {} if _is_nothing(self.node) else self.named()
        for name, entry in found.items():
            if name not in known:
                raise entry.fault(f"the key '{name}' of {self.key} is unknown; known are {', '.join(known)}.")
        for name in required:
            if name not in found:
                raise self.fault(f"{self.key} lacks the key '{name}'; give it.")
        return {name: entry for name, entry in found.items() if not _is_nothing(entry.node)}


def _domain(entry: _Entry) -> Domain:
    fields = entry.fields(_DOMAIN, required=("name", "description", "objects", "places", "levels"))
    for name in ("name", "description", "objects", "places", "levels"):
        if name not in fields:
            raise entry.named()[name].fault(f"'{name}' is empty; give it a value.")
    attributes = {kind: each.texts() for kind, each in _entries(fields, "attributes").items()}
    places, objects = _entries(fields, "places"), _entries(fields, "objects")
    known: dict[str, Sequence[str]] = {"places": tuple(places), "attributes": tuple(attributes)}
    domain = Domain(
        name=fields["name"].text(),
        description=fields["description"].text(),
        places=[_place(each) for each in places.values()],
        objects=[_thing(each, known) for each in objects.values()],
        attributes=attributes,
        rules=fields["rules"].texts() if "rules" in fields else [],
        levels=_levels(fields["levels"]),
    )
    _check_words({"place": places, "object": objects, "attribute": _entries(fields, "attributes")}, domain)
    _check_levels(domain, fields["levels"])
    for each in (*places.values(), *objects.values()):
        _check_examples(each, lexicon(domain))
    return domain


def _entries(fields: Mapping[str, _Entry], name: str) -> dict[str, _Entry]:
    return fields[name].named() if name in fields else {}


def _place(entry: _Entry) -> Place:
    fields = entry.fields(_PLACE, required=("examples",))
    return Place(name=entry.key, also=_texts(fields, "also"), examples=_examples(fields))


def _thing(entry: _Entry, known: Mapping[str, Sequence[str]]) -> Thing:
    fields = entry.fields(_OBJECT, required=())
    for key, names in known.items():
        for name in _texts(fields, key):
            if name not in names:
                raise fields[key].fault(f"'{entry.key}' names '{name}' under {key}, which the file does not define.")
    return Thing(
        name=entry.key,
        also=_texts(fields, "also"),
        places=_texts(fields, "places") or known["places"],
        looks=_texts(fields, "attributes") if "attributes" in fields else known["attributes"],
        examples=_examples(fields),
    )


def _texts(fields: Mapping[str, _Entry], name: str) -> Sequence[str]:
    return fields[name].texts() if name in fields else ()


def _examples(fields: Mapping[str, _Entry]) -> list[Triple]:
    return fields["examples"].each(_example) if "examples" in fields else []


def _example(entry: _Entry) -> Triple:
    fields = entry.fields(_EXAMPLE, required=_EXAMPLE)
    if len(fields) < len(_EXAMPLE):
        raise entry.fault("an example has an empty text; give input, edit and output.")
    source, instruction, target = (fields[key].text() for key in _EXAMPLE)
    return Triple(source_caption=source, instruction=instruction, target_caption=target)


def _levels(entry: _Entry) -> list[Level]:
    levels = entry.each(_level)
    numbers = [level.objects for level in levels]
    if not levels or numbers != sorted(set(numbers)):
        raise entry.fault("'levels' must rise in their number of objects; give each number once, the smallest first.")
    total = sum(level.share for level in levels)
    if abs(total - 1) > 1e-6:
        raise entry.fault(f"the shares of 'levels' are {total:g} together; make them 1.")
    return levels


def _level(entry: _Entry) -> Level:
    fields = entry.fields(_LEVEL, required=_LEVEL)
    if len(fields) < len(_LEVEL):
        raise entry.fault("a level has an empty value; give objects and share.")
    objects = fields["objects"].number()
    if objects != int(objects):
        raise fields["objects"].fault(f"'objects' is {objects:g}; give a whole number.")
    return Level(objects=int(objects), share=fields["share"].number())


def _check_words(entries: Mapping[str, Mapping[str, _Entry]], domain: Domain) -> None:
    seen: dict[str, str] = {}
    names = {each.name: (each.name, *each.also) for each in (*domain.places, *domain.objects)}
    for what, group in entries.items():
        for key, entry in group.items():
            for word in domain.attributes[key] if what == "attribute" else names[key]:
                if word.lower() in seen:
                    raise entry.fault(f"'{word}' is both {seen[word.lower()]} and {what}; a word has one meaning.")
                seen[word.lower()] = what


def _check_levels(domain: Domain, entry: _Entry) -> None:
    most = max(level.objects for level in domain.levels)
    for place in domain.places:
        if most > max(1, len(domain.things_of(place))):
            raise entry.fault(f"'levels' want {most} objects and '{place.name}' has fewer; lower them, or add objects.")


def _check_examples(entry: _Entry, known: Lexicon) -> None:
    for each in _places_of_examples(entry):
        fault = fault_of(_example(each), known)
        if fault is not None:
            raise each.fault(f"an example of '{entry.key}' breaks a rule of triples ({fault}); correct it.")


def _places_of_examples(entry: _Entry) -> Iterator[_Entry]:
    fields = {} if _is_nothing(entry.node) else entry.named()
    if "examples" in fields and not _is_nothing(fields["examples"].node):
        yield from fields["examples"].each(lambda each: each)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _is_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if not node.value.strip() else f"'{node.value}'"
    return "a list" if isinstance(node, yaml.SequenceNode) else "keys and values"


def _not_yaml(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}, line {mark.line + 1}" if mark is not None else str(path)
    reason = getattr(error, "problem", None) or "nested too deeply"
    return f"{where}: this is not YAML ({reason}); correct it."
