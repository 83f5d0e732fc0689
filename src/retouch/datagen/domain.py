"""A domain as a value: its places, objects and looks, examples of edits, and how hard they are to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retouch.records.triple import Triple


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where pictures are taken; `also` are other names of it."""

    name: str
    also: Sequence[str] = ()
    examples: Sequence[Triple] = ()


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What is seen there: `places` are the names of those where it occurs, `looks` the kinds of look it may have."""

    name: str
    also: Sequence[str] = ()
    places: Sequence[str] = ()
    looks: Sequence[str] = ()
    examples: Sequence[Triple] = ()


@dataclass(frozen=True, kw_only=True)
class Level:
    """A share of the triples, those whose captions name `objects` objects: 1 is an object alone, without a place."""

    objects: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Domain:
    """All that an agent is told, and all words by which its answers are judged.

    `attributes` are words of looks by kind, such as the colours; `rules` are sentences told beside the usual ones;
    `levels` rise in difficulty, and their shares are 1 together.
    """

    name: str
    description: str
    places: Sequence[Place]
    objects: Sequence[Thing]
    attributes: Mapping[str, Sequence[str]]
    rules: Sequence[str]
    levels: Sequence[Level]

    def things_of(self, place: Place) -> list[Thing]:
        """The objects that occur in a place."""
        return [thing for thing in self.objects if place.name in thing.places]
