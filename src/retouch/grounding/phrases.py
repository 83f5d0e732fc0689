"""The seam to what reads instructions: the steps of one, and the words in each that say where it acts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a span of an instruction names: what is there and is edited, what comes, how it looks, and where."""

    TARGET = "TARGET"
    NEW = "NEW"
    ATTRIBUTE = "ATTRIBUTE"
    PLACE = "PLACE"


class Scope(StrEnum):
    """Where a step acts: on an object that is there, at a place where something comes, or on the whole picture."""

    OBJECT = "object"
    PLACE = "place"
    WHOLE = "whole"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Characters `start` to `end` (exclusive) of a step's text, and what they name."""

    start: int
    end: int
    role: Role


@dataclass(frozen=True, kw_only=True)
class ParsedStep:
    """One edit of an instruction, as an instruction of its own.

    text: what to do, readable alone: "put a vase on the table".
    scope: where it acts.
    phrases: what the region shows, the likeliest first: ("the table",); empty where the scope is the whole picture.
        A finder that cannot choose (noun chunks) gives all candidates and leaves the choice to the picture.
    spans: the parts of `text`, in order, where the finder knows them.
    """

    text: str
    scope: Scope
    phrases: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()


class PhraseFinder(Protocol):
    """Reads an instruction."""

    @property
    def name(self) -> str:
        """What it is called where a result says how its region was found."""
        ...

    def read(self, instruction: str) -> tuple[ParsedStep, ...]:
        """The steps of an instruction in the order in which they are applied: at least one, unless it is blank.

        Raises ModelError where the reader cannot be used.
        """
        ...
