"""Read a caption or an instruction by a domain's words: what is named, how it looks, and what is said to be absent."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from retouch.datagen.domain import Domain

Look = tuple[str, str]
"""A kind of look and its word, such as ("colour", "red")."""
OTHER = "other"
"""The kind of words before a name that the domain does not know."""

_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[.,;:]")
_ARTICLES = frozenset({"a", "an", "the", "some", "its", "his", "her", "their", "this", "that", "these", "those"})
_NEGATIONS = frozenset({"no", "without", "lacks", "lacking", "missing"})
_LINKS = frozenset({"in", "of", "made", "painted", "is", "are", "be", "out", "which", "coloured", "colored"})
"""What stands between a name and a look said after it: "a table made of oak", "the walls are blue"."""
_BREAKS = frozenset({
    ".", ",", ";", ":", "and", "with", "but", "or", "nor", "on", "at", "to", "from", "by", "for", "into",
    "onto", "as", "beside", "next", "near", "under", "beneath", "above", "over", "behind", "against",
    "between", "around", "along", "inside", "outside", "there", "has", "have", "having", "it",
})  # fmt: skip
_JOINS = frozenset({",", "and", "or"})


@dataclass(frozen=True, kw_only=True)
class Mention:
    """What is named, under its first name, and how it is said to look; looks of a place are those of the whole."""

    name: str
    is_place: bool
    looks: frozenset[Look] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a text says: what is there, in order, objects that are absent, looks of the whole, and all other words."""

    mentions: Sequence[Mention]
    absent: frozenset[str]
    looks: frozenset[Look]
    others: frozenset[str]

    def has(self, name: str) -> bool:
        """Whether something of this name is there."""
        return any(mention.name == name for mention in self.mentions)


@dataclass(frozen=True, kw_only=True)
class _Word:
    """A piece of a text: what it is, under its first name, and of looks the kind."""

    what: str
    name: str
    kind: str = OTHER


Lexicon = Mapping[tuple[str, ...], _Word]
"""Words of a domain, singular and plural, each as its tokens."""


def lexicon(domain: Domain) -> Lexicon:
    """The words of a domain."""
    words: dict[tuple[str, ...], _Word] = {}
    for what, named in (("place", domain.places), ("object", domain.objects)):
        for each in named:
            for name in (each.name, *each.also):
                words |= dict.fromkeys(map(tokens, _forms(name)), _Word(what=what, name=each.name))
    for kind, values in domain.attributes.items():
        words |= {tokens(value): _Word(what="attribute", name=value, kind=kind) for value in values}
    return words


def tokens(text: str) -> tuple[str, ...]:
    """Words and marks of a text, in lower case."""
    return tuple(_TOKEN.findall(text.lower()))


def read(text: str, known: Lexicon) -> Reading:
    """What a text says, by the words that are known.

    A look belongs to the name it stands before, or to the one it follows by "in", "made of", "is" and the like;
    "no", "without" and their like deny the next name, and those joined to it by "or".
    """
    reader = _Reader()
    for word in _words(tokens(text), known):
        reader.take(word)
    return reader.reading()


def looks_of_kind(looks: Iterable[Look], kind: str) -> frozenset[str]:
    """The words of one kind of look."""
    return frozenset(word for each, word in looks if each == kind)


class _Reader:
    """Goes over a text word by word: `pending` looks wait for the name behind them.

    `after` a name, `trailing` ones may be that name's ("a table made of oak") or the next one's ("a plate of fried
    noodles"), which the next word tells.
    """

    def __init__(self) -> None:
        self.mentions: list[Mention] = []
        self.absent: set[str] = set()
        self.looks: set[Look] = set()
        self.others: set[str] = set()
        self.pending: list[Look] = []
        self.trailing: list[Look] = []
        self.after = self.denied = False

    def take(self, word: _Word) -> None:
        """The next word."""
        if word.what in ("place", "object"):
            self._name(word)
        elif word.what == "attribute" and self.after:
            self.trailing.append((word.kind, word.name))
        elif word.name in _NEGATIONS:
            self._begin(word.name)
            self.denied = True
        elif word.name in _ARTICLES or word.name in _BREAKS:
            self._begin(word.name)
        elif word.what == "attribute" or not self.after:
            self.pending.append((word.kind, word.name))
        elif word.name not in _LINKS:
            self.others.add(word.name)
            self._end_name()

    def reading(self) -> Reading:
        """What was read."""
        self._end_name()
        self._give_up_pending()
        return Reading(
            mentions=tuple(self.mentions),
            absent=frozenset(self.absent),
            looks=frozenset(self.looks),
            others=frozenset(self.others),
        )

    def _begin(self, word: str) -> None:
        """Another phrase, or between looks ("red and white") the same one."""
        self._end_name()
        self.denied = self.denied and word in (*_ARTICLES, "or", "nor")
        if word not in _JOINS:
            self._give_up_pending()

    def _name(self, word: _Word) -> None:
        is_place = word.what == "place"
        if is_place:
            self._give_up_pending()
        if self.denied:
            self.absent.add(word.name)
        else:
            looks = frozenset(look for look in (*self.pending, *self.trailing) if look[1] not in _LINKS)
            self.mentions.append(Mention(name=word.name, is_place=is_place, looks=looks))
        self.pending, self.trailing, self.after = [], [], not self.denied

    def _end_name(self) -> None:
        """What trails behind a name is its own, of a place the whole's."""
        if self.trailing and self.mentions[-1].is_place:
            self.looks.update(self.trailing)
        elif self.trailing:
            self.mentions[-1] = replace(self.mentions[-1], looks=self.mentions[-1].looks.union(self.trailing))
        self.trailing, self.after = [], False

    def _give_up_pending(self) -> None:
        self.looks |= {look for look in self.pending if look[0] != OTHER}
        self.others |= {word for kind, word in self.pending if kind == OTHER and word not in _LINKS}
        self.pending = []


def _words(text: Sequence[str], known: Lexicon) -> Iterable[_Word]:
    """The words of a text, the longest that are known first."""
    longest = max(map(len, known), default=1)
    start = 0
    while start < len(text):
        lengths = range(min(longest, len(text) - start), 0, -1)
        length = next((size for size in lengths if tuple(text[start : start + size]) in known), 0)
        yield known[tuple(text[start : start + length])] if length else _Word(what=OTHER, name=text[start])
        start += length or 1


def _forms(name: str) -> tuple[str, ...]:
    """A name in the singular and the plural."""
    if name.endswith(("s", "x", "ch", "sh", "z")):
        return name, f"{name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name, f"{name[:-1]}ies"
    if name.endswith(("lf", "fe")):
        stem = name.removesuffix("fe").removesuffix("f")
        return name, f"{name}s", f"{stem}ves"
    return name, f"{name}s"
