"""Read what an agent answered: its lines, wherever they stand in it, judged and each once."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from retouch.datagen.agents.reading import Lexicon
from retouch.datagen.agents.rules import Fault, fault_of
from retouch.records.triple import INSTRUCTION_KEYS, SOURCE_KEYS, TARGET_KEYS, Triple

Rejection = Literal["not JSON", "keys", "double"] | Fault
"""Why a line is left out: it cannot be read, it has not the three texts, it was there before, or it breaks a rule."""

LIST_KEY = "lines"
"""What a list of lines is called where an answer has to be one object."""
LINE_KEYS = ("input", "edit", "output")

# The beginning of an object that only holds the list: where it is cut short, its lines are still good.
_WRAPPING = re.compile(r'\{\s*"\w+"\s*:\s*\[')
_THOUGHT_END = "</think>"
_DECODER = json.JSONDecoder()


def sift(answer: str, known: Lexicon, kept: Mapping[Triple, object]) -> Iterator[Triple | Rejection]:
    """The good triples of an answer that are not among those `kept`, and why each other line is none.

    The answer may be an object with the list, a list, an object a line, any of them cut short or with prose around.
    """
    seen: set[tuple[str, ...]] = {_same(triple) for triple in kept}
    for value in _objects(answer):
        triple = _triple(value)
        if isinstance(triple, str):
            yield triple
            continue
        fault: Rejection | None = fault_of(triple, known)
        if fault is None and _same(triple) in seen:
            fault = "double"
        if fault is None:
            seen.add(_same(triple))
        yield fault or triple


def _objects(answer: str) -> Iterator[object]:
    """The JSON objects of a text that hold no further ones; None for each that cannot be read."""
    # What a model thought before it answered is no part of the answer.
    answer = answer.rpartition(_THOUGHT_END)[2]
    found, start = False, answer.find("{")
    while start >= 0:
        end = start + 1
        try:
            value, end = _DECODER.raw_decode(answer, start)
            found = True
            yield from _unwrapped(value)
        except (ValueError, RecursionError):
            if not _WRAPPING.match(answer, start):
                found = True
                yield None
        start = answer.find("{", end)
    if not found:
        yield None


def _unwrapped(value: object) -> Sequence[object]:
    lists = [held for held in value.values() if isinstance(held, list)] if isinstance(value, dict) else []
    return lists[0] if len(lists) == 1 else [value]


def _triple(value: object) -> Triple | Rejection:
    if value is None:
        return "not JSON"
    texts = [_text(value, keys) for keys in (SOURCE_KEYS, INSTRUCTION_KEYS, TARGET_KEYS)]
    if not isinstance(value, dict) or not all(texts):
        return "keys"
    return Triple(source_caption=texts[0], instruction=texts[1], target_caption=texts[2])


def _text(value: object, keys: Sequence[str]) -> str:
    found = next((value[key] for key in keys if key in value), None) if isinstance(value, dict) else None
    # Half of a surrogate pair is no text and cannot be written.
    return " ".join(found.encode(errors="ignore").decode().split()) if isinstance(found, str) else ""


def _same(triple: Triple) -> tuple[str, ...]:
    """What is equal for triples that differ in case and end marks alone."""
    texts = (triple.source_caption, triple.instruction, triple.target_caption)
    return tuple(text.lower().strip(" .!?") for text in texts)
