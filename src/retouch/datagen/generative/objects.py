"""Which objects of rooms a caption names, and which it does not."""

import re
from functools import cache

from retouch.scenes.language.words import NOUNS, plural


def named_objects(caption: str) -> frozenset[str]:
    """The kinds of objects that a caption names by any of their nouns, one or several of them."""
    return frozenset(kind for kind in NOUNS if _pattern(kind).search(caption))


def absent_objects(caption: str) -> tuple[str, ...]:
    """The usual noun of each kind of object that a caption does not name."""
    named = named_objects(caption)
    return tuple(nouns[0] for kind, nouns in NOUNS.items() if kind not in named)


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    words = [re.escape(word) for noun in NOUNS[kind] for word in (noun, plural(noun))]
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)
