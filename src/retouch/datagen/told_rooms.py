"""The engine that renders triples of the writer rooms: each line names its room, so the pair shows what it says."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from retouch.core.errors import DataError
from retouch.datagen.engine import Sifted
from retouch.datagen.room_record import Transition, room_record, shoot
from retouch.datagen.triples import Told, told_again
from retouch.records.lines import json_lines
from retouch.records.pair import JSON

VERSION = 1
UNSEEN = "unseen"
"""Why a triple gives no pair: nothing of its edit is to be seen."""


@dataclass(frozen=True, kw_only=True)
class ToldRoomEngine:
    """A unit is a triple; its pair has the triple's own words and the split its room is of."""

    told: tuple[Told, ...]
    size: int = 256
    samples: int = 8

    @property
    def name(self) -> str:
        """The engine's name, as records carry it."""
        return "rooms"

    @property
    def units(self) -> int:
        """One for each triple."""
        return len(self.told)

    def fingerprint(self) -> Mapping[str, JSON]:
        """Sizes, and a digest of all triples and their rooms."""
        lines = json.dumps([[*vars(one.triple).values(), dict(one.note())] for one in self.told]).encode()
        return {
            "version": VERSION,
            "triples": hashlib.sha256(lines).hexdigest(),
            "size": self.size,
            "samples": self.samples,
        }

    def make(self, unit: int) -> Sifted:
        """The pair of a triple; none where the edit cannot be seen from the camera. Raises DataError for no unit."""
        if not 0 <= unit < self.units:
            raise DataError(f"Unit {unit} was asked for; there are {self.units} triples, the first being unit 0.")
        told = self.told[unit]
        source, target = (shoot(room, size=self.size, samples=self.samples) for room in (told.before, told.after))
        if source.png == target.png:
            return Sifted(pairs=(), rejected={UNSEEN: 1})
        record = room_record(
            Transition(source=source, target=target, edit=told.edit, instruction=told.triple.instruction),
            name=f"told-rooms-{told.split}-{told.seed}-{told.number:02d}",
            engine=self.name,
            split=told.split,
            captions=(told.triple.source_caption, told.triple.target_caption),
        )
        return Sifted(pairs=(record,), rejected={})


def told_room_engine_factory(triples: Path, *, size: int) -> Callable[[], ToldRoomEngine]:
    """What `sift_pairs` sends to its workers: the file is read here, once.

    Raises DataError that names the first line which is no triple of the writer rooms, or where there is none.
    """
    lines = json_lines(triples, form="an object with caption, edit and output")
    told = tuple(told_again(content, where) for where, content in lines)
    if not told:
        raise DataError(f"{triples} holds no triples; write some with `retouch data write --writer rooms`.")
    return partial(_same, ToldRoomEngine(told=told, size=size))


def _same(engine: ToldRoomEngine) -> ToldRoomEngine:
    return engine
