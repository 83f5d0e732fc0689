"""Filtering pairs: what passes, that scores stay and are used again, that it resumes to the same bytes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.training.conftest import squares

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.images import png_bytes
from retouch.datagen.filter import REJECTED, filter_pairs
from retouch.datagen.judge import Criteria, Limits, criteria_of
from retouch.datagen.thresholds import PRESETS, Thresholds, chosen
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
    names = {pair_protocol(measure, encoder.protocol) for measure in MEASURES}
    for before, after in zip(read_records(pairs), read_records(tmp_path / "out"), strict=True):
        assert names == after.scores.keys()
        assert replace(after, scores={}) == before


def test_those_that_fail_lie_beside_and_other_thresholds_cost_no_pictures(
    pairs: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filter_pairs(pairs, tmp_path / "all", encoder=encoder, thresholds=ANY)
    name = pair_protocol("directional", encoder.protocol)
    values = sorted(record.scores[name] for record in read_records(tmp_path / "all"))
    monkeypatch.setattr(encoder, "pictures", None)
    strict = replace(ANY, directional=(values[5] + values[6]) / 2)
    summary = filter_pairs(tmp_path / "all", tmp_path / "half", encoder=encoder, thresholds=strict)
    assert summary.kept == len(list(read_records(tmp_path / "half")))
    assert summary.kept == sum(value > strict.directional for value in values)
    assert dict(summary.rejected) == {"directional": 12 - summary.kept}
    turned_down = list(read_records(tmp_path / "half" / REJECTED))
    assert len(turned_down) == 12 - summary.kept
    assert all(record.scores[name] < strict.directional for record in turned_down)


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


def noise(number: int, *, change: int = 200, name: str = "") -> PairRecord:
    (square,) = squares("train", 1)
    generator = np.random.default_rng(number)
    coarse = Image.fromarray(generator.integers(0, 255 - change, (8, 8, 3), dtype=np.uint8))
    source = coarse.resize((64, 64), Image.Resampling.BICUBIC)
    target = source.copy()
    target.paste(source.crop((0, 0, 32, 64)).point([min(255, value + change) for value in range(256)] * 3), (0, 0))
    pictures = {"source_image": png_bytes(source), "target_image": png_bytes(target)}
    return replace(square, id=name or f"noise-{number}", **pictures)


def test_near_duplicates_and_what_hardly_changes_are_turned_down(encoder: Encoder, tmp_path: Path) -> None:
    pairs = [noise(0), noise(1), noise(0, name="again"), noise(2, change=1), noise(1, name="late")]
    null = replace(noise(3, change=0), id="null", target_caption="a red square", source_caption="a red square")
    with open_writer(tmp_path / "pairs", engine="noise", settings={}) as writer:
        writer.write(pairs[:4], first_unit=0, units=4)
        writer.write([pairs[4], null], first_unit=4, units=2)
    limits = Limits(near_duplicates=3, minimum_change=0.01)
    summary = filter_pairs(tmp_path / "pairs", tmp_path / "out", encoder=encoder, thresholds=ANY, limits=limits)
    assert dict(summary.rejected) == {"change": 1, "near-duplicate": 2}
    assert [record.id for record in read_records(tmp_path / "out")] == ["noise-0", "noise-1", "null"]
    answers = iter([False, True])
    with pytest.raises(Cancelled):
        filter_pairs(
            tmp_path / "pairs", tmp_path / "parts", encoder=encoder, thresholds=ANY, limits=limits,
            cancelled=lambda: next(answers),
        )  # fmt: skip
    filter_pairs(tmp_path / "pairs", tmp_path / "parts", encoder=encoder, thresholds=ANY, limits=limits)
    assert bytes_of(tmp_path / "parts") == bytes_of(tmp_path / "out")
    alone = filter_pairs(
        tmp_path / "out" / REJECTED,
        tmp_path / "alone",
        encoder=encoder,
        thresholds=ANY,
        limits=Limits(near_duplicates=3),
    )
    assert alone.kept == 3, "distances are to the pairs of this run"


@pytest.mark.parametrize("limits", [{"near_duplicates": 64}, {"near_duplicates": -1}, {"minimum_change": 1.5}])
def test_limits_have_ranges(limits: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="give a"):
        Limits(**limits)


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
    criteria = Criteria(encoder="clip", thresholds=PRESETS["brooks"].thresholds)
    similarities = {"image-image": 0.8, "caption-source": 0.1, "caption-target": 0.1, "directional": 0.0}

    def reason(**changes: float) -> str | None:
        scores = {pair_protocol(measure, "clip"): value for measure, value in {**similarities, **changes}.items()}  # type: ignore[arg-type]
        return criteria.reason({"scores": scores, "source_caption": "a", "target_caption": "b"})

    assert reason() == "caption-source"
    assert reason(**{"image-image": 0.7}) == "image-image"
    assert reason(**{"caption-source": 0.3, "caption-target": 0.3}) == "directional"


def test_criteria_come_back_out_of_a_manifest() -> None:
    for limits in (Limits(), Limits(near_duplicates=4, minimum_change=0.1)):
        criteria = Criteria(encoder="clip", thresholds=PRESETS["pocket"].thresholds, limits=limits)
        assert criteria_of({"filter": criteria.settings()}) == criteria
    with pytest.raises(DataError, match="filter the pairs anew"):
        criteria_of({"filter": {"other": 1}})


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
