"""Instructions about any picture, with their parts marked: the forms of rooms and photographs, and a wide vocabulary.

They teach where the parts of a sentence are, not what things are: made-up words stand among the real ones, so that
a parser learns to read a word it does not know from those around it.
"""

from collections.abc import Sequence
from random import Random

from retouch.datagen.photos.language import (
    PATTERN_COMMANDS,
    PATTERN_WISHES,
    PATTERN_WORDS,
    PLAIN_COMMANDS,
    PLAIN_WORDS,
    RECOLOUR_COMMANDS,
    RECOLOUR_WISHES,
)
from retouch.datagen.photos.look_words import LOOK_WORDS
from retouch.scenes.language.marks import Marked, Role, mark, mark_step, read_marks
from retouch.scenes.language.templates import ADD, JOINED, MATERIAL, POLITE, RECOLOUR, REMOVE, REPLACE, Templates
from retouch.scenes.palette import TRAINED_COLOURS

_THINGS = (
    "dog", "cat", "horse", "cow", "bird", "duck", "lion", "elephant", "monkey", "rabbit", "fish", "snake",
    "butterfly", "spider", "person", "man", "woman", "boy", "girl", "baby", "child", "couple", "crowd", "player",
    "dancer", "soldier", "policeman", "farmer", "chef", "waiter", "car", "truck", "taxi", "train", "plane",
    "helicopter", "boat", "ship", "scooter", "tractor", "ambulance", "wheel", "tree", "bush", "flower", "rose",
    "tulip", "lawn", "field", "forest", "mountain", "hill", "rock", "beach", "wave", "lake", "pond", "island",
    "desert", "path", "bridge", "tower", "church", "castle", "temple", "house", "barn", "cottage", "skyscraper",
    "shop", "window", "door", "roof", "wall", "gate", "chimney", "balcony", "stairs", "sign", "clock", "bench",
    "fountain", "statue", "tent", "flagpole", "streetlight", "bin", "bag", "suitcase", "backpack", "hat", "cap",
    "helmet", "scarf", "coat", "jacket", "dress", "skirt", "shirt", "jeans", "boots", "sandals", "gloves",
    "glasses", "ring", "necklace", "watch", "belt", "beard", "hair", "face", "hand", "eye", "nose", "mouth", "tail",
    "wing", "feather", "cup", "mug", "glass", "plate", "bowl", "spoon", "fork", "knife", "kettle", "pan", "oven",
    "fridge", "bread", "cheese", "egg", "salad", "soup", "burger", "sandwich", "banana", "pear", "grape", "cherry",
    "tomato", "carrot", "potato", "cookie", "pie", "candle", "lamp", "chair", "table", "sofa", "bed", "shelf",
    "desk", "rug", "curtain", "pillow", "blanket", "vase", "picture", "mirror", "piano", "drum", "trumpet",
    "violin", "book", "newspaper", "letter", "pen", "phone", "camera", "screen", "keyboard", "ball", "racket",
    "net", "kite", "balloon", "toy", "doll", "robot", "dinosaur", "dragon", "ghost", "moon", "star", "planet",
    "cloud", "sunset", "lightning", "smoke", "fire", "shadow", "puddle", "logo", "text", "label", "sticker",
    "stain", "crack", "wire", "pole", "fence", "ceiling", "floor", "street", "pavement", "sand", "water", "sea",
    "ground",
)  # fmt: skip
_PLURALS = (
    "dogs", "cats", "birds", "people", "children", "cars", "trees", "flowers", "leaves", "mountains", "clouds",
    "houses", "windows", "lights", "chairs", "books", "apples", "plates", "shoes", "trousers", "shorts", "glasses",
    "earrings", "buttons", "waves", "stars", "balloons", "boats", "cyclists", "shadows",
)  # fmt: skip
_LOOKS = (
    "old", "new", "big", "small", "tall", "tiny", "huge", "round", "square", "shiny", "wet", "dirty", "clean",
    "broken", "modern", "antique", "wooden", "metal", "golden", "silver", "plastic", "glass", "paper", "striped",
    "spotted", "checked", "furry", "fluffy", "sleepy", "happy", "angry", "sad", "fat", "thin", "young", "elegant",
    "rusty", "transparent", "glowing", "frozen", "burning", "empty", "full", "open", "closed", "ripe", "fresh",
    "dark", "bright", "colourful", "pale",
)  # fmt: skip
_MATERIALS = (
    "wood", "stone", "steel", "gold", "silver", "copper", "bronze", "glass", "ice", "crystal", "paper", "cardboard",
    "leather", "velvet", "silk", "wool", "denim", "lace", "clay", "marble", "concrete", "brick", "chocolate",
    "candy", "rubber", "plastic", "straw", "bamboo", "fur", "moss",
)  # fmt: skip
_STATES = (
    "bigger", "smaller", "taller", "wider", "longer", "shorter", "older", "younger", "brighter", "darker", "thinner",
    "cleaner", "softer", "larger", "more colourful", "more modern", "less shiny", "covered in snow", "covered in ivy",
    "full of people", "on fire", "half open", "much darker", "a bit lighter", "in bloom", "under water", "blurred",
)  # fmt: skip
_RELATIONS = (
    "on", "on top of", "in", "inside", "under", "below", "above", "over", "next to", "beside", "near", "by", "behind",
    "in front of", "between", "around", "against", "to the left of", "to the right of", "at", "along", "beneath",
)  # fmt: skip
_PLACES = (
    "on the left", "on the right", "in the background", "in the foreground", "in the middle", "at the back",
    "in the corner", "in the distance", "at the bottom", "at the top", "in the centre", "on the far left",
)  # fmt: skip
_WHOLE = ("it", "this", "the photo", "the picture", "this image", "the scene", "the whole image", "everything")
_STYLES = (
    "a watercolour", "an oil painting", "a pencil drawing", "a cartoon", "a pop art print", "a mosaic", "a postcard",
    "a film still", "a pixel art game", "a charcoal sketch", "an old photograph", "a stained glass",
    "a painting by Monet",
)  # fmt: skip
_WEATHER = (
    "winter", "summer", "spring", "autumn", "night", "sunset", "sunrise", "rainy", "sunny", "cloudy", "stormy", "misty",
    "snowy", "evening", "midnight", "noon", "dawn",
)  # fmt: skip
_CHANGES = Templates(
    clauses=(
        "make {the} {state}", "make {the} look {state}", "let {the} be {state}", "turn {the} {state}",
        "change {the} so that it looks {state}", "have {the} {state}", "show {the} {state}", "get {the} {state}",
    ),
    sentences=(
        "{the} should be {state}", "{the} should look {state}", "could {the} be {state}?", "I want {the} {state}",
        "what if {the} were {state}?", "{the} needs to be {state}", "{the}: {state}", "I'd like {the} to look {state}",
        "can {the} look {state}?",
    ),
)  # fmt: skip
_GIVING = Templates(
    clauses=(
        "give {the} {new}", "let {the} hold {new}", "let {the} wear {new}", "have {the} carry {new}",
        "show {the} with {new}", "dress {the} in {new}", "put {the} in {new}", "make {the} wear {new}",
    ),
    sentences=("{the} should have {new}", "{the} with {new}", "{the} with {new}, please", "could {the} have {new}?"),
)  # fmt: skip
_EVERYWHERE = Templates(
    clauses=(
        "make {whole} {weather}", "make {whole} look like {style}", "turn {whole} into {style}", "make it {weather}",
        "change the weather to {weather}", "change the season to {weather}", "change the time of day to {weather}",
        "render {whole} as {style}", "give {whole} a {weather} mood", "set the scene in {weather}",
        "let it be {weather}",
        "show {whole} in {weather}", "draw {whole} as {style}", "have {whole} look like {style}",
    ),
    sentences=(
        "what would {whole} look like in {weather}?", "I want {whole} to look like {style}", "{whole} as {style}",
        "{whole} in {weather}", "could this be {style}?", "it should be {weather}", "it should look like {style}",
    ),
)  # fmt: skip
_GONE = Templates(
    clauses=("remove {the}", "delete {the}", "erase {the}", "take {the} out of the picture", "wipe {the} away",
             "clean up {the}", "crop out {the}", "hide {the}", "cut {the} out", "take off {the}"),
    sentences=("{the} has to go", "I don't like {the}, take it away", "please no {the}", "there should be no {the}"),
)  # fmt: skip


def open_instruction(generator: Random) -> Marked:
    """One instruction with its parts marked; one in five has two steps."""
    if generator.random() < 0.2:
        clauses = [mark_step(_clause(generator)) for _ in range(2)]
        said = generator.choice(JOINED).format(first=clauses[0], second=clauses[1])
    else:
        said = _sentence(generator)
    marked = read_marks(said)
    text = marked.text
    if generator.random() < 0.4:
        text = text[0].upper() + text[1:]
        text += "" if text.endswith(("?", ".")) or generator.random() < 0.3 else "."
    return Marked(text=text, parts=marked.parts, steps=marked.steps)


def _sentence(generator: Random) -> str:
    roll = generator.random()
    if roll < 0.25:
        return _photo_sentence(generator)
    if roll < 0.6:
        clause = _clause(generator)
        return generator.choice(POLITE).format(clause=clause) if generator.random() < 0.3 else clause
    forms = _forms(generator)
    return _filled(forms.sentences, generator)


def _clause(generator: Random) -> str:
    return _filled(_forms(generator).clauses, generator)


def _forms(generator: Random) -> Templates:
    kinds = (RECOLOUR, MATERIAL, REPLACE, REPLACE, REMOVE, _GONE, ADD, ADD, ADD, _CHANGES, _CHANGES, _GIVING)
    return generator.choice((*kinds, _EVERYWHERE, _EVERYWHERE))


def _filled(options: Sequence[str], generator: Random) -> str:
    template = generator.choice(options)
    while "{noun}" in template or "{old}" in template:
        template = generator.choice(options)
    colour, material = generator.choice(TRAINED_COLOURS), _word(_MATERIALS, generator)
    if generator.random() < 0.3:
        colour = f"{generator.choice(('dark', 'light', 'bright', 'pale', 'deep', 'neon', 'pastel'))} {colour}"
    relation = generator.choice(_RELATIONS)
    slots: dict[str, tuple[str, Role | None]] = {
        "the": (_target(generator), "TARGET"),
        "new": (_newcomer(generator), "NEW"),
        "colour": (colour, "ATTRIBUTE"),
        "a_colour": (_article(colour), "ATTRIBUTE"),
        "material": (material, "ATTRIBUTE"),
        "a_material_noun": (_article(material), "ATTRIBUTE"),
        "a_material": (_article(material), "ATTRIBUTE"),
        "state": (generator.choice((_word(_LOOKS, generator), generator.choice(_STATES))), "ATTRIBUTE"),
        "style": (generator.choice(_STYLES), "ATTRIBUTE"),
        "weather": (generator.choice(_WEATHER), "ATTRIBUTE"),
        "whole": (generator.choice(_WHOLE), None),
        "verb": (generator.choice(("hang", "place", "stick", "position", "set", "paint", "draw", "throw in")), None),
    }
    filled = {name: value if role is None else _marked(value, role) for name, (value, role) in slots.items()}
    filled["place"] = f"{relation} {mark(_target(generator), 'PLACE')}"
    return template.format(**filled)


def _marked(value: str, role: Role) -> str:
    # A style is the whole of what the picture becomes, article included.
    return mark(f"\u200b{value}", role).replace("\u200b", "") if value in _STYLES else mark(value, role)


def _photo_sentence(generator: Random) -> str:
    """An instruction of a photograph's engine, of any noun."""
    the, noun, colour = mark(_target(generator), "TARGET"), _word(_THINGS, generator), generator.choice(TRAINED_COLOURS)
    roll = generator.random()
    if roll < 0.35:
        facts = {
            "the": the,
            "it": "it",
            "colour": mark(colour, "ATTRIBUTE"),
            "a_coloured": mark(_article(f"{colour} {noun}"), "NEW"),
        }
        return generator.choice((*RECOLOUR_COMMANDS, *RECOLOUR_WISHES)).format(**facts)
    if roll < 0.55:
        words = generator.choice(generator.choice(tuple(PATTERN_WORDS.values())))
        pattern = " ".join(words.format(colour=colour if generator.random() < 0.5 else "").split())
        facts = {"the": the, "pattern": mark(pattern, "ATTRIBUTE")}
        return generator.choice((*PATTERN_COMMANDS, *PATTERN_WISHES)).format(**facts)
    if roll < 0.65:
        facts = {"the": the, "pattern": mark(generator.choice(tuple(PLAIN_WORDS.values())), "ATTRIBUTE")}
        return generator.choice(PLAIN_COMMANDS).format(**facts)
    look = LOOK_WORDS[generator.choice(tuple(LOOK_WORDS))]
    options = [f"make it {_marked_look(adjective)}" for adjective in look.adjectives]
    options += [f"turn {generator.choice(_WHOLE)} into {_marked_look(noun)}" for noun in look.nouns]
    return generator.choice(options or [generator.choice(look.commands)])


def _marked_look(words: str) -> str:
    return mark(f"\u200b{words}", "ATTRIBUTE").replace("\u200b", "")


def _target(generator: Random) -> str:
    """What is there: "the old boat", "her hat", "the dog on the left", "the roof of the house"."""
    several = generator.random() < 0.2
    noun = _word(_PLURALS if several else _THINGS, generator)
    if generator.random() < 0.25:
        noun = f"{_word((*_LOOKS, *TRAINED_COLOURS), generator)} {noun}"
    owner = generator.choice(("the",) * 12 + ("this", "that", "her", "his", "my", "their", "all", "both", "the second"))
    owner = {"this": "these", "that": "those"}.get(owner, owner) if several else owner
    roll = generator.random()
    if roll < 0.08:
        noun = f"{_word(_THINGS, generator)} {noun}"
    elif roll < 0.2:
        noun = f"{noun} {generator.choice(_PLACES)}"
    elif roll < 0.28:
        noun = f"{noun} {generator.choice(_RELATIONS)} the {_word(_THINGS, generator)}"
    elif roll < 0.34:
        noun = f"{noun} of the {_word(_THINGS, generator)}"
    elif roll < 0.38:
        noun = f"{_word(_THINGS, generator)}'s {noun}"
    return f"{owner} {noun}"


def _newcomer(generator: Random) -> str:
    several = generator.random() < 0.25
    noun = _word(_PLURALS if several else _THINGS, generator)
    for _ in range(generator.choice((0, 0, 1, 1, 2))):
        noun = f"{_word((*_LOOKS, *TRAINED_COLOURS), generator)} {noun}"
    if generator.random() < 0.12:
        noun = f"{noun} with {_article(_word(_THINGS, generator))}"
    elif generator.random() < 0.1:
        noun = f"{noun} of {_word(_PLURALS, generator)}"
    if several:
        return f"{generator.choice(('some ', 'two ', 'three ', 'a few ', 'more ', 'several ', '', ''))}{noun}"
    return _article(noun)


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _word(words: Sequence[str], generator: Random) -> str:
    """One of the words, or now and then one that nobody knows."""
    if generator.random() >= 0.2:
        return generator.choice(words)
    syllables = [
        generator.choice("bcdfghklmnprstvw") + generator.choice(("a", "e", "i", "o", "u", "ea", "oo")) for _ in range(2)
    ]
    made = "".join(syllables) + generator.choice(("n", "r", "l", "t", "ck", "d", "m", ""))
    return f"{made}s" if words is _PLURALS else made
