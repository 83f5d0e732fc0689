"""What an instruction about a room speaks of: the things it names, how they look, and whether it adds or removes."""

import re
from dataclasses import dataclass
from functools import cache

from retouch.scenes.language.reading import COLOUR_NAMES, one_of
from retouch.scenes.language.words import (
    MATERIAL_ADJECTIVES,
    MATERIAL_NOUNS,
    NOUNS,
    PART_NOUNS,
    PART_PHRASES,
    denoted_by,
    plural,
)

_SIDES = ("left", "right", "middle", "leftmost", "rightmost", "left-hand", "right-hand", "other", "new")
_RELATIONS = (
    "on", "on top of", "next to", "beside", "by", "close to", "left of", "right of", "in front of", "before",
    "above", "over", "under", "underneath", "beneath",
)  # fmt: skip
_REMOVAL = re.compile(
    r"\b(remove|take ([\w-]+ ){0,8}(away|out)|get rid|delete|erase|clear away|do away|drop|lose|disappear|throw out"
    r"|without|no|(don't|do not) (want|need)|(should|must) (go|be gone))\b"
)
_ADDITION = re.compile(r"\b(add|insert|include|bring in)\b")


@dataclass(frozen=True, kw_only=True)
class Mention:
    """One thing named: the kinds the noun may mean, and how it is said to look.

    `definite` with "the"; `anchor` where it only says where another thing is or goes.
    """

    kinds: frozenset[str]
    definite: bool
    anchor: bool
    colours: frozenset[str]
    materials: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An instruction taken apart; `colours` and `materials` are those said of no noun, `old_colours` "from" them."""

    text: str
    mentions: tuple[Mention, ...]
    colours: frozenset[str]
    materials: frozenset[str]
    old_colours: frozenset[str]

    @property
    def removes(self) -> bool:
        """Whether it asks for something to be gone."""
        return _REMOVAL.search(self.text) is not None

    @property
    def adds(self) -> bool:
        """Whether it asks in so many words for something more."""
        return _ADDITION.search(self.text) is not None

    @property
    def subjects(self) -> tuple[Mention, ...]:
        """The mentions that are no anchors."""
        return tuple(mention for mention in self.mentions if not mention.anchor)

    def says(self, pattern: str) -> bool:
        """Whether a pattern is found in the text."""
        return re.search(pattern, self.text) is not None


def read_request(instruction: str) -> Request:
    """Take an instruction apart, by the nouns, colours and materials of the rooms' language."""
    text = instruction.lower()
    mentions = tuple(_mention(found, text) for found in _phrases().finditer(text))
    rest = _phrases().sub(" ", text)
    old = _old_colours().findall(rest)
    rest = _old_colours().sub(" ", rest)
    return Request(
        text=text,
        mentions=mentions,
        colours=_colours(rest),
        materials=_materials(rest),
        old_colours=frozenset(COLOUR_NAMES[word] for word in old),
    )


def _mention(found: re.Match[str], text: str) -> Mention:
    looks = f"{found['looks'] or ''} {found['part_looks'] or ''}"
    definite = found["article"] == "the"
    return Mention(
        kinds=_nouns()[found["noun"]],
        definite=definite,
        anchor=definite and re.search(rf"\b(?:{one_of(_RELATIONS)}) $", text[: found.start()]) is not None,
        colours=_colours(looks),
        materials=_materials(looks),
    )


def _colours(text: str) -> frozenset[str]:
    return frozenset(COLOUR_NAMES[word] for word in re.findall(rf"\b(?:{one_of(COLOUR_NAMES)})\b", text))


def _materials(text: str) -> frozenset[str]:
    words = _material_words()
    return frozenset(words[word] for word in re.findall(rf"\b(?:{one_of(words)})\b", text))


@cache
def _old_colours() -> re.Pattern[str]:
    # "from blue" tells what was, "from blue marble" what shall be.
    more = one_of((*COLOUR_NAMES, *_material_words()))
    return re.compile(rf"\b(?:from|instead of) ({one_of(COLOUR_NAMES)})\b(?! (?:{more}))")


@cache
def _material_words() -> dict[str, str]:
    said = (MATERIAL_ADJECTIVES, MATERIAL_NOUNS)
    return {word: material for words in said for material, options in words.items() for word in options}


@cache
def _nouns() -> dict[str, frozenset[str]]:
    whole = {noun.lower(): denoted_by(noun) for nouns in NOUNS.values() for noun in nouns}
    parts = {noun: frozenset({kind}) for kind, nouns in PART_NOUNS.items() for noun in nouns}
    return _with_plurals(whole | parts)


def _with_plurals(nouns: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {plural(noun): kinds for noun, kinds in nouns.items()} | nouns


@cache
def _phrases() -> re.Pattern[str]:
    look = one_of((*COLOUR_NAMES, *_material_words(), *_SIDES))
    joints = one_of({joint for joint, _ in PART_PHRASES.values()})
    parts = one_of({part for _, part in PART_PHRASES.values()})
    return re.compile(
        rf"(?:\b(?P<article>the|an?) )?\b(?P<looks>(?:(?:{look}) )*)(?P<noun>{one_of(_nouns())})\b"
        rf"(?: (?:{joints}) (?:the|an?) (?P<part_looks>(?:(?:{look}) )*)(?:{parts})\b)?"
    )
