"""What records say their source pictures show: things by number, with labels of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from retouch.core.errors import DataError
from retouch.records.pair import PairRecord


@dataclass(frozen=True, kw_only=True)
class Segments:
    """A picture's things: `numbers` is an encoded picture in which n is thing n − 1 of `things`, 0 is none of them.

    Each thing has labels by aspect, of which there is always a "kind".
    """

    numbers: bytes
    things: tuple[Mapping[str, str], ...]


def segments_of(record: PairRecord) -> Segments | None:
    """What a record says its source shows, None where it says nothing.

    Raises DataError where its params do not name the kinds of what its segments number.
    """
    if record.segments is None:
        return None
    told = record.params.get("segments")
    things = tuple(
        {aspect: value for aspect, value in thing.items() if isinstance(value, str)}
        for thing in (told if isinstance(told, list) else [])
        if isinstance(thing, Mapping)
    )
    if not things or not all("kind" in thing for thing in things):
        raise DataError(f"Record {record.id} has segments, but no kinds of them in its params; make it anew.")
    return Segments(numbers=record.segments, things=things)
