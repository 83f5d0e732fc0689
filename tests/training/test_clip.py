"""The dual encoder's kind: which captions fit, what the loss is, that it learns, resumes and comes out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.core.images import load_image
from retouch.metrics.clip import Encoder
from retouch.models.clip import TINY_CLIP, load_clip, random_clip, save_clip
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer, read_records
from retouch.scenes.language import mirrored
from retouch.training.captioned import captioned_pairs, held_back
from retouch.training.choices import Choices, Material
from retouch.training.kinds.clip import (
    ClipKind,
    ClipRecipe,
    ClipTask,
    contrastive_loss,
    partners,
    shifted,
    shifts,
    usual,
    word_labels,
)
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import train

SETTINGS = TrainSettings(
    steps=40, batch_size=8, learning_rate=3e-3, warmup=5, precision="float32", save_every=20, validate_every=40
)
TASK = ClipTask(shift=2, words=0.3, labels=20, segments=0.3)


def recipe(train_pairs: Path, validation_pairs: Path) -> ClipRecipe:
    return ClipRecipe(
        data=[train_pairs],
        held_out={"squares": validation_pairs},
        settings=SETTINGS,
        vocabulary=270,
        shape=TINY_CLIP,
        task=TASK,
    )


def kind_of(made: ClipRecipe) -> ClipKind:
    kind = made.build(torch.device("cpu"))
    assert isinstance(kind, ClipKind)
    return kind


def test_equal_captions_and_equal_pictures_fit() -> None:
    rows = torch.tensor([0, 1, 0, 2])
    ids = torch.tensor([[1, 2], [3, 4], [5, 6], [3, 4]])
    fits = partners(rows, ids)
    assert fits.nonzero().tolist() == [[0, 0], [0, 2], [1, 1], [1, 3], [2, 0], [2, 2], [3, 1], [3, 3]]


def test_with_one_partner_each_the_loss_is_that_of_clip() -> None:
    similarities = torch.randn(5, 5, generator=torch.Generator().manual_seed(0)) * 3
    target = torch.arange(5)
    expected = (functional.cross_entropy(similarities, target) + functional.cross_entropy(similarities.T, target)) / 2
    torch.testing.assert_close(contrastive_loss(similarities, torch.eye(5) > 0), expected)


def test_a_picture_with_two_fitting_captions_may_like_both() -> None:
    fits = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    both = torch.where(fits, 20.0, 0.0)
    one = torch.eye(3) * 20.0
    assert float(contrastive_loss(both, fits)) == pytest.approx(float(torch.tensor(2.0).log()) * 2 / 3, abs=1e-4)
    assert float(contrastive_loss(one, fits)) > float(contrastive_loss(both, fits))


def test_words_and_their_neighbours_are_labels_and_the_rare_weigh_more() -> None:
    captions = ["a room with a grey marble vase and a sofa", "a room with a sofa", "a room"]
    present, rarity = word_labels(captions, 100)
    assert present.sum(dim=1).tolist() == [8, 2, 1]
    assert rarity.min() == 0.0
    assert rarity.max() == pytest.approx(float(torch.tensor(3.0).log()))
    few, _ = word_labels(captions, 2)
    assert few.tolist() == [[True, True], [True, True], [True, False]]


def test_shifts_keep_size_and_are_as_far_as_allowed() -> None:
    picture = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    picture[..., 8, 8] = 255
    places = set()
    for seed in range(60):
        moved = shifted(picture, shifts(1, 2, torch.Generator().manual_seed(seed)), 2)
        assert moved.shape == picture.shape
        places.add(tuple(moved[0, 0].nonzero()[0].tolist()))
    assert {place for pair in places for place in pair} == {6, 7, 8, 9, 10}
    assert shifted(picture, torch.zeros(1, 2, dtype=torch.long), 0) is picture


def test_both_sides_of_every_pair_are_read_and_pictures_that_recur_kept_once(train_pairs: Path) -> None:
    pairs = captioned_pairs([train_pairs], split="train", keep=len)
    records = list(read_records(train_pairs))
    assert len(pairs) == 24
    assert len(pairs.pictures) == len(
        {data for record in records for data in (record.source_image, record.target_image)}
    )
    for record, sides, captions in zip(records, pairs.sides.tolist(), pairs.captions, strict=True):
        assert captions == (record.source_caption, record.target_caption)
        assert pairs.pictures[sides[0]] == len(record.source_image)
    assert len(captioned_pairs([train_pairs], split="train", keep=len, limit=5)) == 5


def test_pictures_held_back_are_not_trained_on(train_pairs: Path) -> None:
    train_side, held = held_back(captioned_pairs([train_pairs], split="train", keep=len), every=4)
    assert len(train_side) > 0
    assert not set(train_side.sides.flatten().tolist()) & set(held.sides.flatten().tolist())
    with pytest.raises(DataError, match="too few to hold some out"):
        held_back(captioned_pairs([train_pairs], split="train", keep=len), every=500)


def test_records_without_captions_are_refused_in_a_sentence(train_pairs: Path, tmp_path: Path) -> None:
    silent: list[PairRecord] = [replace(record, source_caption="") for record in read_records(train_pairs)]
    with open_writer(tmp_path / "silent", engine="squares", settings={}) as writer:
        writer.write(silent, first_unit=0, units=len(silent))
    with pytest.raises(DataError, match="No pair of the split 'train' with both captions lies in"):
        ClipRecipe(data=[tmp_path / "silent"], settings=SETTINGS, shape=TINY_CLIP).build(torch.device("cpu"))


def test_it_learns_validates_and_exports_an_encoder_that_computes_the_same(
    train_pairs: Path, validation_pairs: Path, tmp_path: Path
) -> None:
    kind = kind_of(recipe(train_pairs, validation_pairs))
    before = float(kind.loss(range(8), torch.Generator().manual_seed(0)).total.detach())
    report = train(kind, SETTINGS, tmp_path)
    after = float(kind.loss(range(8), torch.Generator().manual_seed(0)).total.detach())
    assert after < 0.8 * before
    assert report.figures["sides told apart, squares"] > 0.5
    loaded = load_clip(tmp_path / "model")
    picture = load_image(next(iter(read_records(train_pairs))).source_image).pixels
    seen, read = Encoder(loaded).pictures([picture]), Encoder(loaded).texts(["a red square"])
    kind.encoder.model.load_state_dict(loaded.model.state_dict())
    torch.testing.assert_close(seen, Encoder(kind.encoder).pictures([picture]))
    torch.testing.assert_close(read, Encoder(kind.encoder).texts(["a red square"]))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "both sides of 24 pairs" in card
    assert "caption found, squares" in card


def test_it_resumes_to_the_bit(train_pairs: Path, validation_pairs: Path, tmp_path: Path) -> None:
    made = recipe(train_pairs, validation_pairs)
    settings = replace(SETTINGS, steps=6, save_every=3, validate_every=6)
    train(kind_of(made), settings, tmp_path / "whole")
    stops = iter([False] * 3 + [True])
    assert train(kind_of(made), settings, tmp_path / "parts", cancelled=lambda: next(stops)).interrupted
    train(kind_of(made), settings, tmp_path / "parts")
    whole, parts = (latest_state(tmp_path / name) for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert (whole / "state.safetensors").read_bytes() == (parts / "state.safetensors").read_bytes()


def test_a_base_is_trained_on_with_its_own_words(tiny_tokenizer, train_pairs: Path, tmp_path: Path) -> None:
    base = save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "base")
    made = usual(Material(data=[train_pairs], base=str(base), out=tmp_path), Choices(steps=2, precision="float32"))
    assert made.settings.steps == 2
    kind = kind_of(replace(made, validation_every=4))
    assert len(kind.encoder.tokenizer) == len(tiny_tokenizer)
    assert set(kind.modules) == {"clip"}


def test_mirrored_pairs_have_mirrored_words(tiny_tokenizer, train_pairs: Path) -> None:
    encoder = random_clip(TINY_CLIP, tiny_tokenizer)
    pairs = captioned_pairs(
        [train_pairs], split="train", keep=lambda data: encoder.framing.framed(load_image(data).pixels)
    )
    pairs = replace(pairs, captions=tuple(("a left lamp", "a left sofa") for _ in pairs.captions))
    kind = ClipKind(encoder, pairs, {}, ClipTask(flip=1.0), mirrored=mirrored)
    assert torch.equal(kind._mirrored_ids[0, 0], encoder.tokens(["a right lamp"])[0])
    assert isinstance(kind._pictures, Tensor)
