"""COCOEE on six small cases made up here: what is read, answered, taken up again and reported."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import Cancelled, DataError, OutputError
from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.evaluation.cocoee import CocoeeReport, cocoee_cases, evaluate_cocoee, reference_set
from retouch.metrics.clip import Encoder
from retouch.models.clip import TINY_CLIP, random_clip

SIZE = (64, 48)


def noise(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def write_benchmark(root: Path, count: int = 6) -> Path:
    numbers = [1000 + 7 * number for number in range(count)]
    for folder in ("GT_3500", "Ref_3500", "Mask_bbox_3500"):
        (root / folder).mkdir(parents=True)
    for number in numbers:
        noise(number).save(root / "GT_3500" / f"{number:012d}_GT.png")
        noise(number + 1, (30, 40)).save(root / "Ref_3500" / f"{number:012d}_ref.png")
        mask = Image.new("L", SIZE)
        mask.paste(255, (10, 8, 40, 40))
        mask.save(root / "Mask_bbox_3500" / f"{number:012d}_mask.png")
    np.save(root / "id_list.npy", np.array(numbers, dtype=np.int64))
    return root


def write_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        noise(number, (40, 60)).save(folder / f"{number:03d}.png")
    return folder


def collage(picture: Image.Image, region: Region, reference: Reference, seed: int) -> Image.Image:
    """The reference stretched over the box, which is what region CLIP likes best."""
    assert seed == 3
    box = region.mask.getbbox()
    assert box is not None
    made = picture.copy()
    made.paste(reference.picture.resize((box[2] - box[0], box[3] - box[1])), box[:2])
    return made


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer) -> Encoder:
    return Encoder(random_clip(TINY_CLIP, tiny_tokenizer))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_benchmark(tmp_path / "bench")


def test_figures_and_files(root: Path, encoder: Encoder, tmp_path: Path) -> None:
    cases = cocoee_cases(root)
    assert [case.id for case in cases] == [1000, 1007, 1014, 1021, 1028, 1035]
    assert [case.id for case in cocoee_cases(root, limit=2)] == [1000, 1007]
    real = reference_set(write_pictures(tmp_path / "real", 24))
    seen: list[tuple[int, int]] = []
    report = evaluate_cocoee(
        collage, cases, real, tmp_path / "out", model="collage", encoder=encoder, seed=3,
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(done, 30) for done in range(1, 31)]
    assert isinstance(report, CocoeeReport)
    made, photographs = report.lines
    assert (report.cases, report.references) == (6, 24)
    assert (made.pictures, photographs.pictures) == ("collage", "photographs")
    assert made.region_clip > photographs.region_clip
    assert made.clip_fid > 0
    assert 0 <= made.quality <= 100
    assert all(encoder.name in protocol for protocol in report.protocols)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["lines"][0]["clip_fid"] == made.clip_fid
    assert f"| collage | {made.clip_fid:.2f} |" in (tmp_path / "out" / "report.md").read_text()
    output = Image.open(tmp_path / "out" / "pictures" / "000000001000.png")
    assert np.array_equal(np.asarray(output)[:8], np.asarray(noise(1000))[:8])


def test_an_interrupted_run_goes_on_where_it_stopped(root: Path, encoder: Encoder, tmp_path: Path) -> None:
    cases, real = cocoee_cases(root), reference_set(write_pictures(tmp_path / "real", 20))
    asked: list[Image.Image] = []

    def answer(picture: Image.Image, region: Region, reference: Reference, seed: int) -> Image.Image:
        asked.append(picture)
        return collage(picture, region, reference, seed)

    def run(out: str, *, seed: int = 3, stop: int = 99) -> CocoeeReport:
        return evaluate_cocoee(
            answer, cases, real, tmp_path / out, model="collage", encoder=encoder, seed=seed,
            cancelled=lambda: len(asked) >= stop,
        )  # fmt: skip

    with pytest.raises(Cancelled, match="after 4 of 6 pictures; the same command goes on"):
        run("parts", stop=4)
    parts = run("parts")
    assert len(asked) == 6
    assert run("whole") == parts
    assert len(asked) == 12
    with pytest.raises(OutputError, match="another model or seed"):
        run("parts", seed=4)


def test_missing_and_damaged_files_are_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"id_list\.npy' is missing or no plain array"):
        cocoee_cases(tmp_path)
    mask = root / "Mask_bbox_3500" / "000000001007_mask.png"
    Image.new("L", (32, 48), 255).save(mask)
    with pytest.raises(DataError, match="is 32 x 48 pixels, its picture 64 x 48"):
        cocoee_cases(root)
    assert len(cocoee_cases(root, limit=1)) == 1
    Image.new("L", SIZE).save(mask)
    with pytest.raises(DataError, match=r"1007_mask\.png' is black everywhere"):
        cocoee_cases(root)
    mask.unlink()
    with pytest.raises(DataError, match=r"1007_mask\.png' is missing; get the benchmark's folder whole"):
        cocoee_cases(root)
    (root / "Ref_3500" / "000000001000_ref.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"1000_ref\.png' is damaged"):
        cocoee_cases(root)


@pytest.mark.parametrize("content", [np.zeros(3), np.zeros((2, 2), dtype=int), np.zeros(0, dtype=int)])
def test_other_lists_are_told(root: Path, content: np.ndarray) -> None:
    np.save(root / "id_list.npy", content)
    with pytest.raises(DataError, match="expected a list of whole numbers"):
        cocoee_cases(root)


def test_a_pickled_list_is_not_opened(root: Path) -> None:
    np.save(root / "id_list.npy", np.array([print, "x"], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="no plain array"):
        cocoee_cases(root)


def test_too_few_real_pictures_are_told_before_anything_is_made(root: Path, encoder: Encoder, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "real", 19)
    with pytest.raises(DataError, match="holds 19 pictures, too few for a mixture of 20"):
        reference_set(folder)
    with pytest.raises(DataError, match="too few for a mixture"):
        evaluate_cocoee(
            collage, cocoee_cases(root), sorted(folder.iterdir()), tmp_path / "out", model="c", encoder=encoder
        )
    assert not (tmp_path / "out").exists()
