"""The instruct kind: what is cached, what is dropped, what is learned, and what comes out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from retouch.conditioning.image import encode_source, to_pixels
from retouch.core.errors import DataError
from retouch.core.images import load_image
from retouch.models.architecture import ZERO_TERMINAL_SCHEDULE
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.records.shards import read_records
from retouch.training.cache import PairTable, changed_cells, joined, pair_table
from retouch.training.kinds.instruct import InstructKind, InstructTask
from retouch.training.kinds.vae import as_input
from retouch.training.preview import sample_edits
from retouch.training.settings import TrainSettings
from retouch.training.trainer import train


@pytest.fixture
def fresh(make_tiny) -> Checkpoint:
    return make_tiny(seed=1)


@pytest.fixture
def table(fresh: Checkpoint, train_pairs: Path, tmp_path: Path) -> PairTable:
    return pair_table(fresh.vae, train_pairs, split="train", cache=tmp_path / "latents")


def kind_of(checkpoint: Checkpoint, table: PairTable, **task: float) -> InstructKind:
    return InstructKind(
        checkpoint,
        table,
        table,
        InstructTask(**task),  # type: ignore[arg-type]
        mirrored=lambda text: text.replace("left", "right"),
        sampler=sample_edits,
    )


def test_pictures_that_recur_are_encoded_once(table: PairTable) -> None:
    assert len(table) == 24
    assert len(table.mean) == len({row.item() for row in torch.cat([table.source, table.target])}) < 24


def test_the_cache_holds_the_posterior_of_encoding_anew(fresh: Checkpoint, table: PairTable, train_pairs: Path) -> None:
    record = next(iter(read_records(train_pairs, columns=("mask",))))
    pixels = to_pixels([load_image(record.source_image).pixels])
    posterior = fresh.vae.encode(as_input(pixels), return_dict=False)[0]
    torch.testing.assert_close(table.mean[table.source[0], 0].float(), posterior.mean[0], atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(table.spread[table.source[0], 0].float(), posterior.std[0], atol=2e-3, rtol=2e-3)
    mirrored = fresh.vae.encode(as_input(pixels.flip(-1)), return_dict=False)[0]
    torch.testing.assert_close(table.mean[table.source[0], 1].float(), mirrored.mean[0], atol=2e-3, rtol=2e-3)


def test_a_second_preparation_reads_what_the_first_wrote(
    fresh: Checkpoint, table: PairTable, train_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh.vae, "encode", None)
    again = pair_table(fresh.vae, train_pairs, split="train", cache=tmp_path / "latents")
    assert torch.equal(again.mean, table.mean)


def test_a_folder_without_the_split_is_refused(fresh: Checkpoint, train_pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no record of the split 'bench'"):
        pair_table(fresh.vae, train_pairs, split="bench", cache=tmp_path)


def test_changed_cells_are_the_masks_share(train_pairs: Path) -> None:
    record = next(iter(read_records(train_pairs, columns=("mask",))))
    cells = changed_cells(record)
    assert cells.shape == (8, 8)
    assert int(cells[2:6, 0:4].min()) == 0 or int(cells.max()) == 255
    assert float(cells.float().mean() / 255) == pytest.approx(0.25)


def test_joined_tables_point_at_their_own_pictures(table: PairTable) -> None:
    both = joined([table, table])
    assert len(both) == 48
    assert torch.equal(both.mean[both.target[24:]], table.mean[table.target])


def test_conditions_are_dropped_in_three_equal_shares(fresh: Checkpoint, table: PairTable) -> None:
    kind = kind_of(fresh, table)
    source, ids = torch.ones(20_000, 4, 1, 1), torch.ones(20_000, 16, dtype=torch.long)
    kept, tokens = kind._dropped(source, ids, torch.Generator().manual_seed(0), 0.05)
    no_image, no_text = kept[:, 0, 0, 0] == 0, (tokens == kind._null_ids).all(1)
    assert float((no_text & ~no_image).float().mean()) == pytest.approx(0.05, abs=0.006)
    assert float((no_text & no_image).float().mean()) == pytest.approx(0.05, abs=0.006)
    assert float((no_image & ~no_text).float().mean()) == pytest.approx(0.05, abs=0.006)


def test_the_condition_is_what_the_editor_will_feed(fresh: Checkpoint, table: PairTable, train_pairs: Path) -> None:
    record = next(iter(read_records(train_pairs)))
    fed = encode_source(fresh, to_pixels([load_image(record.source_image).pixels]))
    trained = kind_of(fresh, table)._condition(table.mean[table.source[:1], 0])
    torch.testing.assert_close(trained, fed, atol=2e-3, rtol=2e-3)


def test_loss_and_gradients_reach_the_text_encoder(fresh: Checkpoint, table: PairTable) -> None:
    kind = kind_of(fresh, table)
    loss = kind.loss([0, 1, 2, 3], torch.Generator().manual_seed(0))
    loss.total.backward()
    gradients = [parameter.grad for parameter in fresh.text_encoder.parameters() if parameter.requires_grad]
    assert any(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients)


def test_it_learns_validates_and_exports_a_loadable_editor(fresh: Checkpoint, table: PairTable, tmp_path: Path) -> None:
    settings = TrainSettings(
        steps=60, batch_size=8, learning_rate=3e-3, warmup=5, precision="float32", save_every=60, validate_every=60
    )
    kind = kind_of(fresh, table)
    before = kind.validate(torch.Generator().manual_seed(0)).figures["held-out error"]
    report = train(kind, settings, tmp_path / "run")
    assert report.figures["held-out error"] < 0.9 * before
    loaded = load(tmp_path / "run" / "model")
    assert loaded.kind == "instruct"
    assert loaded.spec == fresh.spec


def test_pooled_training_sees_means_over_cells(fresh: Checkpoint, table: PairTable) -> None:
    kind = kind_of(fresh, table, pooled=2)
    modes = table.mean[table.source[:2], 0]
    seen = kind._condition(modes)
    assert seen.shape == (2, 4, 4, 4)
    torch.testing.assert_close(seen[0, 0, 0, 0], modes[0, 0, :2, :2].float().mean())
    loss = kind.loss([0, 1], torch.Generator().manual_seed(0))
    assert torch.isfinite(loss.total)


@pytest.fixture
def changing(make_tiny) -> Checkpoint:
    checkpoint = make_tiny(seed=1, condition_scaled=True, denoises="change")
    return replace(checkpoint, scheduler_config={"_class_name": "DDIMScheduler", **ZERO_TERMINAL_SCHEDULE})


def test_a_kind_that_learns_changes_begins_without_error_where_target_is_source(
    changing: Checkpoint, table: PairTable
) -> None:
    kind = kind_of(changing, replace(table, target=table.source), dropout=0.0)
    assert float(kind.loss(range(8), torch.Generator().manual_seed(0)).total.detach()) == 0


def test_balance_lets_small_changes_count_as_much_as_large_ones(changing: Checkpoint, table: PairTable) -> None:
    kind = kind_of(changing, table, balance=0.001)
    small, large = torch.full((1, 4, 8, 8), 0.5), torch.full((1, 4, 8, 8), 2.0)
    weights = kind._weights(torch.zeros(2, dtype=torch.long), torch.cat([small, large]))
    assert float(weights[0] * 0.25) == pytest.approx(float(weights[1] * 4), rel=0.01)


def test_regions_are_learned_beside_and_are_no_part_of_the_editor(
    changing: Checkpoint, table: PairTable, tmp_path: Path
) -> None:
    kind = kind_of(changing, table, regions=1.0, dropout=0.0)
    settings = TrainSettings(steps=40, batch_size=8, learning_rate=3e-3, warmup=5, precision="float32", save_every=40)
    before = kind.loss(range(24), torch.Generator().manual_seed(0)).parts["regions"]
    train(kind, settings, tmp_path / "run")
    assert kind.loss(range(24), torch.Generator().manual_seed(0)).parts["regions"] < 0.9 * before
    names = load(tmp_path / "run" / "model").unet.state_dict().keys()
    assert names == changing.unet.state_dict().keys()
