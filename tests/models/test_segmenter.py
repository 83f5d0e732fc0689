"""The segmenter's network: saved and loaded the same, its shortcut exact, wrong folders refused with a sentence."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from retouch.core.errors import ModelError, OutputError
from retouch.models.segmenter import SegmenterModel, load_segmenter, random_segmenter, save_segmenter
from retouch.models.segmenter_network import TINY_SEGMENTER, _spread
from retouch.models.single import load_single, single_kind
from retouch.models.verify import verify


@pytest.fixture(scope="module")
def model(tiny_tokenizer) -> SegmenterModel:
    return random_segmenter(TINY_SEGMENTER, tiny_tokenizer, seed=1)


@pytest.fixture(scope="module")
def folder(model: SegmenterModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_segmenter(model, tmp_path_factory.mktemp("segmenter") / "tiny", storage="float32", card="# A card\n")


def answers(model: SegmenterModel, pictures: torch.Tensor) -> list[torch.Tensor]:
    seen = model.network.look(pictures)
    ids = model.tokens(["the left chair", "a lamp"])[None].expand(len(pictures), -1, -1)
    told = model.network.find(seen, ids)
    pointed = model.network.find_at(seen, torch.full((len(pictures), 1, 2), 0.4))
    return [told.masks, told.presence, pointed.masks]


@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_masks_are_a_quarter_of_pictures_of_any_size(model: SegmenterModel, size: tuple[int, int]) -> None:
    masks, presence, pointed = answers(model, torch.randn(2, 3, *size))
    assert masks.shape == (2, 2, size[0] // 4, size[1] // 4)
    assert presence.shape == (2, 2)
    assert pointed.shape[1] == 1


def test_a_saved_segmenter_answers_the_same(model: SegmenterModel, folder: Path) -> None:
    pictures = torch.randn(1, 3, 64, 64)
    for one, other in zip(answers(model, pictures), answers(load_segmenter(folder), pictures), strict=True):
        torch.testing.assert_close(one, other)
    assert single_kind(folder) == "segmenter"
    assert type(load_single("segmenter", folder)) is type(model.network)
    assert verify(folder).sound


def test_a_phrase_is_answered_alike_whatever_stands_beside_it(model: SegmenterModel) -> None:
    seen = model.network.look(torch.randn(1, 3, 64, 64))
    alone = model.network.find(seen, model.tokens(["a lamp"])[None])
    beside = model.network.find(seen, model.tokens(["a lamp", "the chair next to the old dining table"])[None])
    torch.testing.assert_close(alone.masks[:, 0], beside.masks[:, 0], atol=1e-5, rtol=1e-4)


def test_kernels_are_interpolated_between_cells() -> None:
    kernels, fine = torch.randn(2, 3, 12, 5), torch.randn(2, 5, 12, 16)
    maps = kernels.transpose(2, 3).flatten(0, 1).unflatten(2, (3, 4))
    whole = functional.interpolate(maps, size=(12, 16), mode="bilinear", align_corners=False).unflatten(0, (2, 3))
    torch.testing.assert_close(_spread(kernels, fine, (3, 4)), (whole * fine[:, None]).sum(dim=2), atol=1e-5, rtol=1e-4)


def test_other_models_and_folders_are_refused(model: SegmenterModel, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="readable config"):
        load_segmenter(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(ModelError, match="expected 'retouch_segmenter'"):
        load_segmenter(tmp_path)
    with pytest.raises(OutputError, match="other things"):
        save_segmenter(model, tmp_path)
