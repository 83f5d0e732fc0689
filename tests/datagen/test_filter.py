"""Filtering pairs: what passes, that scores stay and are used again, that it resumes to the same bytes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.conftest import squares

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.datagen.filter import REJECTED, filter_pairs
from retouch.datagen.thresholds import PRESETS, Thresholds, chosen, failed
from retouch.metrics.clip import Encoder
from retouch.metrics.pairs import MEASURES, pair_protocol
from retouch.models.clip import TINY_CLIP, random_clip
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer, read_records

ANY = Thresholds(image_image=-1, caption_image=-1, directional=-1)


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer) -> Encoder:
    return Encoder(random_clip(TINY_CLIP, tiny_tokenizer))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    records = squares("train", 12)
    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        for first in range(0, 12, 4):
            writer.write(records[first : first + 4], first_unit=first, units=4)
    return tmp_path / "pairs"


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_all_pass_with_their_scores(pairs: Path, encoder: Encoder, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    summary = filter_pairs(
        pairs,
        tmp_path / "out",
        encoder=encoder,
        thresholds=ANY,
        on_progress=tell,
    )
    assert (summary.kept, summary.pairs, dict(summary.rejected)) == (12, 12, {})
    assert told == [(4, 12), (8, 12), (12, 12)]
    assert summary.by_kind == {"recolour": (12, 0)}
    names = {pair_protocol(measure, encoder) for measure in MEASURES}
    for before, after in zip(read_records(pairs), read_records(tmp_path / "out"), strict=True):
        assert names == after.scores.keys()
        assert replace(after, scores={}) == before


def test_those_that_fail_lie_beside_and_other_thresholds_cost_no_pictures(
    pairs: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filter_pairs(pairs, tmp_path / "all", encoder=encoder, thresholds=ANY)
    values = sorted(record.scores[pair_protocol("directional", encoder)] for record in read_records(tmp_path / "all"))
    monkeypatch.setattr(encoder, "pictures", None)
    strict = replace(ANY, directional=(values[5] + values[6]) / 2)
    summary = filter_pairs(tmp_path / "all", tmp_path / "half", encoder=encoder, thresholds=strict)
    assert summary.kept == len(list(read_records(tmp_path / "half")))
    assert summary.kept == sum(value > strict.directional for value in values)
    assert dict(summary.rejected) == {"directional": 12 - summary.kept}
    turned_down = list(read_records(tmp_path / "half" / REJECTED))
    assert len(turned_down) == 12 - summary.kept
    assert all(record.scores[pair_protocol("directional", encoder)] < strict.directional for record in turned_down)


def test_an_interrupted_run_goes_on_to_the_same_bytes(pairs: Path, encoder: Encoder, tmp_path: Path) -> None:
    strict = replace(ANY, directional=0.1)
    filter_pairs(pairs, tmp_path / "whole", encoder=encoder, thresholds=strict)
    answers: Iterator[bool] = iter([False, False, True])
    with pytest.raises(Cancelled, match="run the same command again"):
        filter_pairs(pairs, tmp_path / "parts", encoder=encoder, thresholds=strict, cancelled=lambda: next(answers))
    filter_pairs(pairs, tmp_path / "parts", encoder=encoder, thresholds=strict)
    assert bytes_of(tmp_path / "parts") == bytes_of(tmp_path / "whole")


def test_a_folder_is_not_filtered_into_itself_nor_with_two_thresholds(
    pairs: Path, encoder: Encoder, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="choose another folder"):
        filter_pairs(pairs, pairs, encoder=encoder, thresholds=ANY)
    with pytest.raises(DataError, match="holds no records"):
        filter_pairs(tmp_path, tmp_path / "out", encoder=encoder, thresholds=ANY)
    filter_pairs(pairs, tmp_path / "out", encoder=encoder, thresholds=ANY)
    with pytest.raises(DataError, match="made with other settings"):
        filter_pairs(pairs, tmp_path / "out", encoder=encoder, thresholds=replace(ANY, directional=0.2))


def test_null_edits_are_not_asked_for_a_direction(encoder: Encoder, tmp_path: Path) -> None:
    (square,) = squares("train", 1)
    null: PairRecord = replace(
        square, target_image=square.source_image, target_caption=square.source_caption, params={"kind": "null"}
    )
    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        writer.write([null], first_unit=0, units=1)
    strict = replace(ANY, image_image=0.99, directional=0.9)
    assert filter_pairs(tmp_path / "pairs", tmp_path / "out", encoder=encoder, thresholds=strict).kept == 1


def test_the_first_measure_that_fails_is_the_reason() -> None:
    similarities = {"image-image": 0.8, "caption-source": 0.1, "caption-target": 0.1, "directional": 0.0}
    assert failed(similarities, PRESETS["brooks"].thresholds, edited=True) == "caption-source"  # type: ignore[arg-type]
    assert failed({**similarities, "image-image": 0.7}, PRESETS["brooks"].thresholds, edited=True) == "image-image"  # type: ignore[arg-type]


def test_a_preset_belongs_to_its_encoder() -> None:
    thresholds, encoder = chosen("brooks", directional=0.1)
    assert (thresholds.image_image, thresholds.directional, encoder) == (0.75, 0.1, "openai/clip-vit-large-patch14")
    with pytest.raises(SettingsError, match="was chosen for openai/clip-vit-large-patch14"):
        chosen("brooks", encoder="pocket/clip", directional=0.1)
    given = chosen("brooks", encoder="pocket/clip", directional=0.1, image_image=0.2, caption_image=0.3)
    assert given == (Thresholds(image_image=0.2, caption_image=0.3, directional=0.1), "pocket/clip")
    with pytest.raises(SettingsError, match="unknown; choose brooks"):
        chosen("mine")
    with pytest.raises(SettingsError, match="a cosine lies between"):
        chosen("pocket", directional=3)
