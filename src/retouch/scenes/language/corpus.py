"""Text to train a tokenizer on: instructions and captions of many rooms, in the proportions of the pairs."""

from collections.abc import Iterator
from random import Random

from retouch.core.seeds import derive_seed
from retouch.scenes.edits import EDIT_KINDS, apply
from retouch.scenes.language.captions import captions
from retouch.scenes.language.instructions import instruct
from retouch.scenes.layout import sample_room
from retouch.scenes.palette import COLOURS
from retouch.scenes.proposals import Chances, coarse_shares, sample_edit
from retouch.scenes.seeds import SCENE_RANGES

TEXTS_PER_ROOM = 24


def vocabulary_corpus(count: int, seed: int) -> Iterator[str]:
    """Yield `count` texts, instructions and captions by turns, that name every kind, colour and material.

    Reserved colours are named as well, so that a tokenizer has words for what no checkpoint was shown.
    """
    made = 0
    for index in range(count):
        for text in _texts(derive_seed(seed, "corpus", index)):
            if made == count:
                return
            made += 1
            yield text


def _texts(seed: int) -> Iterator[str]:
    generator = Random(seed)
    room = sample_room(generator.choice(SCENE_RANGES["train"]), include_reserved=generator.random() < 0.15)
    shares = coarse_shares(room)
    chances = Chances(colours=tuple(COLOURS))
    for _ in range(TEXTS_PER_ROOM // 3):
        edit = sample_edit(room, generator.choice(EDIT_KINDS), generator, shares=shares, chances=chances)
        said = None if edit is None else instruct(edit, room, generator)
        if edit is None or said is None:
            continue
        yield said
        yield from captions(edit, room, apply(edit, room), generator)
