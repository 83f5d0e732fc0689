"""Adapters on disk: written whole, read back, refused where they are not what was asked for."""

import json
from pathlib import Path

import pytest
import torch

from retouch.core.errors import ModelError, OutputError
from retouch.models.adapter import ADAPTER_FILE, AdapterFacts, read_adapter, write_adapter

FACTS = AdapterFacts(
    kind="insert", base="pocket", image_encoder="pocket/clip", sizes={"width": 4}, conventions={"null": "zeros"}
)
PARTS = {"optimizer": {"weight": torch.arange(4.0)}, "unet": {"a.whole": torch.ones(2, 2)}}


def test_an_adapter_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_adapter(tmp_path / "one", FACTS, PARTS, card="# One")
    write_adapter(tmp_path / "one", FACTS, PARTS, card="# One")
    found = read_adapter(tmp_path / "one", kind="insert")
    assert found.facts == FACTS
    assert torch.equal(found.part("optimizer")["weight"].float(), PARTS["optimizer"]["weight"])
    assert found.size("width") == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["one"]


def test_what_is_missing_or_of_another_kind_is_named(tmp_path: Path) -> None:
    write_adapter(tmp_path / "one", FACTS, PARTS)
    found = read_adapter(tmp_path / "one")
    with pytest.raises(ModelError, match=r"has no mapper\.safetensors"):
        found.part("mapper")
    with pytest.raises(ModelError, match="does not say its layers"):
        found.size("layers")
    with pytest.raises(ModelError, match="of kind 'insert', expected 'exemplar'"):
        read_adapter(tmp_path / "one", kind="exemplar")
    with pytest.raises(ModelError, match="is no adapter"):
        read_adapter(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 9}, "version this Retouch does not know"),
        ({"kind": "magic"}, "names the kind 'magic'"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"sizes": {"width": "x"}}, "for 'sizes'"),
        ({"base": 3}, "for 'base'"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path: Path, change: dict[str, object], told: str) -> None:
    folder = write_adapter(tmp_path / "one", FACTS, PARTS)
    content = json.loads((folder / ADAPTER_FILE).read_text())
    (folder / ADAPTER_FILE).write_text(json.dumps({**content, **change}))
    with pytest.raises(ModelError, match=told):
        read_adapter(folder)


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "one", FACTS, PARTS)
    (folder / "unet.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ModelError, match="are damaged"):
        read_adapter(folder)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="holds other things"):
        write_adapter(tmp_path, FACTS, PARTS)
    assert (tmp_path / "mine.txt").read_text() == "keep"
