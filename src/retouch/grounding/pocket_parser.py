"""The instruction parser: a spaCy pipeline that names an instruction's parts, and rules that make steps of them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from retouch.grounding.phrases import ParsedStep, Role, Scope, Span
from retouch.grounding.segmenters.networks import called
from retouch.models.parser import JOIN, load_pipeline
from retouch.models.pocket import PARSER_MEMBER, POCKET
from retouch.records.marked import MarkedText

_WHOLE = re.compile(
    r"(?:the|this|that|my)?\s*(?:whole |entire |same )?"
    r"(?:room|photo|photograph|picture|image|scene|thing|shot|it|this|everything)",
    re.IGNORECASE,
)
"""What names the whole picture."""
_SHELL = re.compile(r".*\b(?P<walls>walls?|wallpaper|wall tiles)|.*\b(?:floor|floorboards|flooring|carpet|floor tiles)")
_OPENING = re.compile(
    r"(?:please|can you|could you|would you|will you|I'd like to|I would like to|I want you to|let's|both|first|then|"
    r"also|now|and|next|finally)\s+",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"(?:\s*,?\s*please)?[\s.,;?!]*$", re.IGNORECASE)
_RIDERS = re.compile(r" (?:with everything on it|and what is on it|and the [\w ]+ on it)$")
_EMPTY = " \t\n.,;:?!"


class PocketParser:
    """Reads instructions with a trained pipeline; see `grounding.phrases.PhraseFinder`."""

    def __init__(self, pipeline: Any, *, name: str) -> None:
        self._pipeline, self._name = pipeline, name

    @property
    def name(self) -> str:
        """See `PhraseFinder`."""
        return self._name

    def read(self, instruction: str) -> tuple[ParsedStep, ...]:
        """See `PhraseFinder`: the rules of scope over the parts that were found."""
        if not instruction.strip():
            return ()
        return tuple(_steps(self.marked(instruction)))

    def marked(self, instruction: str) -> MarkedText:
        """The parts and the steps of an instruction, by their places in it."""
        return marked(self._pipeline, instruction)


def load_parser(source: str | Path = f"{POCKET}/{PARSER_MEMBER}") -> PocketParser:
    """Load a parser: `pocket/parser` (or `pocket`), or a spaCy folder that `retouch train` wrote.

    Raises MissingExtraError without spaCy, ModelError where the folder holds no such pipeline.
    """
    return PocketParser(load_pipeline(source), name=called(str(source)))


def marked(pipeline: Any, text: str) -> MarkedText:
    """The parts and the steps of a text as a pipeline finds them."""
    entities = pipeline(text).ents
    joints = [(entity.start_char, entity.end_char) for entity in entities if entity.label_ == JOIN]
    parts = tuple((entity.start_char, entity.end_char, entity.label_) for entity in entities if entity.label_ != JOIN)
    return MarkedText(text=text, parts=parts, steps=tuple(_between(text, joints)))


def _between(text: str, joints: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What lies between joints, without what is blank or a mark there; the whole text where nothing is."""
    starts, ends = [0, *(end for _, end in joints)], [*(start for start, _ in joints), len(text)]
    said = [(start, end) for start, end in zip(starts, ends, strict=True) if text[start:end].strip(_EMPTY)]
    for start, end in said or [(0, len(text))]:
        before = len(text[start:end]) - len(text[start:end].lstrip())
        yield start + before, start + len(text[start:end].rstrip())


def _steps(found: MarkedText) -> Iterator[ParsedStep]:
    for step in found.steps:
        start, end = step if len(found.steps) == 1 else _alone(found.text, *step)
        spans = tuple(
            Span(start=first - start, end=last - start, role=Role(role))
            for first, last, role in found.parts
            if start <= first and last <= end
        )
        yield _step(found.text[start:end], spans)


def _alone(text: str, start: int, end: int) -> tuple[int, int]:
    """A step of several without the words that only joined it to the others, or were polite for all of them."""
    while opening := _OPENING.match(text, start, end):
        start = opening.end()
    closing = _CLOSING.search(text, start, end)
    return start, end if closing is None or closing.start() == start else closing.start()


def _step(text: str, spans: tuple[Span, ...]) -> ParsedStep:
    named = {role: [text[span.start : span.end] for span in spans if span.role == role] for role in Role}
    phrases = {role: tuple(_phrase(said) for said in named[role] if not _WHOLE.fullmatch(said)) for role in Role}
    if phrases[Role.TARGET]:
        return ParsedStep(text=text, scope=Scope.OBJECT, phrases=phrases[Role.TARGET], spans=spans)
    if phrases[Role.PLACE]:
        return ParsedStep(text=text, scope=Scope.PLACE, phrases=phrases[Role.PLACE], spans=spans)
    shell = [] if named[Role.TARGET] or named[Role.PLACE] else [_SHELL.match(said) for said in named[Role.NEW]]
    if shell and shell[0] is not None:
        phrase = "the walls" if shell[0]["walls"] else "the floor"
        return ParsedStep(text=text, scope=Scope.OBJECT, phrases=(phrase,), spans=spans)
    return ParsedStep(text=text, scope=Scope.WHOLE, spans=spans)


def _phrase(said: str) -> str:
    """A span as a phrase for a segmenter: without a capital, and without what goes along with it."""
    lowered = said[0].lower() + said[1:] if said[1:2].islower() or said[1:2] == " " else said
    return _RIDERS.sub("", lowered)
