"""Retrieval and generation measured on records whose answer is known, with tiny models."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.images import png_bytes
from retouch.evaluation.generate import GenerationPlan, evaluate_generation
from retouch.evaluation.retrieval import evaluate_retrieval
from retouch.metrics.clip import Encoder
from retouch.models.clip import TINY_CLIP, random_clip
from retouch.models.control import control_of
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
NAMES = list(COLOURS)


def record(number: int) -> PairRecord:
    source, target = NAMES[number], NAMES[(number + 1) % 4]
    return PairRecord(
        id=f"case-{number}",
        source_image=png_bytes(Image.new("RGB", (64, 64), COLOURS[source])),
        target_image=png_bytes(Image.new("RGB", (64, 64), COLOURS[target])),
        edit_prompt=f"make it {target}",
        source_caption=source,
        target_caption=target,
        engine="squares",
        seed=number,
        params={"kind": "recolour"},
        split="bench",
    )


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "pairs"
    with open_writer(folder, engine="squares", settings={}) as writer:
        writer.write([record(number) for number in range(4)], first_unit=0, units=4)
    return folder


class KnowsColours(Encoder):
    """An encoder that reads and sees the four colours, its answers the colours themselves."""

    def pictures(self, pictures) -> torch.Tensor:
        found = [torch.tensor([*np.asarray(picture)[0, 0].tolist(), 60.0]) for picture in pictures]
        return torch.nn.functional.normalize(torch.stack(found), dim=-1)

    def texts(self, texts) -> torch.Tensor:
        found = [torch.tensor([*COLOURS[text], 60.0]) for text in texts]
        return torch.nn.functional.normalize(torch.stack(found), dim=-1)


@pytest.fixture(scope="module")
def knowing(tiny_tokenizer) -> KnowsColours:
    return KnowsColours(random_clip(TINY_CLIP, tiny_tokenizer))


def test_an_encoder_that_knows_finds_everything(knowing: KnowsColours, pairs: Path, tmp_path: Path) -> None:
    result = evaluate_retrieval(knowing, pairs, out=tmp_path)
    assert (result.caption_found, result.picture_found, result.sides_told_apart) == (1.0, 1.0, 1.0)
    assert result.candidates == result.edited == 4
    assert result.directional_similarity == pytest.approx(1.0, abs=1e-5)
    assert "| captions" not in result.markdown()
    assert "100.0%" in (tmp_path / "report.md").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["encoder"] == knowing.protocol


def test_a_real_encoder_is_measured_and_limits_are_kept(tiny_tokenizer, pairs: Path) -> None:
    result = evaluate_retrieval(Encoder(random_clip(TINY_CLIP, tiny_tokenizer)), pairs, limit=3)
    assert result.candidates == 3
    assert 0 <= result.caption_found <= 1


def test_too_few_records_are_refused(knowing: KnowsColours, pairs: Path) -> None:
    with pytest.raises(DataError, match="holds 1 records of the split 'bench' with both captions, too few to rank"):
        evaluate_retrieval(knowing, pairs, limit=1)


def test_generated_pictures_are_ranked_beside_their_originals(
    make_tiny, knowing: KnowsColours, pairs: Path, tmp_path: Path
) -> None:
    checkpoint = make_tiny(kind="generate")
    plan = GenerationPlan(choices=4, steps=1)
    result = evaluate_generation(checkpoint, knowing, pairs, tmp_path, plan=plan)
    assert result.first_of_originals == 1.0
    assert result.edge_f1 is None
    assert Image.open(tmp_path / "pictures" / "case-0.png").size == (64, 64)
    control = control_of(checkpoint, channels=(8, 16, 16, 16), seed=0).eval().requires_grad_(False)
    held = evaluate_generation(checkpoint, knowing, pairs, tmp_path, plan=plan, control=control)
    assert held.edge_f1 is not None
    assert 0 <= held.edge_f1 <= 1
    assert "F1 of edges" in (tmp_path / "report.md").read_text()
    with pytest.raises(DataError, match="4 different captions of the split 'bench', too few to choose among 10"):
        evaluate_generation(checkpoint, knowing, pairs, tmp_path)
    with pytest.raises(Cancelled, match="after 0 of 4"):
        evaluate_generation(checkpoint, knowing, pairs, tmp_path, plan=plan, cancelled=lambda: True)
