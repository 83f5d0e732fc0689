import hashlib
import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import DataError, SettingsError
from retouch.core.images import png_bytes
from retouch.datagen.photos import language
from retouch.datagen.photos.colour import colour_name, lab_of, to_lab
from retouch.datagen.photos.engine import photo_engine, photo_engine_factory
from retouch.datagen.photos.library import scan_photos, split_of
from retouch.datagen.photos.look_words import LOOK_WORDS
from retouch.datagen.photos.looks import LOOKS, apply_look
from retouch.datagen.photos.masks import find_object
from retouch.datagen.photos.patterns import PATTERNS, draw_pattern
from retouch.datagen.photos.recolour import dye, mean_lab, soften, study
from retouch.datagen.run import make_pairs
from retouch.records.pair import SPLITS, PairRecord, Split
from retouch.records.shards import read_records
from retouch.scenes.palette import COLOURS, RESERVED_COLOURS, TRAINED_COLOURS

OUTLINE = [(0.30, 0.20), (0.70, 0.20), (0.88, 0.38), (0.76, 0.46), (0.72, 0.40), (0.72, 0.84), (0.28, 0.84)]
OUTLINE += [(0.28, 0.40), (0.24, 0.46), (0.12, 0.38)]


def shirt_mask(width: int, height: int) -> np.ndarray:
    corners = np.array([(x * width, y * height) for x, y in OUTLINE], np.int32)
    return cv2.fillPoly(np.zeros((height, width), np.uint8), [corners], 1).astype(bool)


def shirt_photo(colour=(60, 90, 170), *, width=256, height=300, seed=0, printed=False) -> np.ndarray:
    """A shirt with folds on a carpet, as (H, W, 3) uint8."""
    generator = np.random.default_rng(seed)
    across = np.arange(width)[None, :, None]
    folds = 1 + 0.18 * np.sin(across / 9.0 + seed)
    shirt = np.clip(np.array(colour, float) * folds, 0, 255) * np.ones((height, 1, 1))
    if printed:
        shirt[height // 2 - 20 : height // 2 + 20, width // 2 - 25 : width // 2 + 25] = (250, 250, 245)
    carpet = np.array((196, 178, 150)) + generator.normal(0, 7, (height, width, 1))
    picture = np.where(shirt_mask(width, height)[:, :, None], shirt, carpet)
    noisy = cv2.GaussianBlur(picture, (0, 0), 0.6) + generator.normal(0, 2, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Six shirts and the pictures that scikit-image brings along."""
    data = pytest.importorskip("skimage.data")
    root = tmp_path_factory.mktemp("pictures")
    (root / "shirt").mkdir()
    (root / "various").mkdir()
    for index, name in enumerate(("blue", "red", "green", "yellow", "black", "white")):
        photo = Image.fromarray(shirt_photo(COLOURS[name], seed=index, height=256 + 20 * index))
        photo.save(root / "shirt" / f"{name}.jpg", quality=92)
    for name in ("astronaut", "chelsea", "coffee"):
        Image.fromarray(getattr(data, name)()).save(root / "various" / f"{name}.webp", quality=90)
    return root


def test_the_object_is_found_and_trusted_only_where_there_is_one():
    picture = shirt_photo()
    found = find_object(picture)
    truth = shirt_mask(256, 300)
    assert found.trusted, found.faults()
    assert (found.mask & truth).sum() / (found.mask | truth).sum() > 0.96
    assert np.array_equal(found.mask, find_object(picture).mask)
    noise = np.random.default_rng(0).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    for hopeless in (noise, np.full((200, 200, 3), 120, np.uint8), shirt_photo((196, 178, 150))):
        assert not find_object(hopeless).trusted


def test_an_object_cut_off_or_out_of_focus_is_not_trusted():
    picture = shirt_photo()
    assert not find_object(picture[:, 60:200]).trusted
    assert "sharpness" in find_object(cv2.GaussianBlur(picture, (0, 0), 5)).faults()


@pytest.mark.parametrize("name", TRAINED_COLOURS)
def test_a_dye_lands_on_its_colour_and_nowhere_else(name):
    picture, mask = shirt_photo((120, 120, 122)), shirt_mask(256, 300)
    target = dye(study(picture, mask), lab_of(name))
    assert np.linalg.norm(mean_lab(target, mask) - lab_of(name)) < 21
    untouched = soften(mask) < 0.003
    assert np.abs(target[untouched].astype(int) - picture[untouched]).max() <= 1


def test_folds_and_prints_survive_the_dye():
    picture, mask = shirt_photo(printed=True), shirt_mask(256, 300)
    garment = study(picture, mask)
    target = dye(garment, lab_of("red"))
    printed = np.zeros_like(mask)
    printed[140:160, 115:140] = True
    assert np.abs(target[printed].astype(int) - picture[printed]).max() <= 1
    cloth = cv2.erode((mask & (garment.dyeable > 0.99)).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    before, after = (to_lab(image.astype(np.float32) / 255)[cloth, 0] for image in (picture, target))
    assert np.corrcoef(before, after)[0, 1] > 0.95
    assert 0.4 < after.std() / before.std() < 2.2


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_cover_part_of_the_garment_and_repeat_themselves(name):
    picture, mask = shirt_photo(), shirt_mask(256, 300)
    lightness = to_lab(picture.astype(np.float32) / 255)[:, :, 0]
    coverage = draw_pattern(name, lightness, mask)
    assert (coverage.min() >= 0, coverage.max() <= 1) == (True, True)
    assert 0.15 < coverage[mask].mean() < 0.65
    assert coverage[mask].std() > 0.15
    assert np.array_equal(coverage, draw_pattern(name, lightness, mask))


@pytest.mark.parametrize("name", LOOKS)
def test_looks_are_visible_and_repeat_themselves(name):
    picture, subject = shirt_photo(printed=True), soften(shirt_mask(256, 300))
    before = picture.copy()
    result = apply_look(name, picture, subject)
    assert (result.shape, result.dtype) == (picture.shape, np.uint8)
    assert np.array_equal(result, apply_look(name, picture, subject))
    assert np.array_equal(picture, before)
    labs = [to_lab(image.astype(np.float32) / 255) for image in (picture, result)]
    assert np.linalg.norm(labs[0] - labs[1], axis=2).mean() > 1.5


def test_looks_of_the_surroundings_keep_the_object():
    picture, mask = shirt_photo(), shirt_mask(256, 300)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    for name, look in LOOKS.items():
        if look.needs_subject:
            result = apply_look(name, picture, soften(mask))
            assert np.abs(result[inside].astype(int) - picture[inside]).max() <= 1
            with pytest.raises(ValueError, match=name):
                apply_look(name, picture, None)


def test_black_and_white_has_no_colour_and_a_negative_undoes_itself():
    picture = shirt_photo()
    grey = apply_look("black_and_white", picture, None)
    assert np.array_equal(grey[:, :, 0], grey[:, :, 2])
    assert np.array_equal(apply_look("negative", apply_look("negative", picture, None), None), picture)


def test_every_look_and_pattern_has_its_words():
    assert LOOKS.keys() == LOOK_WORDS.keys()
    assert PATTERNS.keys() == language.PATTERN_WORDS.keys() == language.PLAIN_WORDS.keys()
    assert len({*language.RECOLOUR_COMMANDS, *language.RECOLOUR_WISHES}) >= 30
    for name, words in LOOK_WORDS.items():
        assert len({*words.nouns, *words.adjectives, *words.commands}) >= 6, name
        assert "{subject}" in words.caption


def test_instructions_vary_and_say_what_is_asked():
    generator = np.random.default_rng(0)
    asked = {language.recolour_instruction("shorts", "orange", plural=True, generator=generator) for _ in range(300)}
    assert len(asked) > 100
    assert all("orange" in words.lower() for words in asked)
    assert not any(" a orange" in words or "an orange shorts" in words for words in asked)
    assert language.subject_words("shirt", "olive", plural=False) == "an olive shirt"
    assert language.noun_for("T-Shirts").words[0] == "t-shirt"
    assert language.noun_for("holiday 2019") is language.UNKNOWN


def test_the_vocabulary_has_every_trained_colour_and_no_reserved_one():
    corpus = language.vocabulary_corpus(2000, seed=1)
    assert corpus == language.vocabulary_corpus(2000, seed=1)
    words = " ".join(corpus).lower()
    assert all(name in words for name in TRAINED_COLOURS)
    assert not any(name in words for name in RESERVED_COLOURS)
    assert "{" not in words
    assert "  " not in words


def test_colours_are_named_only_where_they_are_clear():
    assert [colour_name(lab_of(name)) for name in TRAINED_COLOURS] == list(TRAINED_COLOURS)
    assert [colour_name(lab_of(name)) for name in RESERVED_COLOURS] == [None, None]
    between = (lab_of("blue") + lab_of("purple")) / 2
    assert colour_name(between) is None


def test_a_library_goes_by_content_and_counts_what_is_broken(tmp_path):
    picture = png_bytes(Image.fromarray(shirt_photo()))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "picture.txt").write_bytes(picture)
    (tmp_path / "copy.png").write_bytes(picture)
    (tmp_path / "words.jpg").write_text("not a picture")
    for index in range(60):
        (tmp_path / f"cut-{index}.png").write_bytes(picture[: 3000 + index])
    split = split_of(hashlib.sha256(picture).hexdigest())
    library = scan_photos(tmp_path, split)
    assert len(library.photos) == 1
    assert library.skipped > 0
    with pytest.raises(DataError, match="no folder"):
        scan_photos(tmp_path / "nowhere", "train")
    others: list[Split] = [name for name in SPLITS if name != split]
    for other in others:
        with pytest.raises(DataError, match=f"no picture for the {other} split"):
            scan_photos(tmp_path, other)


def test_splits_have_their_shares():
    names = [split_of(f"{value * 2654435761 % 2**48:012x}" + "0" * 52) for value in range(4000)]
    shares = {split: names.count(split) / len(names) for split in SPLITS}
    assert shares == pytest.approx({"train": 0.9, "validation": 0.05, "bench": 0.05}, abs=0.015)


@pytest.fixture(scope="module")
def records(folder) -> list[PairRecord]:
    engine = photo_engine(folder, seed=3)
    return [record for unit in range(len(engine.library.photos)) for record in engine.make(unit)]


def test_the_engine_makes_whole_deterministic_records(folder, records):
    engine = photo_engine(folder, seed=3)
    assert engine.make(1) == tuple(records[4:8])
    later = engine.make(1 + len(engine.library.photos))
    assert [record.edit_prompt for record in later] != [record.edit_prompt for record in records[4:8]]
    assert len({record.id for record in (*records, *later)}) == len(records) + 4
    assert {record.kind for record in records} >= {"look", "garment_recolour"}
    for record in records:
        sizes = {picture_size(png) for png in (record.source_image, record.target_image, record.mask)}
        assert sizes == {(256, 256)}
        assert record.source_image != record.target_image
        assert record.object is None or record.object in record.source_caption


def test_recolour_records_carry_the_facts_they_are_judged_by(records):
    dyed = [record for record in records if record.kind == "garment_recolour"]
    assert len(dyed) >= 4
    for record in dyed:
        colour = str(record.params["colour"])
        assert record.params["target_rgb"] == list(COLOURS[colour])
        assert colour in TRAINED_COLOURS
        assert record.object_mask is not None
        mask, target = pixels(record.object_mask) > 0, pixels(record.target_image)
        assert np.linalg.norm(mean_lab(target, mask) - lab_of(colour)) < 30
        unchanged = pixels(record.mask) == 0
        assert np.abs(target[unchanged].astype(int) - pixels(record.source_image)[unchanged]).max() <= 1


def test_pairs_run_into_records_and_other_pictures_are_refused(folder, tmp_path):
    factory = photo_engine_factory(folder, seed=3, size=64)
    make_pairs(factory, count=10, out=tmp_path, workers=1, shard_units=2)
    written = list(read_records(tmp_path))
    assert written == [*factory().make(0), *factory().make(1), *factory().make(2)[:2]]
    with pytest.raises(DataError, match="seed differ"):
        make_pairs(photo_engine_factory(folder, seed=4, size=64), count=10, out=tmp_path, workers=0, shard_units=2)
    with pytest.raises(SettingsError, match="multiples of 8"):
        photo_engine(folder, seed=3, size=100)


def test_without_opencv_the_extra_is_named_and_the_words_still_work():
    program = (
        "import sys; sys.modules['cv2'] = None\n"
        "from retouch.core.errors import MissingExtraError\n"
        "from retouch.datagen.photos.language import vocabulary_corpus\n"
        "assert len(vocabulary_corpus(3, 0)) == 3\n"
        "try:\n    import retouch.datagen.photos.engine\n"
        "except MissingExtraError as error:\n    assert 'retouch[photos]' in str(error)\n"
        "else:\n    sys.exit('imported without OpenCV')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def pixels(png: bytes | None) -> np.ndarray:
    assert png is not None
    return np.asarray(Image.open(io.BytesIO(png)))


def picture_size(png: bytes | None) -> tuple[int, int]:
    return pixels(png).shape[1], pixels(png).shape[0]
