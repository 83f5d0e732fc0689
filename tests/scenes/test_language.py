"""Words: varied, unambiguous, true to the edit, and the same for the same generator."""

from collections import defaultdict
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouch.scenes.edits import (
    EDIT_KINDS,
    ChangeFloor,
    ChangeLight,
    ChangeMaterial,
    Edit,
    EditKind,
    Recolour,
    Remove,
    RepaintWalls,
    Replace,
    apply,
    invert,
)
from retouch.scenes.language import (
    caption,
    captions,
    instruct,
    mentions_side,
    mirrored,
    surroundings,
    templates,
    vocabulary_corpus,
)
from retouch.scenes.language.instructions import MAXIMUM_WORDS
from retouch.scenes.language.references import refer
from retouch.scenes.language.templates import Templates
from retouch.scenes.language.words import NOUNS, clear_nouns, colour_word, plural, with_article
from retouch.scenes.layout import sample_room
from retouch.scenes.palette import TRAINED_COLOURS
from retouch.scenes.proposals import sample_edit
from retouch.scenes.room import Placed, Room, Surface
from retouch.scenes.view import screen_box

ROOMS = tuple(sample_room(seed) for seed in range(40))


def said(kind: EditKind, times: int = 3) -> list[tuple[Room, Edit, str]]:
    found = []
    for room in ROOMS:
        generator = Random(room.seed)
        for _ in range(times):
            edit = sample_edit(room, kind, generator)
            words = None if edit is None else instruct(edit, room, generator)
            if edit is not None and words is not None:
                found.append((room, edit, words))
    return found


SAID = {kind: said(kind) for kind in EDIT_KINDS}

GROUPS: dict[str, tuple[Templates, int]] = {
    "recolour": (templates.RECOLOUR, 25),
    "material": (templates.MATERIAL, 12),
    "replace": (templates.REPLACE, 12),
    "remove": (templates.REMOVE, 12),
    "add": (templates.ADD, 12),
    "wall colour": (surroundings.WALL_COLOUR, 12),
    "wall finish": (surroundings.WALL_FINISH, 12),
    "floor colour": (surroundings.FLOOR_COLOUR, 12),
    "floor finish": (surroundings.FLOOR_FINISH, 12),
    "daylight": (surroundings.LIGHT["daylight"], 12),
    "evening": (surroundings.LIGHT["evening"], 12),
    "lamp light": (surroundings.LIGHT["lamp light"], 12),
    "keep": (surroundings.KEEP, 12),
}


@pytest.mark.parametrize("name", GROUPS)
def test_there_are_many_ways_to_say_a_thing(name: str) -> None:
    group, least = GROUPS[name]
    assert len({*group.clauses, *group.sentences}) >= least


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_instructions_are_short_varied_and_well_formed(kind: EditKind) -> None:
    texts = [words for _, _, words in SAID[kind]]
    assert len(set(texts)) > 0.6 * len(texts)
    for text in texts:
        assert 0 < len(text.split()) <= MAXIMUM_WORDS
        assert "{" not in text and "}" not in text and "  " not in text, text
        lowered = f" {text.lower()} "
        assert not any(f" a {vowel}" in lowered for vowel in ("orange", "olive", "armchair", "easy", "artwork")), text


def test_a_recolouring_names_its_colour() -> None:
    for _, edit, text in SAID["recolour"]:
        assert isinstance(edit, Recolour)
        words = {colour_word(edit.colour, Random(seed)) for seed in range(20)}
        assert any(word in text.lower() for word in words), (edit, text)


def test_an_instruction_names_the_object_it_is_about() -> None:
    for room, edit, text in SAID["remove"]:
        assert isinstance(edit, Remove)
        assert any(noun.lower() in text.lower() for noun in NOUNS[room.find(edit.target).kind]), (edit, text)
    for _, edit, text in SAID["replace"]:
        assert isinstance(edit, Replace)
        assert any(noun.lower() in text.lower() for noun in NOUNS[edit.replacement.kind]), (edit, text)


def test_most_edits_can_be_said_backward_too() -> None:
    for kind in EDIT_KINDS:
        back = [instruct(invert(edit, room), apply(edit, room), Random(1)) for room, edit, _ in SAID[kind]]
        assert sum(text is not None for text in back) > 0.9 * len(back)


def row_of_chairs(*colours: str) -> Room:
    objects = tuple(
        Placed(
            id=index + 1,
            kind="chair",
            colour=colour,
            material="wood",
            position=(0.8 + index * 1.2, 3.0, 0.0),
            size=(0.45, 0.45, 0.9),
        )
        for index, colour in enumerate(colours)
    )
    return replace(ROOMS[0], width=4.0, depth=4.0, objects=objects)


def test_of_two_alike_each_is_told_by_its_side() -> None:
    room = row_of_chairs("red", "red")
    for identifier, side, other in ((1, "left", "right"), (2, "right", "left")):
        phrases = {refer(room, room.find(identifier), Random(seed)) or "" for seed in range(30)}
        assert len(phrases) >= 3
        assert all(side in phrase and other not in phrase for phrase in phrases)


def test_of_three_alike_the_middle_one_can_be_meant() -> None:
    room = row_of_chairs("red", "red", "red")
    assert "middle" in (refer(room, room.find(2), Random(0)) or "")
    assert "left" in (refer(room, room.find(1), Random(0)) or "")


def test_the_middle_one_of_four_alike_cannot_be_told() -> None:
    room = replace(row_of_chairs("red", "red", "red", "red"), width=6.0)
    assert refer(room, room.find(2), Random(0)) is None
    assert instruct(Remove(target=2), room, Random(0)) is None


def test_sides_are_true_in_the_picture() -> None:
    checked = 0
    for room in ROOMS:
        for placed in room:
            others = [other for other in room.of_kind(placed.kind) if other.id != placed.id]
            phrase = refer(room, placed, Random(placed.id)) if others else None
            if phrase is None or not mentions_side(phrase):
                continue
            own, rest = screen_box(room, placed).middle, [screen_box(room, other).middle for other in others]
            assert own < min(rest) if "left" in phrase else own > max(rest), phrase
            checked += 1
    assert checked > 10


def test_colours_tell_only_where_they_differ() -> None:
    room = row_of_chairs("red", "blue")
    phrases = {refer(room, room.find(1), Random(seed)) for seed in range(40)}
    assert "the red chair" in phrases
    alike = row_of_chairs("red", "red")
    assert "the red chair" not in {refer(alike, alike.find(1), Random(seed)) for seed in range(40)}


def test_words_shared_by_kinds_are_used_for_one_kind_at_a_time() -> None:
    by_noun = defaultdict(set)
    for kind, nouns in NOUNS.items():
        for noun in nouns:
            by_noun[noun].add(kind)
    shared = {noun for noun, kinds in by_noun.items() if len(kinds) > 1}
    assert {"lamp", "table"} <= shared
    for room in ROOMS:
        kinds = {placed.kind for placed in room}
        for kind in kinds:
            assert all(not (by_noun[noun] - {kind}) & kinds for noun in clear_nouns(room, kind))


def test_captions_name_what_an_edit_changes() -> None:
    for room, edit, _ in SAID["recolour"]:
        assert isinstance(edit, Recolour)
        before, after = captions(edit, room, apply(edit, room), Random(7))
        assert before != after
        assert any(colour_word(edit.colour, Random(seed)) in after for seed in range(20))
    for kind in EDIT_KINDS:
        for room, edit, _ in SAID[kind]:
            before, after = captions(edit, room, apply(edit, room), Random(7))
            assert (before == after) == (kind == "null"), (edit, before)
            assert room.type in before
            assert max(len(before.split()), len(after.split())) <= 40


def test_captions_of_surfaces_and_light_name_them() -> None:
    room = ROOMS[0]
    tiled = ChangeFloor(surface=Surface(finish="tile", colour="red"))
    assert "red" in captions(tiled, room, apply(tiled, room), Random(0))[1]
    brick = RepaintWalls(surface=Surface(finish="brick", colour="yellow"))
    assert "yellow brick walls" in captions(brick, room, apply(brick, room), Random(0))[1]
    dark = ChangeLight(light="lamp light")
    lit = captions(dark, replace(room, light="daylight"), replace(room, light="lamp light"), Random(0))[1]
    assert "lamp" in lit


def test_captions_name_a_changed_material() -> None:
    room = row_of_chairs("red")
    edit = ChangeMaterial(target=1, material="metal", colour="red")
    for seed in range(20):
        before, after = captions(edit, room, apply(edit, room), Random(seed))
        assert "red wooden chair" in before
        assert "red metal chair" in after


def test_like_objects_are_counted_in_captions() -> None:
    texts = {caption(row_of_chairs("red", "red"), Random(seed), focus=(1, 2)) for seed in range(10)}
    assert all("two red" in text and "chairs" in text for text in texts)


def test_the_same_generator_gives_the_same_words() -> None:
    for room, edit, _ in SAID["recolour"][:20]:
        assert instruct(edit, room, Random(5)) == instruct(edit, room, Random(5))
    assert list(vocabulary_corpus(60, 3)) == list(vocabulary_corpus(60, 3))
    assert list(vocabulary_corpus(20, 3)) != list(vocabulary_corpus(20, 4))


def test_the_corpus_has_a_word_for_everything() -> None:
    texts = list(vocabulary_corpus(4000, 0))
    assert len(texts) == 4000
    words = " ".join(texts).lower()
    for name in (*NOUNS, *TRAINED_COLOURS, "turquoise", "burgundy", "gray", "color", "colour", "marble"):
        assert name.lower() in words, name


@pytest.mark.parametrize(
    ("text", "flipped"),
    [
        ("remove the left chair", "remove the right chair"),
        ("the leftmost lamp, on the right-hand side", "the rightmost lamp, on the left-hand side"),
        ("Left of the bed", "Right of the bed"),
        ("bright leftovers", "bright leftovers"),
    ],
)
def test_mirroring_exchanges_the_sides(text: str, flipped: str) -> None:
    assert mirrored(text) == flipped
    assert mirrored(flipped) == text
    assert mentions_side(text) == (text != flipped)


@given(st.lists(st.sampled_from(["left", "right", "chair", "rightmost", "the", "Right"])))
def test_mirroring_twice_gives_the_text_back(words: list[str]) -> None:
    text = " ".join(words)
    assert mirrored(mirrored(text)) == text


def test_small_words() -> None:
    assert with_article("orange rug") == "an orange rug"
    assert with_article("red rug") == "a red rug"
    assert [plural(noun) for noun in ("bench", "bookshelf", "lamp")] == ["benches", "bookshelves", "lamps"]
