"""The vocabulary: nouns and synonyms of every kind, colours, materials, coverings and times of day."""

from collections.abc import Sequence
from random import Random

from retouch.scenes.room import Placed, Room

NOUNS: dict[str, tuple[str, ...]] = {
    "sofa": ("sofa", "couch", "settee"),
    "armchair": ("armchair", "easy chair"),
    "chair": ("chair",),
    "stool": ("stool",),
    "dining table": ("dining table", "table"),
    "coffee table": ("coffee table", "table", "low table"),
    "desk": ("desk", "writing desk"),
    "bed": ("bed",),
    "nightstand": ("nightstand", "bedside table", "night table"),
    "wardrobe": ("wardrobe", "closet"),
    "bookshelf": ("bookshelf", "bookcase", "shelf"),
    "cabinet": ("cabinet", "sideboard", "cupboard"),
    "floor lamp": ("floor lamp", "lamp", "standing lamp"),
    "table lamp": ("table lamp", "lamp", "night light"),
    "pendant lamp": ("pendant lamp", "ceiling lamp", "hanging lamp", "lamp"),
    "rug": ("rug", "carpet"),
    "curtain": ("curtain", "drape"),
    "window": ("window",),
    "door": ("door",),
    "painting": ("painting", "picture", "artwork"),
    "mirror": ("mirror",),
    "clock": ("clock", "wall clock"),
    "television": ("television", "TV", "telly"),
    "plant": ("plant", "potted plant", "houseplant"),
    "vase": ("vase",),
    "ball": ("ball",),
    "basket": ("basket",),
    "bathtub": ("bathtub", "bath", "tub"),
    "sink": ("sink", "washbasin", "basin"),
    "toilet": ("toilet", "loo"),
    "cushion": ("cushion", "pillow"),
    "piano": ("piano", "upright piano"),
}
"""What each kind is called, the usual word first. A word shared by kinds is used where only one is there."""

PART_NOUNS: dict[str, tuple[str, ...]] = {
    "plant": ("plant pot", "pot of the plant", "flowerpot"),
    "window": ("window frame", "frame of the window"),
    "mirror": ("mirror frame", "frame of the mirror"),
    "painting": ("picture frame", "frame of the painting", "painting frame"),
}
"""The part that an object's colour and material belong to, where that is not the whole object."""

PART_PHRASES: dict[str, tuple[str, str]] = {
    "plant": ("in", "pot"),
    "window": ("with", "frame"),
    "mirror": ("with", "frame"),
    "painting": ("with", "frame"),
}

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "grey": ("grey", "gray"),
    "navy": ("navy", "navy blue", "dark blue"),
    "olive": ("olive", "olive green"),
}
"""Other words for a colour's name; colours not listed have their name alone."""

MATERIAL_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "fabric": ("fabric", "cloth"),
    "wood": ("wooden", "wood"),
    "metal": ("metal", "steel"),
    "marble": ("marble",),
    "glass": ("glass",),
    "leather": ("leather",),
}
MATERIAL_NOUNS: dict[str, tuple[str, ...]] = {
    "fabric": ("fabric", "cloth"),
    "wood": ("wood", "timber"),
    "metal": ("metal", "steel"),
    "marble": ("marble",),
    "glass": ("glass",),
    "leather": ("leather",),
}

WALL_COVERS: dict[str, tuple[str, ...]] = {
    "paint": ("paint",),
    "brick": ("brick", "bricks"),
    "tile": ("tiles",),
    "wallpaper": ("wallpaper",),
}
WALL_PHRASES: dict[str, tuple[str, ...]] = {
    "paint": ("{colour} walls", "{colour} painted walls"),
    "brick": ("{colour} brick walls",),
    "tile": ("{colour} tiled walls", "{colour} wall tiles"),
    "wallpaper": ("{colour} wallpaper", "{colour} papered walls"),
}
FLOOR_COVERS: dict[str, tuple[str, ...]] = {
    "planks": ("wooden planks", "floorboards", "wood flooring"),
    "carpet": ("carpet",),
    "tile": ("tiles", "floor tiles"),
    "marble": ("marble",),
}
FLOOR_PHRASES: dict[str, tuple[str, ...]] = {
    "planks": ("a {colour} wooden floor", "{colour} floorboards"),
    "carpet": ("{colour} carpet", "a {colour} carpet floor"),
    "tile": ("a {colour} tiled floor", "{colour} floor tiles"),
    "marble": ("a {colour} marble floor",),
}
LIGHT_PHRASES: dict[str, tuple[str, ...]] = {
    "daylight": ("in daylight", "by day", "during the day"),
    "evening": ("in the evening", "in evening light", "at dusk"),
    "lamp light": ("in lamp light", "lit by lamps", "at night with the lamps on"),
}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
USUAL = 0.62
"""How often the first word of several is taken."""


def usual_first(words: Sequence[str], generator: Random) -> str:
    """Draw a word; the first is the usual one."""
    if len(words) == 1 or generator.random() < USUAL:
        return words[0]
    return generator.choice(tuple(words[1:]))


def colour_word(colour: str, generator: Random) -> str:
    """A word for a colour, British or American."""
    return usual_first(COLOUR_WORDS.get(colour, (colour,)), generator)


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase, by its first letter."""
    return f"{'an' if phrase[0] in 'aeio' else 'a'} {phrase}"


def plural(noun: str) -> str:
    """The plural of a noun phrase's last word."""
    if noun.endswith("shelf"):
        return f"{noun[:-1]}ves"
    if noun.endswith(("ch", "s", "sh", "x")):
        return f"{noun}es"
    return f"{noun}s"


def denoted_by(noun: str) -> frozenset[str]:
    """The kinds a noun may mean."""
    return frozenset(kind for kind, nouns in NOUNS.items() if noun in nouns)


def clear_nouns(room: Room, kind: str) -> tuple[str, ...]:
    """The nouns of a kind that cannot be taken for anything else in the room, nor for its floor."""
    others = {placed.kind for placed in room} - {kind}
    taken = {"carpet"} if room.floor.finish == "carpet" else set()
    return tuple(noun for noun in NOUNS[kind] if noun not in taken and not denoted_by(noun) & others)


def described(placed: Placed, noun: str, colour: str | None, material: str | None) -> str:
    """A noun phrase without article: "red wooden chair", "plant in a red marble pot"."""
    adjectives = " ".join(word for word in (colour, material) if word)
    if placed.kind in PART_PHRASES:
        joint, part = PART_PHRASES[placed.kind]
        return f"{noun} {joint} {with_article(f'{adjectives} {part}')}" if adjectives else noun
    return f"{adjectives} {noun}".strip()
