"""Phrases for a room's picture: things by kind, look and place, all of a kind, the shell, and what is absent."""

from collections.abc import Iterator
from random import Random

from retouch.core.seeds import derive_seed
from retouch.datagen.phrases.absent import absent_nouns
from retouch.datagen.phrases.seen_room import SeenRoom
from retouch.records.phrases import Phrase
from retouch.scenes.catalogue import KINDS, TRAINED_KINDS
from retouch.scenes.language.references import look_references, place_references, unique
from retouch.scenes.language.words import (
    COLOUR_WORDS,
    FLOOR_PHRASES,
    MATERIAL_ADJECTIVES,
    NOUNS,
    NUMBERS,
    PART_NOUNS,
    PART_PHRASES,
    WALL_PHRASES,
    clear_nouns,
    colour_word,
    denoted_by,
    plural,
    usual_first,
)
from retouch.scenes.palette import COLOURS, MATERIALS, TRAINED_COLOURS
from retouch.scenes.room import Placed

LEAST_SHARE = 0.003
"""Of the picture: a thing that shows less of itself is neither asked for nor said to be absent."""
UNLIKE = 130.0
"""The least distance in RGB between an object's colour and one that it is wrongly said to have."""
ABSENT = 5
_NOWHERE = (
    "left {noun}", "right {noun}", "{noun} on the left", "{noun} on the right", "leftmost {noun}", "middle {noun}",
    "right-hand {noun}", "{noun} on the table", "{noun} next to the bed", "{noun} in front of the sofa",
    "{noun} above the cabinet",
)  # fmt: skip


def room_phrases(seen: SeenRoom, *, seed: int, name: str, needed: bool = False) -> tuple[Phrase, ...]:
    """Phrases for a room, each with what it means there; the same seed and name always give the same.

    With `needed` an object that is the only one of its kind is not told by its neighbours, as it is otherwise, too.
    """
    generator = Random(derive_seed(seed, "phrases", name))
    plain = [phrase for placed in _clear(seen) for phrase in _single(seen, placed, generator, needed=needed)]
    return tuple({phrase.text: phrase for phrase in (*plain, *_several(seen, generator), *_shell(seen, generator),
                                                     *_absent(seen, generator))}.values())  # fmt: skip


def _clear(seen: SeenRoom) -> list[Placed]:
    return [placed for placed in seen.room if seen.shares[seen.numbers[placed.id]] >= LEAST_SHARE]


def _single(seen: SeenRoom, placed: Placed, generator: Random, *, needed: bool) -> Iterator[Phrase]:
    """One object by its kind where it is the only one, by its look, and by its place."""
    things, room = (seen.numbers[placed.id],), seen.room
    alone = unique(room, placed)
    if alone:
        nouns = [*clear_nouns(room, placed.kind), *PART_NOUNS.get(placed.kind, ())]
        for noun in {nouns[0], usual_first(nouns, generator)}:
            yield Phrase(text=_spoken(noun, generator), kind="plain", things=things)
    for text in look_references(room, placed, generator):
        yield Phrase(text=_without_article(text, generator), kind="attribute", things=things)
    if not alone or not needed:
        told = place_references(room, placed, generator)
        for text in generator.sample(told, min(2, len(told))):
            yield Phrase(text=_without_article(text, generator), kind="relational", things=things)


def _several(seen: SeenRoom, generator: Random) -> Iterator[Phrase]:
    """All objects that a noun names, where they are more than one."""
    nouns = dict.fromkeys(noun for placed in _clear(seen) for noun in NOUNS[placed.kind][:2])
    for noun in nouns:
        meant = [placed for placed in seen.room if placed.kind in denoted_by(noun)]
        if len(meant) < 2 or (noun == "carpet" and seen.room.floor.finish == "carpet"):
            continue
        things = tuple(seen.numbers[placed.id] for placed in meant)
        yield Phrase(text=_all_of(noun, meant, generator), kind="plural", things=things)
        colours = {placed.colour for placed in meant}
        if len(colours) == 1 and not any(placed.kind in PART_PHRASES for placed in meant):
            text = f"{colour_word(meant[0].colour, generator)} {_plural(noun, meant)}"
            yield Phrase(text=_spoken(text, generator), kind="plural", things=things)


def _plural(noun: str, meant: list[Placed]) -> str:
    irregular = KINDS[meant[0].kind].plural
    return irregular if irregular and noun == meant[0].kind else plural(noun)


def _all_of(noun: str, meant: list[Placed], generator: Random) -> str:
    several, count = _plural(noun, meant), len(meant)
    forms = ["the {several}", "the {several}", "all {several}", "all the {several}", "every {noun}", "the {noun}"]
    forms += ["both {several}", "the two {several}"] if count == 2 else [f"the {NUMBERS[min(count, 9)]} {{several}}"]
    return generator.choice(forms).format(several=several, noun=noun)


def _shell(seen: SeenRoom, generator: Random) -> Iterator[Phrase]:
    walls, floor = seen.room.walls, seen.room.floor
    options = {
        "walls": ["walls", "walls", "wall", *(phrase.format(colour=colour_word(walls.colour, generator))
                                              for phrase in WALL_PHRASES[walls.finish])],
        "floor": ["floor", "floor", "ground", *(phrase.removeprefix("a ").format(
            colour=colour_word(floor.colour, generator)) for phrase in FLOOR_PHRASES[floor.finish])],
    }  # fmt: skip
    rugs = any(placed.kind == "rug" for placed in seen.room)
    for name, number in seen.shell.items():
        texts = [text for text in options[name] if not (rugs and "carpet" in text)]
        for text in {texts[0], generator.choice(texts)} if seen.shares[number] >= LEAST_SHARE else ():
            yield Phrase(text=_spoken(text, generator), kind="shell", things=(number,))


def _absent(seen: SeenRoom, generator: Random) -> Iterator[Phrase]:
    """Kinds that are not there, looks that nothing there has, and what no room of ours ever holds."""
    present = {placed.kind for placed in seen.room}
    missing = [kind for kind in TRAINED_KINDS if kind not in present]
    for kind in generator.sample(missing, min(ABSENT, len(missing))):
        nouns = [noun for noun in NOUNS[kind] if not denoted_by(noun) & present and noun != "carpet"]
        if nouns:
            noun = usual_first(nouns, generator)
            # Of looks and places, too, or these words alone would say that a thing is there.
            roll = generator.random()
            if roll < 0.25:
                noun = f"{generator.choice(TRAINED_COLOURS)} {noun}"
            elif roll < 0.5:
                noun = generator.choice(_NOWHERE).format(noun=noun)
            yield Phrase(text=_spoken(noun, generator), kind="absent")
    shown = _clear(seen)
    for placed in generator.sample(shown, min(2, len(shown))):
        misled = _misled(seen, placed, generator)
        if misled is not None:
            yield Phrase(text=_spoken(misled, generator), kind="absent")
    yield Phrase(text=_spoken(generator.choice(absent_nouns("rooms")), generator), kind="absent")


def _misled(seen: SeenRoom, placed: Placed, generator: Random) -> str | None:
    """An object's kind with a colour or a material that none of its like has."""
    alike, noun = seen.room.of_kind(placed.kind), clear_nouns(seen.room, placed.kind)[0]
    if placed.kind in PART_PHRASES or placed.kind == "television":
        return None
    if generator.random() < 0.7:
        unlike = [name for name in TRAINED_COLOURS if all(_apart(name, other.colour) > UNLIKE for other in alike)]
        return (
            f"{usual_first(COLOUR_WORDS.get(word, (word,)), generator)} {noun}"
            if (word := generator.choice(unlike) if unlike else "")
            else None
        )
    others = [material for material in MATERIALS if all(other.material != material for other in alike)]
    return f"{generator.choice(MATERIAL_ADJECTIVES[generator.choice(others)])} {noun}"


def _apart(one: str, other: str) -> float:
    return sum((a - b) ** 2 for a, b in zip(COLOURS[one], COLOURS[other], strict=True)) ** 0.5


def _spoken(noun: str, generator: Random) -> str:
    """With "the", mostly."""
    return noun if generator.random() < 0.15 else f"the {noun}"


def _without_article(text: str, generator: Random) -> str:
    return text.removeprefix("the ") if generator.random() < 0.15 else text
