"""The triples written by hand: enough, sound, each once, and about photographs as well as rooms."""

import re
from collections import Counter
from pathlib import Path

from retouch.datagen.seeds import seed_triples
from retouch.records.triple import changes_something, load_triples

ROOMS = re.compile(
    r"\b(rooms?|lounge|kitchen|bathroom|bedroom|hallway|corridor|study|office|attic|nook|loft|staircase|landing|cellar"
    r"|desk|chair|armchair|table|lamp|lampshade|wardrobe|bed|sofa|sideboard|bookshelf|library|closet|toilet|nursery"
    r"|conservatory|window|washbasin|hall|lobby|pub|shop|gallery|classroom|chest of drawers|ottoman|clock)\b"
)


def test_there_are_enough_and_each_is_sound() -> None:
    triples = list(load_triples(seed_triples()))
    assert len(triples) >= 400
    assert all(changes_something(triple) for triple in triples)
    texts = [text for triple in triples for text in vars(triple).values()]
    assert all(text == " ".join(text.split()) and 2 < len(text) < 200 for text in texts)
    assert not [text for text in texts if re.search(r"[{}|<>#%]|\bEND\b", text)]


def test_none_is_there_twice() -> None:
    triples = list(load_triples(seed_triples()))
    assert len({(triple.source_caption.lower(), triple.instruction.lower()) for triple in triples}) == len(triples)
    assert len({triple.target_caption.lower() for triple in triples}) == len(triples)


def test_they_are_balanced() -> None:
    triples = list(load_triples(seed_triples()))
    rooms = [triple for triple in triples if ROOMS.search(triple.source_caption.lower())]
    assert len(triples) / 4 <= len(triples) - len(rooms)
    assert len(triples) / 4 <= len(rooms)
    verbs = Counter(triple.instruction.lower().split()[0] for triple in triples)
    assert len(verbs) >= 60
    assert verbs.most_common(1)[0][1] <= len(triples) / 5


def test_the_recipe_of_a_large_writer_learns_from_them(tmp_path: Path) -> None:
    from retouch.training.kinds.writer import WriterRecipe
    from retouch.training.run import recipe_members

    made = recipe_members(Path(__file__).parents[2] / "recipes" / "writer.py")["gemma"](tmp_path, tmp_path)
    assert isinstance(made, WriterRecipe)
    settings = made.settings
    assert (made.base, list(made.data), made.task.length, made.task.lora) == (
        "google/gemma-2b",
        [seed_triples()],
        512,
        None,
    )
    assert (settings.batch_size, settings.accumulate, settings.seed, settings.precision) == (8, 2, 42, "bfloat16")
    count = sum(1 for _ in load_triples(seed_triples()))
    assert settings.steps == 3 * count * 19 // 20 // 8


def test_a_writer_begins_with_them(tmp_path: Path) -> None:
    """The recipe on a model of a few weights in place of the large one: all triples fit, and some are held out."""
    from dataclasses import replace

    import torch

    from retouch.models.fresh_writer import WriterShape
    from retouch.training.kinds.writer import WriterRecipe
    from retouch.training.run import recipe_members

    made = recipe_members(Path(__file__).parents[2] / "recipes" / "writer.py")["gemma"](tmp_path, tmp_path)
    assert isinstance(made, WriterRecipe)
    shape = WriterShape(vocabulary=300, width=16, inner=16, layers=2, heads=1)
    kind = replace(made, base=None, shape=shape).build(torch.device("cpu"))
    assert len(kind.groups[0]) >= 400
    loss = kind.loss(range(8), torch.Generator()).total
    loss.backward()
    assert torch.isfinite(loss)
