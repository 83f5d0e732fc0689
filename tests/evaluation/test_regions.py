"""The bench of regions: who knows the answers scores one, who refuses everything scores nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import DataError
from retouch.core.images import png_bytes
from retouch.evaluation.regions import evaluate_regions
from retouch.grounding.segmenter import Segment
from retouch.records.pair import PairRecord
from retouch.records.phrases import Phrase, Phrased, save_phrases
from retouch.records.shards import open_writer


@dataclass(frozen=True)
class Knowing:
    """Finds the white half, and is as sure of it as it is told to be."""

    sure: float
    name: str = "knowing"
    threshold: float = 0.5

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        mask = (np.asarray(image.convert("L")) > 127).astype(np.float32)
        return Segment(mask=mask, score=self.sure if phrase == "the half" else 1 - self.sure)

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        return self.segment(image, "the half")


@pytest.fixture
def folders(tmp_path: Path) -> dict[Path, Path]:
    half = np.zeros((32, 32), np.uint8)
    half[:, :16] = 1
    picture = png_bytes(Image.fromarray(half * 255).convert("RGB"))
    record = PairRecord(
        id="half", source_image=picture, target_image=picture, edit_prompt="do nothing", source_caption="",
        target_caption="", segments=png_bytes(Image.fromarray(half)), engine="halves", seed=0, split="bench",
        params={"kind": "null", "segments": [{"kind": "half"}]},
    )  # fmt: skip
    with open_writer(tmp_path / "halves", engine="halves", settings={}) as writer:
        writer.write([record], first_unit=0, units=1)
    told = (Phrase(text="the half", kind="plain", things=(1,)), Phrase(text="the dog", kind="absent"))
    save_phrases(tmp_path / "halves-phrases.jsonl", [Phrased(record="half", phrases=told)])
    return {tmp_path / "halves": tmp_path / "halves-phrases.jsonl"}


def test_knowing_finds_all_and_refuses_what_is_absent(folders: dict[Path, Path], tmp_path: Path) -> None:
    summary = evaluate_regions(Knowing(sure=0.9), folders, out=tmp_path / "out")
    lines = {line.kind: line for line in summary.lines}
    assert lines["plain"].iou == lines["point"].iou == lines["all present"].iou == 1.0
    assert (lines["absent"].refused, lines["plain"].refused) == (1.0, 0.0)
    assert (tmp_path / "out" / "report.md").read_text() == summary.markdown()


def test_what_is_refused_is_not_found(folders: dict[Path, Path]) -> None:
    lines = {line.kind: line for line in evaluate_regions(Knowing(sure=0.2), folders).lines}
    assert (lines["plain"].iou, lines["plain"].refused, lines["absent"].refused) == (0.0, 1.0, 0.0)


def test_a_split_without_phrases_is_refused(folders: dict[Path, Path]) -> None:
    with pytest.raises(DataError, match="has phrases"):
        evaluate_regions(Knowing(sure=1.0), folders, split="train")
