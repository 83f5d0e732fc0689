"""The reader: it learns what instructions ask, comes out as an editor's text encoder, and begins an editor."""

from pathlib import Path

import pytest
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from retouch.core.errors import DataError, ModelError
from retouch.models.architecture import TINY
from retouch.records.labelled import LabelledText, save_labelled
from retouch.training.kinds.reader import ReaderKind, ReaderRecipe, ReaderTask
from retouch.training.settings import TrainSettings
from retouch.training.start import fresh_checkpoint
from retouch.training.trainer import train

COLOURS, OBJECTS = ("red", "green", "blue"), ("sofa", "lamp")
SETTINGS = TrainSettings(
    steps=60, batch_size=12, learning_rate=1e-2, warmup=5, precision="float32", save_every=60, validate_every=60
)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    said = [
        LabelledText(text=form.format(thing, colour), labels=(f"object={thing}", f"colour={colour}"))
        for form in ("make the {} {}", "the {} in {}, please", "I want the {} {}", "paint my {} {}")
        for thing in OBJECTS
        for colour in COLOURS
    ]
    save_labelled(tmp_path / "texts.jsonl", said * 2)
    return tmp_path / "texts.jsonl"


def recipe(texts: Path, **changes: object) -> ReaderRecipe:
    values: dict[str, object] = {"data": [texts], "settings": SETTINGS, "vocabulary": 280, "architecture": TINY}
    values |= {"task": ReaderTask(rarest=2), "validation_every": 4, **changes}
    return ReaderRecipe(**values)  # type: ignore[arg-type]


def test_it_learns_to_read_and_comes_out_as_a_text_encoder(texts: Path, tmp_path: Path) -> None:
    kind = recipe(texts).build(torch.device("cpu"))
    assert isinstance(kind, ReaderKind)
    assert set(kind.labels) == {"object=sofa", "object=lamp", "colour=red", "colour=green", "colour=blue"}
    report = train(kind, SETTINGS, tmp_path / "run")
    assert report.figures["object read"] > 0.9
    assert report.figures["colour read"] > 0.9
    folder = tmp_path / "run" / "model"
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")
    ids = tokenizer(["make the sofa red"], return_tensors="pt")["input_ids"]
    assert encoder(ids).last_hidden_state.shape[-1] == TINY.text_width


def test_what_follows_the_end_of_a_text_changes_no_score(texts: Path) -> None:
    kind = recipe(texts).build(torch.device("cpu"))
    assert isinstance(kind, ReaderKind)
    kind.encoder.eval()
    short, long = kind._ids[:1], kind._ids[kind._ids.ne(kind._ids[0, -1]).sum(dim=1).argmax()][None]
    alone = kind._scores(short)
    together = kind._scores(torch.cat([short, long]))[:1]
    torch.testing.assert_close(alone, together)


def test_an_editor_begins_with_its_reader(texts: Path, tmp_path: Path, tiny_checkpoint, tiny_folder: Path) -> None:
    kind = recipe(texts).build(torch.device("cpu"))
    kind.export(tmp_path / "reader", steps=0, figures={})
    spec, vae = tiny_checkpoint.spec, tiny_folder / "vae"
    begun = fresh_checkpoint(TINY, vae=vae, spec=spec, texts=[], vocabulary=0, seed=0, text_encoder=tmp_path / "reader")
    weights = begun.text_encoder.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in kind.modules["text_encoder"].state_dict().items())
    with pytest.raises(ModelError, match=r"holds no (tokenizer|text_encoder); train a reader"):
        fresh_checkpoint(TINY, vae=vae, spec=spec, texts=[], vocabulary=0, seed=0, text_encoder=tmp_path)


def test_too_few_texts_are_refused(tmp_path: Path) -> None:
    save_labelled(tmp_path / "few.jsonl", [LabelledText(text="make it red", labels=("colour=red",))])
    with pytest.raises(DataError, match="teach no reading"):
        recipe(tmp_path / "few.jsonl").build(torch.device("cpu"))
