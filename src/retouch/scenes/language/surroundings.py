"""The sentences of edits of walls, floor and light, and those that ask for nothing."""

from retouch.scenes.language.templates import Templates

WALL_COLOUR = Templates(
    clauses=(
        "paint the walls {colour}",
        "paint the walls {colour}",
        "repaint the walls in {colour}",
        "make the walls {colour}",
        "turn the walls {colour}",
        "colour the walls {colour}",
        "color the walls {colour}",
        "change the walls to {colour}",
        "change the wall colour to {colour}",
        "change the color of the walls to {colour}",
        "give the room {colour} walls",
        "give the walls {a_colour} colour",
        "redecorate with {colour} walls",
        "switch the walls to {colour}",
        "paint the room {colour}",
    ),
    sentences=(
        "the walls should be {colour}",
        "I want {colour} walls",
        "I'd like the walls in {colour}",
        "{colour} walls",
        "{colour} walls, please",
        "{colour} walls instead",
        "what if the walls were {colour}?",
        "how about {colour} walls?",
        "could the walls be {colour}?",
        "the same room with {colour} walls",
        "walls → {colour}",
    ),
)
WALL_FINISH = Templates(
    clauses=(
        "change the walls to {cover}",
        "cover the walls with {cover}",
        "put {cover} on the walls",
        "use {cover} for the walls",
        "redo the walls in {cover}",
        "finish the walls with {cover}",
        "give the walls {cover}",
        "give the room {walls}",
        "turn the walls into {walls}",
        "replace the walls with {walls}",
        "decorate the room with {walls}",
        "redecorate with {walls}",
        "do the walls in {cover}",
    ),
    sentences=(
        "I want {cover} on the walls",
        "I'd like {walls}",
        "the walls should have {cover}",
        "{walls}, please",
        "{walls} instead",
        "{walls}",
        "how about {cover} on the walls?",
        "what about {walls}?",
        "could the walls have {cover}?",
        "the same room with {walls}",
    ),
)
FLOOR_COLOUR = Templates(
    clauses=(
        "make the floor {colour}",
        "make the floor {colour}",
        "turn the floor {colour}",
        "paint the floor {colour}",
        "colour the floor {colour}",
        "color the floor {colour}",
        "change the floor to {colour}",
        "change the colour of the floor to {colour}",
        "change the floor color to {colour}",
        "recolour the floor {colour}",
        "give the room {a_colour} floor",
        "switch the floor to {colour}",
    ),
    sentences=(
        "the floor should be {colour}",
        "I want {a_colour} floor",
        "I'd like the floor in {colour}",
        "{a_colour} floor, please",
        "{a_colour} floor instead",
        "what if the floor were {colour}?",
        "how about {a_colour} floor?",
        "could the floor be {colour}?",
        "the same room with {a_colour} floor",
        "floor → {colour}",
    ),
)
FLOOR_FINISH = Templates(
    clauses=(
        "change the floor to {cover}",
        "change the flooring to {cover}",
        "replace the floor with {cover}",
        "cover the floor with {cover}",
        "lay {cover} on the floor",
        "put {cover} on the floor",
        "use {cover} for the floor",
        "redo the floor in {cover}",
        "turn the floor into {cover}",
        "renew the floor with {cover}",
        "give the room {floor}",
        "switch the floor to {cover}",
        "install {floor}",
    ),
    sentences=(
        "I want {cover} on the floor",
        "I'd like {floor}",
        "the floor should be {cover}",
        "{floor}, please",
        "{floor} instead",
        "{floor}",
        "how about {cover} on the floor?",
        "what about {floor}?",
        "could we have {floor}?",
        "the same room with {floor}",
    ),
)
_SCENE = (
    "show the room {when}",
    "show this room {when}",
    "render the room {when}",
    "picture the room {when}",
    "set the scene {when}",
)
_SCENE_SENTENCES = (
    "the same room {when}",
    "the room {when}",
    "what does it look like {when}?",
    "how would this room look {when}?",
    "I want to see the room {when}",
    "{when}, please",
)
LIGHT: dict[str, Templates] = {
    "daylight": Templates(
        clauses=(
            *_SCENE, "make it daytime", "make it day", "turn it into day", "change the light to daylight",
            "switch to daylight", "let the daylight in", "bring in daylight", "light the room with daylight",
            "use daylight", "let it be day",
        ),
        sentences=(*_SCENE_SENTENCES, "it should be daytime", "could it be daytime?", "what about daylight?"),
    ),
    "evening": Templates(
        clauses=(
            *_SCENE, "make it evening", "turn it into evening", "change the light to evening light",
            "switch to evening light", "change the time of day to evening", "let the evening come",
            "use evening light", "let it be evening", "make it dusk", "light the room as in the evening",
        ),
        sentences=(*_SCENE_SENTENCES, "it should be evening", "could it be evening?", "what about evening light?"),
    ),
    "lamp light": Templates(
        clauses=(
            *_SCENE, "make it night with the lamps on", "turn the lamps on", "switch on the lamps",
            "light the room with lamps", "change the light to lamp light", "switch to lamp light",
            "use only lamp light", "let the lamps light the room", "make it night", "turn it into night",
        ),
        sentences=(*_SCENE_SENTENCES, "it should be night", "could it be night?", "what about lamp light?"),
    ),
}  # fmt: skip
LIGHT_WORDS = r"\b(?:daytime|daylight|day|evening light|evening|dusk|night with the lamps on|night|lamp light)\b"
"""What the sentences above call the light, as a pattern."""
KEEP = Templates(
    clauses=(
        "leave everything as it is",
        "keep the room as it is",
        "keep everything the same",
        "change nothing",
        "do nothing",
        "leave the room alone",
        "leave it as it is",
        "keep it like this",
        "make no changes",
        "leave the picture unchanged",
    ),
    sentences=(
        "no changes",
        "don't change anything",
        "everything should stay as it is",
        "it is fine as it is",
        "nothing should change",
        "the same room",
    ),
)
