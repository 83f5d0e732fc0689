"""Instructions that must change nothing: asked for nothing, or for what is not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from retouch.core.errors import SettingsError
from retouch.datagen.generative.objects import absent_objects

NOTHING = ("Leave everything as it is.", "Keep the picture as it is.", "Change nothing.", "Do nothing.")


@dataclass(frozen=True, kw_only=True)
class StillShares:
    """How often a source comes with an instruction that changes nothing.

    `null`: the probability of one that asks for nothing. `misleading`: the probability, for each kind of object that
    the caption does not name, of "Remove the …" (LangDesign's is 0.05).

    Raises SettingsError for a share outside 0…1.
    """

    null: float = 0.0
    misleading: float = 0.0

    def __post_init__(self) -> None:
        for name, share in vars(self).items():
            if not 0 <= share <= 1:
                raise SettingsError(f"The {name} share is {share}; give a probability from 0 to 1, such as 0.05.")


@dataclass(frozen=True, kw_only=True)
class Still:
    """An instruction after which the picture is as before, and which sort of it this is."""

    instruction: str
    kind: Literal["null", "misleading"]


def still_edits(caption: str, shares: StillShares, generator: Random) -> Iterator[Still]:
    """Draw what else a picture of this caption is asked for in vain."""
    if generator.random() < shares.null:
        yield Still(instruction=generator.choice(NOTHING), kind="null")
    for noun in absent_objects(caption):
        if generator.random() < shares.misleading:
            yield Still(instruction=f"Remove the {noun}.", kind="misleading")
