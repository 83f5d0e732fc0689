"""Instructions and captions for photographs, as varied as people write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from retouch.datagen.photos.look_words import LOOK_WORDS
from retouch.scenes.palette import TRAINED_COLOURS

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Noun:
    """What to call the main object: interchangeable words, and whether they are plural ("trousers")."""

    words: tuple[str, ...]
    plural: bool = False


UNKNOWN = Noun(words=("main object", "object", "subject"))
NOUNS: dict[str, Noun] = {
    "t-shirt": Noun(words=("t-shirt", "tee", "T-shirt", "shirt")),
    "longsleeve": Noun(words=("long-sleeved top", "long sleeve top", "long-sleeved shirt", "top")),
    "outwear": Noun(words=("jacket", "coat")),
    "jacket": Noun(words=("jacket",)),
    "coat": Noun(words=("coat",)),
    "dress": Noun(words=("dress",)),
    "hat": Noun(words=("hat", "cap")),
    "pants": Noun(words=("pants", "trousers"), plural=True),
    "trousers": Noun(words=("trousers", "pants"), plural=True),
    "jeans": Noun(words=("jeans",), plural=True),
    "shirt": Noun(words=("shirt",)),
    "blouse": Noun(words=("blouse",)),
    "sweater": Noun(words=("sweater", "jumper")),
    "hoodie": Noun(words=("hoodie",)),
    "shoes": Noun(words=("shoes",), plural=True),
    "shorts": Noun(words=("shorts",), plural=True),
    "skirt": Noun(words=("skirt",)),
    "bag": Noun(words=("bag",)),
    "car": Noun(words=("car",)),
    "chair": Noun(words=("chair",)),
    "sofa": Noun(words=("sofa", "couch")),
}
"""Folder names that tell what their pictures show."""

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "grey": ("grey", "gray"),
    "navy": ("navy", "navy", "navy blue"),
    "olive": ("olive", "olive", "olive green"),
}
"""Other words for palette colours; a colour that is not here goes by its own name."""

RECOLOUR_COMMANDS = (
    "make {the} {colour}",
    "turn {the} {colour}",
    "change {the} to {colour}",
    "recolour {the} {colour}",
    "recolor {the} to {colour}",
    "dye {the} {colour}",
    "colour {the} {colour}",
    "change the colour of {the} to {colour}",
    "change the color of {the} to {colour}",
    "switch {the} to {colour}",
    "give {the} a {colour} colour",
    "show {the} in {colour}",
    "show me {the} in {colour}",
    "replace {the} with {a_coloured}",
    "swap {the} for {a_coloured}",
    "paint {the} {colour}",
    "set the colour of {the} to {colour}",
    "turn this into {a_coloured}",
    "let {the} be {colour}",
    "make it {a_coloured}",
)
RECOLOUR_WISHES = (
    "I'd like {the} in {colour}",
    "I would like {the} to be {colour}",
    "could {the} be {colour}?",
    "can I see {the} in {colour}?",
    "what if {the} were {colour}?",
    "what would {the} look like in {colour}?",
    "{the} should be {colour}",
    "I want {a_coloured}",
    "how about {a_coloured}?",
    "{a_coloured} instead",
    "{a_coloured}, please",
    "same picture but with {a_coloured}",
    "do you have {it} in {colour}?",
    "I prefer {it} in {colour}",
)
PATTERN_COMMANDS = (
    "give {the} {pattern}",
    "add {pattern} to {the}",
    "put {pattern} on {the}",
    "cover {the} with {pattern}",
    "print {pattern} on {the}",
    "decorate {the} with {pattern}",
    "redo {the} with {pattern}",
    "change {the} so that it has {pattern}",
    "show {the} with {pattern}",
    "draw {pattern} all over {the}",
)
PATTERN_WISHES = (
    "I'd like {the} with {pattern}",
    "could {the} have {pattern}?",
    "what about {pattern} on {the}?",
    "{the} with {pattern}, please",
    "I want {pattern} on {the}",
    "what would {the} look like with {pattern}?",
    "{the} should have {pattern}",
)
PLAIN_COMMANDS = (
    "make {the} plain",
    "remove the {pattern} from {the}",
    "take the {pattern} off {the}",
    "get rid of the {pattern}",
    "make {the} a single colour",
    "show {the} without the {pattern}",
)
PLAIN_WISHES = (
    "I'd like {the} plain",
    "could {the} be plain?",
    "{the} without {pattern}, please",
    "no {pattern} on {the}",
)
PLAIN_WORDS: dict[str, str] = {
    "horizontal_stripes": "stripes",
    "vertical_stripes": "stripes",
    "diagonal_stripes": "stripes",
    "polka_dots": "dots",
    "checks": "checks",
    "plaid": "plaid",
}
"""What to call a pattern that is to go."""
PATTERN_WORDS: dict[str, tuple[str, ...]] = {
    "horizontal_stripes": ("horizontal {colour} stripes", "{colour} horizontal stripes", "{colour} stripes"),
    "vertical_stripes": ("vertical {colour} stripes", "{colour} vertical stripes", "upright {colour} stripes"),
    "diagonal_stripes": ("diagonal {colour} stripes", "{colour} diagonal stripes", "slanted {colour} stripes"),
    "polka_dots": ("{colour} polka dots", "{colour} dots", "a {colour} polka dot pattern"),
    "checks": ("{colour} checks", "a {colour} gingham pattern", "a {colour} checked pattern"),
    "plaid": ("a {colour} plaid pattern", "a {colour} tartan pattern", "{colour} plaid"),
}
"""What to call every pattern of `patterns.PATTERNS`; {colour} may be empty."""

LOOK_NOUN_COMMANDS = (
    "turn it into {noun}",
    "turn this into {noun}",
    "turn the photo into {noun}",
    "make this {noun}",
    "make it {noun}",
    "change the picture into {noun}",
    "convert it to {noun}",
    "transform this image into {noun}",
)
LOOK_NOUN_WISHES = (
    "could this be {noun}?",
    "could you make it look like {noun}?",
    "I'd like {noun}",
    "I want {noun}",
    "what would this look like as {noun}?",
    "{noun}, please",
    "how about {noun}?",
)
LOOK_ADJECTIVE_COMMANDS = (
    "make it {adjective}",
    "make it look {adjective}",
    "make the photo {adjective}",
    "make the whole picture {adjective}",
    "make this image look {adjective}",
)
LOOK_ADJECTIVE_WISHES = (
    "could this be {adjective}?",
    "{adjective}, please",
    "I'd like it {adjective}",
    "I want the picture to look {adjective}",
    "it should look {adjective}",
    "can it be {adjective}?",
)
POLITE = ("please {}", "can you {}?", "could you {}?", "{}, please", "{} please", "I want you to {}", "now {}")


def noun_for(folder: str) -> Noun:
    """What the pictures of a folder show by its name, or `UNKNOWN` where the name does not tell."""
    name = folder.lower().strip()
    return NOUNS.get(name) or NOUNS.get(name.removesuffix("s")) or NOUNS.get(name.removesuffix("es"), UNKNOWN)


def choose(options: Sequence[Item], generator: np.random.Generator) -> Item:
    """One of `options`."""
    return options[int(generator.integers(len(options)))]


def recolour_instruction(noun: str, colour: str, *, plural: bool, generator: np.random.Generator) -> str:
    """Words that ask for the object called `noun` in a palette colour."""
    spoken = _spoken(colour, generator)
    facts = {"the": _the(noun, generator), "colour": spoken, "it": "them" if plural else "it"}
    facts["a_coloured"] = with_article(f"{spoken} {noun}", plural=plural)
    return _compose(RECOLOUR_COMMANDS, RECOLOUR_WISHES, facts, generator)


def pattern_instruction(noun: str, pattern: str, colour: str | None, *, generator: np.random.Generator) -> str:
    """Words that ask for a pattern on the object called `noun`, in a palette colour or in none named."""
    spoken = "" if colour is None else _spoken(colour, generator)
    facts = {"the": _the(noun, generator), "pattern": pattern_words(pattern, spoken, generator)}
    return _compose(PATTERN_COMMANDS, PATTERN_WISHES, facts, generator)


def plain_instruction(noun: str, pattern: str, *, generator: np.random.Generator) -> str:
    """Words that ask for the object called `noun` without the pattern it has."""
    facts = {"the": _the(noun, generator), "pattern": PLAIN_WORDS[pattern]}
    return _compose(PLAIN_COMMANDS, PLAIN_WISHES, facts, generator)


def look_instruction(look: str, generator: np.random.Generator) -> str:
    """Words that ask for a look of the whole picture."""
    words = LOOK_WORDS[look]
    weights = np.array([2 * len(words.nouns), 2 * len(words.adjectives), len(words.commands)], float)
    form = generator.choice(3, p=weights / weights.sum())
    if form == 0:
        return _compose(LOOK_NOUN_COMMANDS, LOOK_NOUN_WISHES, {"noun": choose(words.nouns, generator)}, generator)
    if form == 1:
        facts = {"adjective": choose(words.adjectives, generator)}
        return _compose(LOOK_ADJECTIVE_COMMANDS, LOOK_ADJECTIVE_WISHES, facts, generator)
    return _dress_up(choose(words.commands, generator), command=True, generator=generator)


def pattern_words(pattern: str, colour: str, generator: np.random.Generator) -> str:
    """A name of the pattern with its colour, which may be empty: "white polka dots"."""
    words = " ".join(choose(PATTERN_WORDS[pattern], generator).format(colour=colour).split())
    return _an(words) if words.startswith("a ") else words


def caption(subject: str) -> str:
    """The caption of an untouched photograph of `subject`, such as "a navy shirt"."""
    return f"a photo of {subject}"


def look_caption(look: str, subject: str) -> str:
    """The caption of a photograph of `subject` in a look."""
    return LOOK_WORDS[look].caption.format(subject=subject)


def subject_words(noun: str, colour: str | None, *, plural: bool) -> str:
    """The object in a caption, with its colour where that is known: "a navy shirt", "black shorts"."""
    return with_article(noun if colour is None else f"{colour} {noun}", plural=plural)


def with_article(words: str, *, plural: bool) -> str:
    """`words` with "a" or "an" in front where they are singular (or a pair)."""
    return words if plural and "pair of" not in words else _an(f"a {words}")


def vocabulary_corpus(count: int, seed: int) -> list[str]:
    """`count` sentences as this module writes them, instructions and captions, to train a tokenizer on."""
    generator = np.random.default_rng(seed)
    return [_sentence(generator) for _ in range(count)]


def labelled_instruction(generator: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """An instruction of any kind and what it asks, as "aspect=value"; half of them are looks."""
    noun = choose([*NOUNS.values(), UNKNOWN], generator)
    word, plural = choose(noun.words, generator), noun.plural
    colour, look = choose(TRAINED_COLOURS, generator), choose(list(LOOK_WORDS), generator)
    pattern, named = choose(list(PATTERN_WORDS), generator), f"object={word.lower()}"
    match int(generator.integers(6)):
        case 0:
            text = recolour_instruction(word, colour, plural=plural, generator=generator)
            return text, ("kind=garment_recolour", named, f"colour={colour}")
        case 1:
            text = pattern_instruction(word, pattern, colour, generator=generator)
            return text, ("kind=garment_pattern", named, f"colour={colour}", f"pattern={pattern}")
        case 2:
            return plain_instruction(word, pattern, generator=generator), ("kind=garment_plain", named)
        case _:
            return look_instruction(look, generator), ("kind=look", f"look={look}")


def _sentence(generator: np.random.Generator) -> str:
    noun = choose([*NOUNS.values(), UNKNOWN], generator)
    word, plural = choose(noun.words, generator), noun.plural
    colour, look = choose(TRAINED_COLOURS, generator), choose(list(LOOK_WORDS), generator)
    subject = subject_words(word, colour, plural=plural)
    pattern = choose(list(PATTERN_WORDS), generator)
    match int(generator.integers(6)):
        case 0:
            return recolour_instruction(word, colour, plural=plural, generator=generator)
        case 1:
            return pattern_instruction(word, pattern, colour, generator=generator)
        case 5:
            return plain_instruction(word, pattern, generator=generator)
        case 2:
            return look_caption(look, subject)
        case 3:
            return caption(subject)
        case _:
            return look_instruction(look, generator)


def _compose(
    commands: Sequence[str], wishes: Sequence[str], facts: dict[str, str], generator: np.random.Generator
) -> str:
    template = choose((*commands, *wishes), generator)
    words = template.format(**facts)
    return _dress_up(_agree(words), command=template in commands, generator=generator)


def _dress_up(words: str, *, command: bool, generator: np.random.Generator) -> str:
    """Sometimes add politeness, a capital or a full stop, as people do."""
    if command and generator.random() < 0.25:
        words = choose(POLITE, generator).format(words)
    if generator.random() < 0.3:
        words = words[0].upper() + words[1:]
        if generator.random() < 0.6 and words[-1].isalnum():
            words += "."
    return words


def _the(noun: str, generator: np.random.Generator) -> str:
    return f"{'this' if noun not in _PLURALS and generator.random() < 0.1 else 'the'} {noun}"


_PLURALS = frozenset(word for noun in NOUNS.values() if noun.plural for word in noun.words)


def _spoken(colour: str, generator: np.random.Generator) -> str:
    return choose(COLOUR_WORDS.get(colour, (colour,)), generator)


def _agree(words: str) -> str:
    """Mend articles before vowels: "give it a orange colour"."""
    for colour in ("orange", "olive"):
        words = words.replace(f" a {colour}", f" an {colour}")
    return words


def _an(words: str) -> str:
    """`words` that start with "a ", with "an" where a vowel follows."""
    return f"an {words[2:]}" if words[2] in "aeiou" else words
