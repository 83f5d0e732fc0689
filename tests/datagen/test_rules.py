"""Rules of triples: what a caption says by a domain's words, and every way in which a line may be no good."""

import pytest

from retouch.datagen.agents.lines import sift
from retouch.datagen.agents.reading import lexicon, read
from retouch.datagen.agents.rules import fault_of
from retouch.datagen.domain import Domain, Level, Place, Thing
from retouch.records.triple import Triple

DOMAIN = Domain(
    name="small",
    description="rooms",
    places=[Place(name="living room", also=("lounge",)), Place(name="bedroom")],
    objects=[
        Thing(name="sofa", also=("couch",)),
        *(Thing(name=name) for name in ["lamp", "table", "rug", "wall", "shelf"]),
    ],
    attributes={
        "colour": ("red", "green", "blue", "white"),
        "material": ("oak", "leather"),
        "light": ("night", "daylight"),
    },
    rules=(),
    levels=(Level(objects=1, share=1.0),),
)
KNOWN = lexicon(DOMAIN)


def triple(source: str, instruction: str, target: str) -> Triple:
    return Triple(source_caption=source, instruction=instruction, target_caption=target)


@pytest.mark.parametrize(
    ("caption", "looks"),
    [
        ("A red couch", {"sofa": {"red"}}),
        ("a red and white sofa", {"sofa": {"red", "white"}}),
        ("a table made of oak", {"table": {"oak"}}),
        ("shelves painted blue", {"shelf": {"blue"}}),
        ("a table of red lamps", {"table": set(), "lamp": {"red"}}),
        ("a living room whose walls are white", {"living room": set(), "wall": {"white"}}),
    ],
)
def test_looks_are_those_of_what_they_are_said_of(caption: str, looks: dict[str, set[str]]) -> None:
    found = {mention.name: {word for _, word in mention.looks} - {"whose"} for mention in read(caption, KNOWN).mentions}
    assert found == looks


@pytest.mark.parametrize(
    ("caption", "there", "absent"),
    [
        ("a lounge without a lamp", {"living room"}, {"lamp"}),
        ("a bedroom with no lamp or rug and a sofa", {"bedroom", "sofa"}, {"lamp", "rug"}),
        ("a bedroom without a lamp, with a rug", {"bedroom", "rug"}, {"lamp"}),
        ("a red sofa with no lamp", {"sofa"}, {"lamp"}),
    ],
)
def test_what_is_denied_is_absent(caption: str, there: set[str], absent: set[str]) -> None:
    reading = read(caption, KNOWN)
    assert ({mention.name for mention in reading.mentions}, reading.absent) == (there, absent)


@pytest.mark.parametrize(
    "texts",
    [
        ("a green sofa", "make the sofa red", "a red sofa"),
        ("a green sofa", "Replace the couch with an oak table.", "an oak table"),
        ("a lounge with a green sofa and no lamp", "Add a white lamp", "a lounge with a green sofa and a white lamp"),
        ("a lounge with a sofa and a lamp", "get rid of the lamp", "a lounge with a sofa"),
        ("a lounge with a sofa and a lamp", "remove the lamp", "a lounge with a sofa and without a lamp"),
        ("a lounge at night with a rug", "show it in daylight", "a lounge in daylight with a rug"),
        ("a lounge with a rug", "turn the lounge into a bedroom", "a bedroom with a rug"),
        ("a red and white sofa", "make the sofa blue and white", "a blue and white sofa"),
        ("an old sofa", "make the sofa new", "a new sofa"),
        ("a green sofa", "turn it red", "a red sofa"),
        ("a lamp glowing on a table", "take the lamp off the table", "a table"),
    ],
)
def test_sound_triples_pass(texts: tuple[str, str, str]) -> None:
    assert fault_of(triple(*texts), KNOWN) is None


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        (("a green sofa", "make the sofa red", "A green sofa."), "unchanged"),
        (("a red car", "make the car blue", "a blue car"), "unreadable"),
        (("a cosy sofa in a lounge", "make it nice", "a cosy sofa in a lounge, nice"), "unreadable"),
        (("a lounge with a sofa", "remove the lamp", "a lounge"), "absent"),
        (("a lounge with a sofa", "add a lamp", "a lounge with a sofa and a lamp"), "unstated"),
        (("a lounge with no rug", "add a lamp", "a lounge with no rug and a lamp"), "unstated"),
        (("a green sofa and a rug", "make the sofa red", "a red sofa and a blue rug"), "several"),
        (("a green sofa", "make the sofa red", "a red leather sofa"), "several"),
        (("a sofa and no rug", "add a rug", "a rug"), "disagrees"),
        (("a green sofa at night", "make the sofa red", "a red sofa in daylight"), "several"),
        (("a green sofa, old", "make the sofa red", "a red sofa, new"), "several"),
        (("a green sofa and no lamp", "make the sofa red", "a red sofa"), "several"),
        (("a green sofa", "make the sofa red", "a blue sofa"), "disagrees"),
        (("a green sofa and a lamp", "make the lamp red", "a red sofa and a lamp"), "disagrees"),
        (("a green sofa", "remove the sofa", "a red sofa"), "disagrees"),
        (("a green sofa and a lamp", "remove the red lamp", "a green sofa"), "disagrees"),
        (("a sofa and no lamp", "add a red lamp", "a sofa and a blue lamp"), "disagrees"),
        (("a sofa and a lamp", "remove the sofa", "a sofa"), "disagrees"),
        (("a sofa", "replace the sofa with a rug", "a table"), "disagrees"),
        (("a sofa and a rug", "remove the rug and the table", "a sofa"), "disagrees"),
        (("a red sofa", "paint it", "a sofa"), "disagrees"),
        (("a red sofa and a lamp", "make it blue", "a blue sofa and a lamp"), "disagrees"),
        (("a sofa and no lamp", "put a lamp on the table", "a sofa and a lamp"), "disagrees"),
    ],
)
def test_each_rule_is_kept(texts: tuple[str, str, str], fault: str) -> None:
    assert fault_of(triple(*texts), KNOWN) == fault


GOOD = '{"input": "a green sofa", "edit": "make the sofa red", "output": "a red sofa"}'
OTHER = '{"caption": "a rug", "edit": "make the rug blue", "output": "a blue rug"}'


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (f"{GOOD}\n{OTHER}", [True, True]),
        (f'{{"lines": [{GOOD}, {OTHER}]}}', [True, True]),
        (f"[{GOOD}, {OTHER}]", [True, True]),
        (f"Here you are:\n```json\n{GOOD}\n```\nAnything else?", [True]),
        (f'{{"lines": [{GOOD}, {OTHER[:30]}', [True, "not JSON"]),
        (f"{GOOD[:40]}\n{OTHER}", ["not JSON", True]),
        ("I cannot do that.", ["not JSON"]),
        ("", ["not JSON"]),
        ("{" * 5000 + '{"a":' * 5000, None),
        ('{"input": "a green sofa", "change": "red"}', ["keys"]),
        ('{"input": "a green sofa", "edit": 3, "output": "a red sofa"}', ["keys"]),
        (f"{GOOD}\n{GOOD.replace('red sofa', 'Red sofa.')}", [True, "double"]),
        (f"<think>Perhaps {GOOD}? No.</think>\n{OTHER}", [True]),
        ('{"lines": []}', []),
        ('{"lines": [3, null]}', ["keys", "not JSON"]),
        ('{"input": "a\\ud800 green sofa", "edit": "make the\\nsofa red", "output": "a red sofa"}', [True]),
    ],
)
def test_lines_are_found_wherever_they_stand(answer: str, found: list[bool | str] | None) -> None:
    lines = [line if isinstance(line, str) else True for line in sift(answer, KNOWN, {})]
    if found is None:
        assert set(lines) == {"not JSON"}
    else:
        assert lines == found


def test_what_is_kept_already_is_a_double() -> None:
    kept = {triple("A green sofa", "Make the sofa red.", "a red sofa"): None}
    assert list(sift(GOOD, KNOWN, kept)) == ["double"]
