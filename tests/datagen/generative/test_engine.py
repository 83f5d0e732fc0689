"""What every generative engine promises: few pairs out of many tries, the same bytes, and a model left as it was."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from tests.datagen.generative.conftest import ANYTHING, NOTHING, TRIPLES, MakePlan

from retouch.core.errors import DataError, ModelError, SettingsError
from retouch.datagen.engine import Sifted
from retouch.datagen.generative.engine import BLANK, SURPLUS, GenerativeEngine
from retouch.datagen.generative.plan import POCKET_CONTROL, TECHNIQUES, TechniqueName, build_engine, engine_factory
from retouch.datagen.generative.still import StillShares
from retouch.datagen.generative.swap import SwapTechnique
from retouch.datagen.generative.technique import is_blank
from retouch.datagen.sift import sift_pairs
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records

EACH = pytest.mark.parametrize("technique", TECHNIQUES)


def pixels(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


def measured(record: PairRecord, measure: str) -> float:
    (value,) = (value for name, value in record.scores.items() if name.startswith(f"pair/{measure}/clip/tiny-clip@"))
    return value


def model(engine: GenerativeEngine) -> Any:
    return cast("SwapTechnique", engine.technique).sampler.checkpoint


def unets(engine: GenerativeEngine) -> dict[str, torch.Tensor]:
    return model(engine).unet.state_dict()


@EACH
def test_a_unit_keeps_the_best_of_what_passes(make_plan: MakePlan, technique: TechniqueName) -> None:
    engine = build_engine(make_plan(technique, keep=2, candidates=6, batch=3))
    before = {name: value.clone() for name, value in unets(engine).items()}
    processors = dict(model(engine).unet.attn_processors)
    sifted = engine.make(0)
    batch = 5 if technique == "controlnet" else 3
    assert (len(sifted.pairs), sifted.rejected) == (2, {SURPLUS: batch - 2})
    first, second = sifted.pairs
    assert measured(first, "directional") >= measured(second, "directional")
    for record in sifted.pairs:
        assert record.engine == engine.name == technique
        assert pixels(record.source_image).shape == pixels(record.target_image).shape == (64, 64, 3)
        assert not np.array_equal(pixels(record.source_image), pixels(record.target_image))
        assert record.edit_prompt == TRIPLES[0].instruction and record.kind == "edit"
        assert len(record.scores) == 4 and 2.0 <= float(str(record.params["guidance"])) <= 4.0
    assert all(torch.equal(value, before[name]) for name, value in unets(engine).items())
    after = model(engine).unet.attn_processors
    assert all(after[name] is processor for name, processor in processors.items())


@EACH
def test_the_same_unit_has_the_same_bytes(make_plan: MakePlan, technique: TechniqueName) -> None:
    plan = make_plan(technique, keep=1)
    one, other = build_engine(plan), build_engine(plan)
    assert one.fingerprint() == other.fingerprint()
    assert one.make(1) == other.make(1) == one.make(1)
    assert build_engine(replace(plan, seed=1)).make(1).pairs[0].source_image != one.make(1).pairs[0].source_image


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_workers_make_the_same_records(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("attention-swap", keep=1)
    sift_pairs(engine_factory(plan), out=tmp_path / "here")
    assert torch.get_num_threads() == 2
    sift_pairs(engine_factory(plan), out=tmp_path / "there", workers=1)
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("here", "there"))
    assert here == there
    names = [record.id.split("-") for record in read_records(tmp_path / "here")]
    assert [(*name[:5], name[6]) for name in names] == [
        ("attention", "swap", "train", "0", f"{unit:07d}", "00") for unit in range(3)
    ]
    assert len({name[5] for name in names}) == 3, "a digest of the triple"


@EACH
def test_what_fails_is_counted_and_yields_nothing(make_plan: MakePlan, technique: TechniqueName) -> None:
    sifted = build_engine(make_plan(technique, thresholds=NOTHING)).make(0)
    assert sifted.pairs == ()
    assert sifted.rejected == {"directional": 4}
    high = replace(ANYTHING, image_image=1.0)
    assert build_engine(make_plan(technique, thresholds=high)).make(0).rejected == {"image-image": 4}


@EACH
def test_a_caption_with_itself_is_a_null_edit(make_plan: MakePlan, technique: TechniqueName) -> None:
    (record,) = build_engine(make_plan(technique, keep=1, thresholds=NOTHING)).make(2).pairs
    assert record.source_image == record.target_image
    assert (record.kind, measured(record, "directional")) == ("null", 0.0)


@EACH
def test_black_pictures_are_counted_as_such(
    make_plan: MakePlan, technique: TechniqueName, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = build_engine(make_plan(technique))
    monkeypatch.setattr(
        model(engine).vae, "decode", lambda latents, **_: (torch.full((len(latents), 3, 64, 64), np.nan),)
    )
    assert engine.make(0) == Sifted(pairs=(), rejected={BLANK: 4})


def test_a_plain_picture_shows_nothing() -> None:
    assert is_blank(Image.new("RGB", (8, 8), (200, 10, 10)))
    assert not is_blank(Image.linear_gradient("L"))


def test_swaps_are_drawn_for_each_and_pairs_share_their_noise(make_plan: MakePlan) -> None:
    engine = build_engine(make_plan("attention-swap"))
    drawn = [engine.technique.draw(TRIPLES[0], 9, place) for place in range(200)]
    shares, guidances = ([float(str(one.params[name])) for one in drawn] for name in ("p", "guidance"))
    assert 0.1 <= min(shares) < 0.15 and 0.85 < max(shares) <= 0.9
    assert 2.0 <= min(guidances) < 2.1 and 3.9 < max(guidances) <= 4.0
    assert len({one.seed for one in drawn}) == 200
    source, target = engine.technique.make(TRIPLES[2], [drawn[0]])[0]
    same = engine.technique.make(replace(TRIPLES[2], target_caption=TRIPLES[2].source_caption), [drawn[0]])[0]
    difference = np.asarray(same[0], dtype=np.int16) - np.asarray(same[1], dtype=np.int16)
    assert np.abs(difference).max() <= 1
    assert source.tobytes() == same[0].tobytes() and source.tobytes() != target.tobytes()


def test_prompt_to_prompt_replaces_or_refines(make_plan: MakePlan) -> None:
    technique = build_engine(make_plan("prompt-to-prompt", batch=2)).technique
    assert technique.draw(TRIPLES[0], 0, 0).params == {"mode": "replace", "cross": 0.8, "self": 0.4, "guidance": 2.0}
    refined = [technique.draw(TRIPLES[1], 0, place).params for place in range(4)]
    assert [(params["mode"], params["cross"]) for params in refined] == [("refine", 0.8)] * 2 + [("refine", 0.5)] * 2
    assert [technique.usual_count(triple) for triple in TRIPLES] == [50, 30, 30]
    blended = build_engine(make_plan("prompt-to-prompt", blend=True))
    assert blended.fingerprint() != build_engine(make_plan("prompt-to-prompt")).fingerprint()
    assert len(blended.make(0).pairs) == 4


def test_controlled_targets_share_source_and_seed(make_plan: MakePlan) -> None:
    technique = build_engine(make_plan("controlnet")).technique
    drawn = [technique.draw(TRIPLES[0], 5, place) for place in range(10)]
    assert [one.params["control_scale"] for one in drawn] == [0.15, 0.18, 0.2, 0.25, 0.3] * 2
    assert len({one.seed for one in drawn[:5]}) == len({one.seed for one in drawn[5:]}) == 1
    assert drawn[0].seed != drawn[5].seed
    made = technique.make(TRIPLES[0], drawn[:5])
    assert len({source.tobytes() for source, _ in made}) == 1
    assert len({target.tobytes() for _, target in made}) == 5
    (alone,) = technique.make(TRIPLES[0], drawn[3:4])
    difference = np.asarray(alone[1], dtype=np.int16) - np.asarray(made[3][1], dtype=np.int16)
    assert np.abs(difference).max() <= 1


def test_sources_come_again_with_what_changes_nothing(make_plan: MakePlan) -> None:
    engine = build_engine(make_plan("attention-swap", keep=1, still=StillShares(null=1.0, misleading=1.0)))
    edit, null, *misleading = engine.make(0).pairs
    assert (edit.kind, null.kind, {record.kind for record in misleading}) == ("edit", "null", {"misleading"})
    prompts = {record.edit_prompt for record in misleading}
    assert "Remove the piano." in prompts and not prompts & {"Remove the sofa.", "Remove the floor lamp."}
    for record in (null, *misleading):
        assert record.source_image == record.target_image == edit.source_image
        assert record.source_caption == record.target_caption == TRIPLES[0].source_caption
        assert measured(record, "image-image") == 1.0
        assert measured(record, "caption-target") == measured(edit, "caption-source")
    assert len({record.id for record in (edit, null, *misleading)}) == 2 + len(misleading)


def test_what_it_cannot_use_is_refused(make_plan: MakePlan, tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="needs one of kind 'generate'"):
        build_engine(make_plan("attention-swap", model=str(tiny_folder)))
    with pytest.raises(SettingsError, match="needs a ControlNet made for"):
        build_engine(make_plan("controlnet", control=None))
    with pytest.raises(ModelError, match=r"no readable config\.json"):
        build_engine(make_plan("controlnet", control="nowhere"))
    with pytest.raises(ModelError, match=r"'somebody/control' is not on this machine and HF_HUB_OFFLINE is set"):
        build_engine(make_plan("controlnet", control="somebody/control"))
    with pytest.raises(ModelError, match="pocket model 'none' is not in this installation"):
        build_engine(make_plan("controlnet", control="pocket/none"))
    with pytest.raises(SettingsError, match="keep is 0"):
        build_engine(make_plan("attention-swap", keep=0))
    with pytest.raises(SettingsError, match="batch is 0"):
        build_engine(make_plan("attention-swap", batch=0))
    with pytest.raises(DataError, match="no triples"):
        build_engine(make_plan("attention-swap", triples=()))
    with pytest.raises(DataError, match="there are 3 triples"):
        build_engine(make_plan("attention-swap")).make(3)
    with pytest.raises(SettingsError, match="misleading share is 2"):
        StillShares(misleading=2)
    assert POCKET_CONTROL == "pocket/controlnet"
