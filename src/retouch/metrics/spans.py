"""How well the parts and the steps of instructions are found."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from retouch.records.marked import PART_ROLES, MarkedText


@dataclass(frozen=True, kw_only=True)
class SpanScores:
    """F1 of exact spans with their roles, of every role alone, and the share of compound texts split rightly.

    A text is split rightly where it has as many steps as it should, each with the parts that it should have.
    """

    texts: int
    f1: float
    roles: dict[str, float] = field(default_factory=dict)
    compound: int = 0
    split: float = 0.0
    unsplit: int = 0
    kept_whole: float = 0.0


def span_scores(pairs: Iterable[tuple[MarkedText, MarkedText]]) -> SpanScores:
    """Score pairs of what was found in a text and what should be."""
    right, found, wanted = Counter[str](), Counter[str](), Counter[str]()
    several, single = [], []
    for one, true in pairs:
        found.update(role for *_, role in one.parts)
        wanted.update(role for *_, role in true.parts)
        right.update(role for *_, role in {*one.parts} & {*true.parts})
        (several if len(true.steps) > 1 else single).append(_split_alike(one, true))
    return SpanScores(
        texts=len(several) + len(single),
        f1=_f1(right.total(), found.total(), wanted.total()),
        roles={role: _f1(right[role], found[role], wanted[role]) for role in PART_ROLES if wanted[role]},
        compound=len(several),
        split=sum(several) / max(1, len(several)),
        unsplit=len(single),
        kept_whole=sum(single) / max(1, len(single)),
    )


def _f1(right: int, found: int, wanted: int) -> float:
    return 2 * right / max(1, found + wanted)


def _split_alike(one: MarkedText, true: MarkedText) -> bool:
    """Whether every part that should be in a step begins in the same step of those found, and the steps are as many."""
    steps = [_step_of(one, start) for start, *_ in true.parts]
    return len(one.steps) == len(true.steps) and steps == [_step_of(true, start) for start, *_ in true.parts]


def _step_of(text: MarkedText, place: int) -> int:
    return sum(end <= place for _, end in text.steps)
