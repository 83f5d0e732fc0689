"""Answers kept by what they depend on: one PNG each under its key, and a line in an index."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from retouch.core.errors import DataError
from retouch.core.files import atomic_write, remove_leftovers
from retouch.evaluation.benchmark import BenchCase, Mask, Picture
from retouch.evaluation.contestants import Contestant
from retouch.records.journal import Journal
from retouch.records.pair import JSON

FOLDER, INDEX = "answers", "answers.jsonl"
PROTOCOL = "answer/v1"
"""Raised whenever the same contestant, case and seed would be answered otherwise than before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a contestant made of a case: its key, and `round_trip`, see `Contestant`."""

    key: str
    case: BenchCase
    output: Picture
    round_trip: Callable[[Picture], Picture]


def answer_key(contestant: Contestant, case: BenchCase, seed: int) -> str:
    """The SHA-256, in hexadecimal, of all that an answer depends on: contestant, what it reads of the case, seed."""
    read: dict[str, JSON] = {part: digest_of(getattr(case, part)) for part in sorted(contestant.reads)}
    facts = {"protocol": PROTOCOL, "contestant": contestant.identity, "reads": read, "seed": seed}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def case_digest(case: BenchCase) -> str:
    """The SHA-256, in hexadecimal, of all that a figure may depend on of a case."""
    parts = [case.id, case.kind, case.instruction, case.source_caption, case.target_caption]
    arrays = [case.source, case.target, case.mask, case.object_mask, *case.references]
    digests = [digest_of(part) for part in (*parts, *arrays)]
    return hashlib.sha256(json.dumps([digests, dict(case.params)], sort_keys=True).encode()).hexdigest()


def digest_of(value: Picture | Mask | str | None) -> str:
    """The SHA-256, in hexadecimal, of a text or of an array's shape and values; "" for nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return hashlib.sha256(value.encode()).hexdigest()
    head = f"{value.shape}{value.dtype}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(value).tobytes()).hexdigest()


class AnswerBook:
    """The answers kept in `folder`; an answer is made once, whoever asks for it again.

    Raises DataError where the index is none, OutputError where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._pictures = folder / FOLDER
        self._pictures.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._pictures, ("*",))
        self._index = Journal(folder / INDEX)
        self._noted = {str(entry.get("key")) for entry in self._index.entries}

    def answer(self, contestant: Contestant, case: BenchCase, seed: int) -> Answer:
        """The contestant's answer, from here or made and kept; raises whatever the contestant raises."""
        key = answer_key(contestant, case, seed)
        place = self._pictures / f"{key}.png"
        seconds: float | None = None
        if place.is_file():
            output = _opened(place)
        else:
            start = perf_counter()
            output = contestant.answer(case, seed)
            seconds = perf_counter() - start
            _keep(place, output, case)
        if key not in self._noted:
            self._note(key, contestant, case, seed, seconds)
        return Answer(key=key, case=case, output=output, round_trip=contestant.round_trip)

    def _note(self, key: str, contestant: Contestant, case: BenchCase, seed: int, seconds: float | None) -> None:
        entry: Mapping[str, JSON] = {
            "key": key,
            "model": contestant.name,
            "case": case.id,
            "kind": case.kind,
            "instruction": case.instruction,
            "seed": seed,
            "seconds": None if seconds is None else round(seconds, 3),
        }
        self._index.add([entry])
        self._noted.add(key)


def _keep(place: Path, output: Picture, case: BenchCase) -> None:
    if output.shape != case.source.shape or output.dtype != np.uint8:
        raise DataError(
            f"The answer to case {case.id} has the shape {output.shape} and the type {output.dtype}; expected "
            f"{case.source.shape} and uint8."
        )
    buffer = io.BytesIO()
    Image.fromarray(output).save(buffer, "PNG", compress_level=1)
    atomic_write(place, buffer.getvalue())


def _opened(place: Path) -> Picture:
    try:
        with Image.open(place) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{place} is damaged; take it away and run again, which makes it anew.") from error
