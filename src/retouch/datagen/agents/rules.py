"""The rules of a triple, judged by a domain's words: one thing changes, and both captions and the instruction agree."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from retouch.datagen.agents.reading import OTHER, Lexicon, Look, Mention, Reading, looks_of_kind, read, tokens
from retouch.records.triple import Triple, changes_something

Fault = Literal["unchanged", "unreadable", "absent", "unstated", "several", "disagrees"]
"""What is wrong with a triple.

"unchanged": both captions are the same; "unreadable": no word of the domain in a caption, or only words that the domain
does not know have changed; "absent": something is removed that was not there; "unstated": something is put in whose
absence was not stated; "several": more than one thing changes; "disagrees": the captions tell another change than the
instruction.
"""

REMOVING = frozenset({"remove", "delete", "erase", "eliminate", "discard", "clear", "take", "get", "lose", "drop"})
ADDING = frozenset({
    "add", "put", "place", "insert", "include", "introduce", "install", "hang", "set", "bring", "lay",
    "stand", "lean", "scatter", "stick", "serve", "give",
})  # fmt: skip
REPLACING = frozenset({"replace", "swap", "exchange", "substitute", "turn", "change", "make", "switch", "trade", "use"})


@dataclass(frozen=True, kw_only=True)
class _Change:
    """The difference of two captions: what went, what came, and the looks of the whole."""

    gone: Mention | None
    come: Mention | None
    before: frozenset[Look]
    after: frozenset[Look]

    @property
    def of_looks(self) -> bool:
        """Whether something looks different, rather than being put in, taken out or replaced."""
        name = self.gone.name if self.gone is not None else None
        return name == (self.come.name if self.come is not None else None)

    def looks(self) -> tuple[frozenset[Look], frozenset[Look]]:
        """How what changes looks before and after: one thing, or the whole."""
        before = self.gone.looks if self.gone is not None else self.before
        return before, self.come.looks if self.come is not None else self.after


def fault_of(triple: Triple, known: Lexicon) -> Fault | None:
    """What is wrong with a triple, or None."""
    if not changes_something(triple):
        return "unchanged"
    before, after = read(triple.source_caption, known), read(triple.target_caption, known)
    asked, verb = read(triple.instruction, known), _verb(triple.instruction)
    if not before.mentions or not after.mentions:
        return "unreadable"
    first = next((mention for mention in asked.mentions if not mention.is_place), None)
    if first is not None and verb in REMOVING and not before.has(first.name):
        return "absent"
    change = _change(before, after)
    if isinstance(change, str):
        return change
    come = change.come if change.gone is None else None
    if come is not None and come.name not in before.absent:
        return "unstated"
    return None if _agrees(change, asked, verb, before) else "disagrees"


def _verb(instruction: str) -> str:
    """The first word that says what to do."""
    return next((word for word in tokens(instruction) if word in REMOVING | ADDING | REPLACING), "")


def _change(before: Reading, after: Reading) -> _Change | Fault:
    """The one thing that changes, or why there is none."""
    gone = list((Counter(before.mentions) - Counter(after.mentions)).elements())
    come = list((Counter(after.mentions) - Counter(before.mentions)).elements())
    if len(gone) > 1 or len(come) > 1 or ((gone or come) and before.looks != after.looks):
        return "several"
    if not (gone or come) and before.looks == after.looks:
        return "unreadable"
    change = _Change(
        gone=gone[0] if gone else None, come=come[0] if come else None, before=before.looks, after=after.looks
    )
    return change if _same_elsewhere(change, before, after) else "several"


def _same_elsewhere(change: _Change, before: Reading, after: Reading) -> bool:
    """Whether what is absent and all other words stay, as far as the change lets them, and looks change in one kind."""
    came = {change.come.name} if change.come is not None else set()
    went = {change.gone.name} if change.gone is not None else set()
    if before.absent - came != after.absent - went:
        return False
    if change.of_looks:
        old, new = change.looks()
        return before.others == after.others and len({kind for kind, _ in old ^ new}) == 1
    # What stood beside a thing may go and come with it: "a lamp glowing in the corner".
    words_went, words_came = before.others - after.others, after.others - before.others
    return (not words_went or bool(went)) and (not words_came or bool(came))


def _agrees(change: _Change, asked: Reading, verb: str, before: Reading) -> bool:
    """Whether the instruction asks for the change, of what is there, and for nothing else."""
    gone, come = change.gone, change.come
    names = {mention.name for mention in asked.mentions}
    new = {come.name} if come is not None else set()
    if any(not before.has(name) for name in names - new):
        return False
    if change.of_looks:
        return verb not in REMOVING and _asks_for_looks(change, asked, before)
    if not all(_looks_as_said(named, asked) for named in (gone, come) if named is not None):
        return False
    if come is None:
        return verb in REMOVING and gone is not None and _first(asked) == gone.name
    if gone is None:
        return verb in ADDING and _first(asked) == come.name
    return come.name in names and verb not in REMOVING | ADDING


def _first(asked: Reading) -> str | None:
    return next((mention.name for mention in asked.mentions), None)


def _looks_as_said(named: Mention, asked: Reading) -> bool:
    said = {look for mention in asked.mentions if mention.name == named.name for look in mention.looks}
    return {look for look in said if look[0] != OTHER} <= named.looks


def _asks_for_looks(change: _Change, asked: Reading, before: Reading) -> bool:
    old, new = change.looks()
    kind = next(kind for kind, _ in old ^ new)
    named = any(change.come is not None and mention.name == change.come.name for mention in asked.mentions)
    # "It" is what stands alone.
    alone = not asked.mentions and len(before.mentions) == 1
    if change.come is not None and not (named or alone):
        return False
    said = looks_of_kind(asked.looks, kind).union(*(looks_of_kind(mention.looks, kind) for mention in asked.mentions))
    gained, either = looks_of_kind(new - old, kind), looks_of_kind(old | new, kind)
    if kind == OTHER:
        return bool(gained) and gained <= said | asked.others
    return bool(gained) and gained <= said <= either
