"""Which objects of rooms a caption names, and which it does not."""

import re
from functools import cache

from retouch.scenes.language.words import NOUNS, plural


def mentioned(caption: str) -> list[frozenset[str]]:
    """For each object that a caption names, one or several of a kind, the kinds that its noun may mean."""
    meanings, pattern = _nouns()
    return [meanings[found.lower()] for found in pattern.findall(caption)]


def absent_objects(caption: str) -> tuple[str, ...]:
    """The usual noun of each kind of object that a caption cannot mean."""
    named = {kind for kinds in mentioned(caption) for kind in kinds}
    return tuple(nouns[0] for kind, nouns in NOUNS.items() if kind not in named)


@cache
def _nouns() -> tuple[dict[str, frozenset[str]], re.Pattern[str]]:
    """The kinds that a noun may mean, by the noun in one or several, and a pattern that prefers long nouns."""
    kinds: dict[str, set[str]] = {}
    for kind, nouns in NOUNS.items():
        for noun in nouns:
            for word in (noun.lower(), plural(noun).lower()):
                kinds.setdefault(word, set()).add(kind)
    words = "|".join(re.escape(word) for word in sorted(kinds, key=len, reverse=True))
    return {word: frozenset(found) for word, found in kinds.items()}, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
