"""The judge of triples: what is sound passes, and each way of being wrong is told by name."""

import pytest

from retouch.evaluation.triples import fault_of
from retouch.records.triple import Triple

ROOM = "a study with a red wooden chair, a blue sofa and a plant in a white pot, white walls, by day"


def fault(instruction: str, target: str, source: str = ROOM) -> str | None:
    return fault_of(Triple(source_caption=source, instruction=instruction, target_caption=target))


def changed(old: str, new: str) -> str:
    assert old in ROOM
    return ROOM.replace(old, new)


GREEN = changed("red wooden chair", "green wooden chair")
METAL = changed("red wooden chair", "grey metal chair")
NO_SOFA = changed("a blue sofa and a plant in a white pot", "a plant in a white pot").replace("chair, a", "chair and a")
LAMP = changed("a blue sofa", "a black floor lamp, a blue sofa")
BED = changed("a blue sofa", "a pink armchair")
BRICK = changed("white walls", "brown brick walls")
EVENING = changed("by day", "at dusk")


@pytest.mark.parametrize(
    ("instruction", "target"),
    [
        ("make the chair green", GREEN),
        ("Could you paint the red chair green?", GREEN),
        ("change the chair from red to green", GREEN),
        ("a green chair instead", GREEN),
        ("make the chair out of metal", METAL),
        ("a grey steel chair, please", METAL),
        ("make the plant pot teal", changed("white pot", "teal pot")),
        ("take the couch away", NO_SOFA),
        ("No more sofa.", NO_SOFA),
        ("I'd like to get rid of the blue sofa", NO_SOFA),
        ("add a black lamp next to the sofa", LAMP),
        ("a standing lamp in the left corner", LAMP),
        ("replace the sofa with a pink armchair", BED),
        ("a pink easy chair where the sofa is", BED),
        ("remove the sofa and place a pink armchair there", BED),
        ("cover the walls with bricks", BRICK),
        ("redecorate with brown brick walls", BRICK),
        ("make the walls teal", changed("white walls", "teal walls")),
        ("change the time of day to evening", EVENING),
        ("picture the room at dusk", EVENING),
    ],
)
def test_sound_triples_pass(instruction: str, target: str) -> None:
    assert fault(instruction, target) is None


@pytest.mark.parametrize(
    ("instruction", "target", "expected"),
    [
        # another object
        ("make the sofa green", GREEN, "other object"),
        ("remove the chair", NO_SOFA, "other object"),
        ("add a black vase next to the sofa", LAMP, "other object"),
        ("replace the chair with a pink armchair", BED, "other object"),
        ("replace the sofa with a bed", BED, "other object"),
        ("replace the armchair with a sofa", BED, "other object"),
        ("make the walls and the sofa brown brick", BRICK, "other object"),
        # two changes
        ("make the chair green", GREEN.replace("blue", "pink"), "several changes"),
        ("make the chair green", GREEN.replace("white walls", "red walls"), "several changes"),
        ("make the chair green", GREEN.replace(", white walls", ""), "several changes"),
        ("make the chair green and remove the sofa", GREEN, "other request"),
        ("make the chair green and paint the walls red", GREEN, "other request"),
        ("make the chair and the sofa green", GREEN, "other object"),
        # what is not there
        ("remove the piano", NO_SOFA, "absent"),
        ("take the bed away", NO_SOFA, "absent"),
        ("add a black lamp next to the bed", LAMP, "absent"),
        # the new caption tells otherwise
        ("make the chair green", changed("red wooden chair", "pink wooden chair"), "other look"),
        ("make the green chair red", GREEN, "other look"),
        ("change the chair from blue to green", GREEN, "other look"),
        ("make the chair out of leather", METAL, "other look"),
        ("make the chair out of blue metal", METAL, "other look"),
        ("make the chair new", GREEN, "other look"),
        ("remove the green sofa", NO_SOFA, "other look"),
        ("add a white lamp next to the sofa", LAMP, "other look"),
        ("replace the sofa with a green armchair", BED, "other look"),
        ("cover the walls with tiles", BRICK, "other look"),
        ("make the walls teal", changed("white walls", "pink walls"), "other look"),
        ("make it night", EVENING, "other request"),
        ("make the floor teal", changed("white walls", "teal walls"), "other request"),
        # another kind of change
        ("remove the chair", GREEN, "other request"),
        ("make the sofa pink", NO_SOFA, "other request"),
        ("remove the lamp next to the sofa", LAMP, "absent"),
        ("make the chair green", ROOM, "nothing changed"),
        ("make the chair green", "a study with a dragon", "unreadable"),
        ("make the chair green", GREEN.replace("study", "bedroom"), "several changes"),
    ],
)
def test_broken_triples_fail(instruction: str, target: str, expected: str) -> None:
    assert fault(instruction, target) == expected
