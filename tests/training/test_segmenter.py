"""The segmenter's training: lessons mean what they say, and squares are found by word and by point."""

from pathlib import Path

import pytest
import torch

from retouch.core.errors import DataError
from retouch.models.segmenter import load_segmenter, random_segmenter, save_segmenter
from retouch.models.segmenter_network import TINY_SEGMENTER
from retouch.records.phrases import Phrase, Phrased, phrases_place, save_phrases
from retouch.records.shards import read_records
from retouch.training.choices import Choices, Material
from retouch.training.kinds.segmenter import SegmenterKind, SegmenterRecipe, SegmenterTask
from retouch.training.phrased import lesson, meant, phrased_pictures, shown
from retouch.training.pictures import Sizes
from retouch.training.run import run_recipe
from retouch.training.settings import TrainSettings
from retouch.training.usual import usual_recipe

SIZES = Sizes(native=64, multiple=32)


def phrases_of(folder: Path, split, out: Path) -> Path:
    lines = []
    for record in read_records(folder, split=split):
        colour = record.source_caption.split()[1]
        absent = "the blue square" if colour != "blue" else "the red square"
        told = (
            Phrase(text=f"the {colour} square", kind="attribute", things=(1,)),
            Phrase(text="the left square", kind="relational", things=(1,)),
            Phrase(text=absent, kind="absent"),
        )
        lines.append(Phrased(record=record.id, phrases=told))
    save_phrases(out, lines)
    return out


@pytest.fixture
def recipe(train_pairs: Path, validation_pairs: Path, tmp_path: Path) -> SegmenterRecipe:
    return SegmenterRecipe(
        data={train_pairs: phrases_of(train_pairs, "train", tmp_path / "train.jsonl")},
        held_out={validation_pairs: phrases_of(validation_pairs, "validation", tmp_path / "validation.jsonl")},
        texts=lambda: ["the left red green blue white square"],
        vocabulary=280,
        shape=TINY_SEGMENTER,
        task=SegmenterTask(phrases=3, points=1, zoom=0.3),
        settings=TrainSettings(
            steps=60, batch_size=8, learning_rate=5e-3, warmup=5, precision="float32", ema_decay=0.9, save_every=60,
            validate_every=60,
        ),
    )  # fmt: skip


def test_a_flipped_lesson_has_other_words_and_a_flipped_mask(recipe: SegmenterRecipe) -> None:
    one = phrased_pictures(recipe.data, split="train", sizes=SIZES)[1]
    pixels, numbers = shown(one)
    generator = torch.Generator().manual_seed(0)
    drawn = lesson(one, phrases=3, points=2, flip=1.0, zoom=0.0, generator=generator)
    assert "the right square" in drawn.texts
    assert drawn.pixels.shape == pixels.shape
    for text, wanted in zip(drawn.texts, drawn.wanted, strict=True):
        (phrase,) = [phrase for phrase in one.phrases if phrase.text == text.replace("right", "left")]
        torch.testing.assert_close(wanted, meant(phrase, numbers).flip(-1))
    for point, area in zip(drawn.points, drawn.pointed, strict=True):
        across, down = (point * 64).int().tolist()
        assert area[down, across]


def test_it_learns_where_squares_are(recipe: SegmenterRecipe, tmp_path: Path) -> None:
    report = run_recipe(recipe, tmp_path / "run", device="cpu")
    assert report.figures["IoU, relational"] > 0.5
    assert report.figures["IoU, point"] > 0.5
    model = load_segmenter(tmp_path / "run" / "model")
    assert 0 < model.threshold < 1
    assert "IoU, point" in (tmp_path / "run" / "model" / "README.md").read_text()


def test_pictures_of_a_size_share_batches(recipe: SegmenterRecipe) -> None:
    kind = recipe.build(torch.device("cpu"))
    assert isinstance(kind, SegmenterKind)
    assert [len(group) for group in kind.groups] == [24]


def test_folders_without_phrases_are_refused(train_pairs: Path, tmp_path: Path) -> None:
    save_phrases(tmp_path / "none.jsonl", [])
    with pytest.raises(DataError, match="has phrases"):
        phrased_pictures({train_pairs: tmp_path / "none.jsonl"}, split="train", sizes=SIZES)


def test_the_kind_by_name_goes_on_from_a_segmenter(
    recipe: SegmenterRecipe, train_pairs: Path, tiny_tokenizer, tmp_path: Path
) -> None:
    base = save_segmenter(random_segmenter(TINY_SEGMENTER, tiny_tokenizer), tmp_path / "base")
    phrases_of(train_pairs, "train", phrases_place(train_pairs))
    choices = Choices(steps=2, batch_size=4, precision="float32")
    usual = usual_recipe("segmenter", Material(data=[train_pairs], base=str(base), out=tmp_path), choices)
    assert run_recipe(usual, tmp_path / "run", device="cpu").steps == 2
    assert load_segmenter(tmp_path / "run" / "model").network.shape == TINY_SEGMENTER
