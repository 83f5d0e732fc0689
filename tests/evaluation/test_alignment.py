"""Pictures compared with words: a mapper that knows is told from one that does not, and objects are named right."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from tests.models.ip_adapters import tiny_encoder
from torch import Tensor, nn
from typer.testing import CliRunner

from retouch.cli.main import app
from retouch.conditioning.text import encode_text
from retouch.core.errors import DataError
from retouch.core.images import png_bytes
from retouch.core.reference import Reference
from retouch.evaluation.alignment import ShownObject, evaluate_alignment, shown_objects
from retouch.metrics.clip import Encoder
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.image_encoder import load_image_encoder
from retouch.models.insert import Insert, fresh_insert, save_insert
from retouch.models.save import save
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

COLOURS = {"red": (190, 30, 35), "green": (46, 140, 60), "blue": (40, 98, 196)}


def view(colour: str, kind: str) -> Image.Image:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if kind == "lamp" else draw.rectangle)((4, 4, 28, 28), fill=(*COLOURS[colour], 255))
    return image


def thing(colour: str, kind: str) -> ShownObject:
    shown = view(colour, kind)
    return ShownObject(kind=kind, colour=colour, references=(Reference(picture=shown.convert("RGB"), name=colour),))


OBJECTS = [thing(colour, kind) for colour in COLOURS for kind in ("sofa", "lamp")]


class Knowing(nn.Module):
    """Answers with what the editor reads of the object's words, turned to a stranger's where it errs."""

    def __init__(self, insert: Insert, objects: list[ShownObject], *, shift: int = 0) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(16, 16))
        self._texts = encode_text(insert.checkpoint, [f"add {each.name}" for each in objects]).features
        with torch.no_grad():
            framed = [insert.encoder.framed(each.references[0].squared()) for each in objects]
            self._seen = insert.encoder(torch.stack(framed)).last.flatten(1)
        self._shift = shift

    def forward(self, tokens: Tensor) -> Tensor:
        place = torch.cdist(tokens.flatten(1), self._seen).argmin(dim=1)
        return self._texts[(place + self._shift) % len(self._texts)]


@pytest.fixture(scope="module")
def insert(tiny_checkpoint, tiny_tokenizer) -> Insert:
    return fresh_insert(tiny_checkpoint, tiny_encoder(tiny_tokenizer), queries=16, null="zeros")


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer) -> Encoder:
    return Encoder(random_clip(TINY_CLIP, tiny_tokenizer))


def with_optimizer(insert: Insert, optimizer: Any) -> Insert:
    return replace(insert, optimizer=optimizer)


def test_a_mapper_that_knows_the_words_is_told_from_one_that_does_not(
    insert: Insert, encoder: Encoder, tmp_path: Path
) -> None:
    known = evaluate_alignment(with_optimizer(insert, Knowing(insert, OBJECTS)), encoder, OBJECTS, out=tmp_path)
    for line in known.lines[1:]:
        assert line.own == pytest.approx(1.0, abs=1e-5)
        assert line.others < 0.999
        assert (line.found, line.kind, line.colour) == (1.0, 1.0, 1.0)
    mistaken = evaluate_alignment(with_optimizer(insert, Knowing(insert, OBJECTS, shift=1)), encoder, OBJECTS)
    for line in mistaken.lines[1:]:
        # Of its neighbour every second object has the colour, and none the kind.
        assert (line.found, line.kind, line.colour) == (0.0, 0.0, 0.5)
    assert known.lines[0] == mistaken.lines[0]
    assert json.loads((tmp_path / "report.json").read_text())["objects"] == len(OBJECTS)
    assert (tmp_path / "report.md").read_text() == known.markdown()
    assert "mapped tokens one by one | 1.000" in known.markdown()
    assert known.protocols[0] != mistaken.protocols[0] or known.model == mistaken.model


def test_objects_of_one_name_count_as_each_other(insert: Insert, encoder: Encoder) -> None:
    twice = [*OBJECTS[:2], OBJECTS[0]]
    found = evaluate_alignment(with_optimizer(insert, Knowing(insert, twice)), encoder, twice)
    assert (found.objects, found.words) == (3, 2)
    assert found.lines[1].found == 1.0
    with pytest.raises(DataError, match="All objects are called 'a red sofa'"):
        evaluate_alignment(insert, encoder, [OBJECTS[0], OBJECTS[0]])


def record(number: int, kind: str, colour: str, thing: str, **changes: Any) -> PairRecord:
    mask = Image.new("L", (32, 32))
    ImageDraw.Draw(mask).rectangle((4, 4, 28, 28), fill=255)
    numbers = mask.point([min(level, 1) for level in range(256)])
    values: dict[str, Any] = {
        "id": f"{kind}-{number}",
        "source_image": png_bytes(view(colour, thing).convert("RGB")),
        "target_image": png_bytes(Image.new("RGB", (32, 32), (number, 0, 0))),
        "edit_prompt": "do it",
        "source_caption": "a room",
        "target_caption": "a room",
        "object_mask": png_bytes(mask),
        "segments": png_bytes(numbers),
        "reference_images": (png_bytes(view(colour, thing)), png_bytes(Image.new("RGB", (16, 16), (number, 9, 9)))),
        "object": thing,
        "engine": "test",
        "seed": number,
        "params": {"kind": kind, "colour": colour, "segments": [{"kind": thing, "colour": "green"}]},
        "split": "bench",
    }
    return PairRecord(**{**values, **changes})


def write(folder: Path, records: list[PairRecord]) -> Path:
    with open_writer(folder, engine="test", settings={}) as writer:
        writer.write(records, first_unit=0, units=len(records))
    return folder


def test_records_name_their_objects(tmp_path: Path) -> None:
    unnamed = {"kind": "add", "segments": []}
    replaced = {"kind": "replace", "object": "sofa", "to": "table", "colour": "pink"}
    records = [
        record(1, "add", "red", "lamp"),
        record(2, "add", "red", "lamp"),
        record(3, "remove", "blue", "sofa"),
        record(4, "material", "green", "sofa"),
        record(5, "add", "green", "lamp", params=unnamed),
        record(6, "recolour", "green", "sofa"),
        record(7, "add", "blue", "lamp", reference_images=()),
        record(8, "replace", "red", "sofa", params=replaced),
    ]
    found = shown_objects(write(tmp_path / "rooms", records))
    assert [each.name for each in found] == ["a red lamp", "a green sofa", "a green sofa", "a pink table"]
    assert [len(each.references) for each in found] == [2, 2, 2, 2]
    assert len(shown_objects(tmp_path / "rooms", limit=2)) == 2
    with pytest.raises(DataError, match="tells the colour of 1 objects"):
        shown_objects(tmp_path / "rooms", limit=1)
    with pytest.raises(DataError, match="of the split 'train'"):
        shown_objects(tmp_path / "rooms", split="train")


def test_the_command_measures_a_folder(make_tiny, tiny_tokenizer, tmp_path: Path) -> None:
    base = save(make_tiny(), tmp_path / "base", storage="float32")
    clip = save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "clip", storage="float32")
    made = fresh_insert(make_tiny(), load_image_encoder(clip), queries=4)
    model = save_insert(made, tmp_path / "model", base=str(base))
    data = write(tmp_path / "rooms", [record(1, "add", "red", "lamp"), record(2, "add", "blue", "sofa")])
    command = ["eval", "alignment", "--model", str(model), "--data", str(data), "--encoder", str(clip), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["objects"], told["words"], len(told["lines"])) == (2, 2, 3)
    few = CliRunner().invoke(app, [*command[:-1], "--limit", "1"])
    assert few.exit_code != 0
