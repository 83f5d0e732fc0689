"""The instruct kind: what is cached, what is dropped, what is learned, and what comes out."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from retouch.conditioning.image import encode_source, to_pixels
from retouch.core.errors import DataError, SettingsError
from retouch.core.images import load_image, png_bytes
from retouch.models.architecture import ZERO_TERMINAL_SCHEDULE
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer, read_records
from retouch.training.cache import PairTable, Preparation, changed_cells, joined, pair_tables
from retouch.training.kinds.instruct import InstructKind, InstructTask
from retouch.training.kinds.vae import as_input
from retouch.training.order import batch_indices
from retouch.training.pictures import decode
from retouch.training.settings import TrainSettings
from retouch.training.trainer import train


@pytest.fixture
def fresh(make_tiny) -> Checkpoint:
    return make_tiny(seed=1)


@pytest.fixture
def table(fresh: Checkpoint, train_pairs: Path, tmp_path: Path) -> PairTable:
    return prepared(fresh, train_pairs, tmp_path)


def prepared(checkpoint: Checkpoint, folder: Path, tmp_path: Path) -> PairTable:
    (table,) = pair_tables(Preparation(vae=checkpoint.vae, cache=tmp_path / "latents"), folder, split="train")
    return table


def means(table: PairTable, rows: torch.Tensor, *, side: int = 0) -> torch.Tensor:
    return table.posteriors.of(rows, torch.full((len(rows),), side))[0]


def kind_of(checkpoint: Checkpoint, table: PairTable, **task: float) -> InstructKind:
    return InstructKind(
        checkpoint,
        [table],
        [table],
        InstructTask(**task),  # type: ignore[arg-type]
        mirrored=lambda text: text.replace("left", "right"),
    )


def test_pictures_that_recur_are_encoded_once(table: PairTable) -> None:
    assert len(table) == 24
    assert len(table.posteriors) == len({row.item() for row in torch.cat([table.source, table.target])}) < 24


def test_the_cache_holds_the_posterior_of_encoding_anew(fresh: Checkpoint, table: PairTable, train_pairs: Path) -> None:
    record = next(iter(read_records(train_pairs, columns=("mask",))))
    pixels = to_pixels([load_image(record.source_image).pixels])
    posterior = fresh.vae.encode(as_input(pixels), return_dict=False)[0]
    found, spread = table.posteriors.of(table.source[:1], torch.tensor([0]))
    torch.testing.assert_close(found, posterior.mean, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(spread, posterior.std, atol=2e-3, rtol=2e-3)
    mirrored = fresh.vae.encode(as_input(pixels.flip(-1)), return_dict=False)[0]
    torch.testing.assert_close(means(table, table.source[:1], side=1), mirrored.mean, atol=2e-3, rtol=2e-3)


def test_without_a_cache_every_step_encodes_the_same_posteriors(
    fresh: Checkpoint, table: PairTable, train_pairs: Path
) -> None:
    (live,) = pair_tables(Preparation(vae=fresh.vae, cache=None), train_pairs, split="train")
    rows, sides = torch.tensor([0, 3, 5, 3]), torch.tensor([0, 1, 1, 0])
    for kept, anew in zip(table.posteriors.of(rows, sides), live.posteriors.of(rows, sides), strict=True):
        torch.testing.assert_close(anew, kept, atol=2e-3, rtol=2e-3)


def test_pictures_of_other_aspects_are_trained_at_sizes_of_their_own(
    fresh: Checkpoint, table: PairTable, train_pairs: Path, tmp_path: Path
) -> None:
    wide = [_widened(record) for record in read_records(train_pairs)]
    with open_writer(tmp_path / "wide", engine="squares", settings={}) as writer:
        writer.write(wide, first_unit=0, units=len(wide))
    tables = joined([table, prepared(fresh, tmp_path / "wide", tmp_path), table])
    assert [(len(part), tuple(part.changed.shape[1:])) for part in tables] == [(48, (8, 8)), (24, (8, 16))]
    kind = InstructKind(fresh, tables, tables, InstructTask(), mirrored=str)
    assert kind.groups == (range(48), range(48, 72))
    for step in range(9):
        batch = batch_indices(kind.groups, batch=8, step=step, seed=0)
        assert torch.isfinite(kind.loss(batch, torch.Generator().manual_seed(step)).total)


def _widened(record: PairRecord) -> PairRecord:
    images = {name: _wide(getattr(record, name)) for name in ("source_image", "target_image", "mask", "object_mask")}
    return replace(record, **images)


def _wide(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return png_bytes(image.resize((128, 64)))


def test_a_second_preparation_reads_what_the_first_wrote(
    fresh: Checkpoint, table: PairTable, train_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh.vae, "encode", None)
    again = prepared(fresh, train_pairs, tmp_path)
    assert torch.equal(means(again, again.source), means(table, table.source))


def test_a_folder_without_the_split_is_refused(fresh: Checkpoint, train_pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no record of the split 'bench'"):
        pair_tables(Preparation(vae=fresh.vae, cache=tmp_path), train_pairs, split="bench")


def test_changed_cells_are_the_masks_share(train_pairs: Path) -> None:
    record = next(iter(read_records(train_pairs, columns=("mask",))))
    assert record.mask is not None
    cells = changed_cells(decode(record.mask)[0])
    assert cells.shape == (8, 8)
    assert int(cells[2:6, 0:4].min()) == 0 or int(cells.max()) == 255
    assert float(cells.float().mean() / 255) == pytest.approx(0.25)


def test_joined_tables_point_at_their_own_pictures(table: PairTable) -> None:
    (both,) = joined([table, table])
    assert len(both) == 48
    assert torch.equal(means(both, both.target[24:]), means(table, table.target))


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
    trained = kind_of(fresh, table)._condition(means(table, table.source[:1]))
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
    assert f"held-out error: {report.figures['held-out error']:.4g}" in (tmp_path / "run/model/README.md").read_text()


def test_pooled_training_sees_means_over_cells(fresh: Checkpoint, table: PairTable) -> None:
    kind = kind_of(fresh, table, pooled=2)
    modes = means(table, table.source[:2])
    seen = kind._condition(modes)
    assert seen.shape == (2, 4, 4, 4)
    torch.testing.assert_close(seen[0, 0, 0, 0], modes[0, 0, :2, :2].mean())
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


def test_min_snr_is_refused_where_the_answer_is_a_change(changing: Checkpoint, table: PairTable) -> None:
    with pytest.raises(SettingsError, match="is for answers of ε or v"):
        kind_of(changing, table, minimum_snr=5.0)


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
