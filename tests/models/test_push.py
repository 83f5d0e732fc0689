"""Pushing a checkpoint: what would go, what is refused, and what arrives at a hub of our own on the loopback device."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from tests.models.hub_server import Hub, serving

from retouch.core.errors import ModelError
from retouch.core.upload import send
from retouch.models.push import plan_upload

CARD = "---\nlicense: mit\n---\n# A small editor\n\nIt edits.\n"


@pytest.fixture
def model(tiny_folder: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    (folder / "README.md").write_text(CARD)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "secret").write_text("hidden")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub's client pointed at our own; weights go by LFS, since the Xet protocol has no small server."""
    with serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield hub


def test_a_plan_lists_every_file_but_hidden_ones(model: Path) -> None:
    upload = plan_upload(model, "someone/small")
    assert {file.path for file in upload.files} >= {"README.md", "retouch.json", "model_index.json", "unet/config.json"}
    assert not any("secret" in file.path for file in upload.files)
    assert upload.size == sum((model / file.path).stat().st_size for file in upload.files)
    assert (upload.title, upload.licence) == ("A small editor", "mit")


def test_one_network_and_a_lora_are_checkpoints_too(model: Path, tmp_path: Path) -> None:
    assert plan_upload(model / "vae", "someone/vae").title is None
    weights = next((model / "vae").glob("*.safetensors"))
    (tmp_path / "lora").mkdir()
    shutil.copy(weights, tmp_path / "lora" / "pytorch_lora_weights.safetensors")
    assert len(plan_upload(tmp_path / "lora", "someone/lora").files) == 1


def test_pickles_are_refused_by_name_and_by_content(model: Path) -> None:
    for name in ("optimizer.bin", "notes.txt"):
        torch.save({"weight": torch.ones(2)}, model / name)
        with pytest.raises(ModelError, match=f"'{name}' of .* is pickled"):
            plan_upload(model, "someone/small")
        (model / name).unlink()


def test_what_is_no_checkpoint_is_refused(model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(model, run / "model")
    with pytest.raises(ModelError, match=r"no checkpoint.*Its folder 'model' is one"):
        plan_upload(run, "someone/small")
    with pytest.raises(ModelError, match="There is no folder"):
        plan_upload(tmp_path / "none", "someone/small")
    shutil.rmtree(model / "vae")
    with pytest.raises(ModelError, match="has no vae"):
        plan_upload(model, "someone/small")


def test_damaged_weights_and_cards_are_refused(model: Path) -> None:
    (model / "README.md").write_text("---\nlicense: [mit\n---\n# A\n")
    with pytest.raises(ModelError, match="not valid YAML"):
        plan_upload(model, "someone/small")
    (model / "README.md").unlink()
    weights = next((model / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match="is damaged"):
        plan_upload(model, "someone/small")


@pytest.mark.parametrize("repository", ["small", "a/b/c", "some one/small"])
def test_a_repository_has_an_owner_and_a_name(model: Path, repository: str) -> None:
    with pytest.raises(ModelError, match="expected OWNER/NAME"):
        plan_upload(model, repository)


def test_every_file_arrives_as_it_is(model: Path, hub: Hub) -> None:
    upload = plan_upload(model, "someone/small")
    assert send(upload, private=True, revision="first").startswith(f"{hub.address}/someone/small/commit/")
    assert hub.private == {"someone/small": True}
    assert hub.branches == ["first"]
    assert hub.tokens <= {"Bearer hf_of_a_test", ""}
    expected = {("someone/small", "first", file.path): (model / file.path).read_bytes() for file in upload.files}
    assert hub.files == expected


def test_a_public_repository_gets_nothing_that_should_be_private(model: Path, hub: Hub) -> None:
    hub.private["someone/small"] = False
    with pytest.raises(ModelError, match="is public"):
        send(plan_upload(model, "someone/small"), private=True)
    assert not hub.files
    send(plan_upload(model, "someone/small"))
    assert hub.files


@pytest.mark.parametrize(("status", "said"), [(401, "does not accept the token"), (403, "may not write"), (500, "500")])
def test_a_refusal_is_one_sentence(model: Path, hub: Hub, status: int, said: str) -> None:
    hub.refuse = status
    with pytest.raises(ModelError, match=said):
        send(plan_upload(model, "someone/small"))


def test_without_token_or_network_it_says_so(model: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = plan_upload(model, "someone/small")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(ModelError, match="cannot be reached"):
            send(upload)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(model / "none"))
    with pytest.raises(ModelError, match="Nobody is logged in"):
        send(upload)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        send(upload)
    assert not hub.requests


def test_the_command_pushes_as_somebody_would(model: Path, hub: Hub) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "retouch", "models", "push", str(model), "someone/small"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Pushed ") and f"{hub.address}/someone/small/commit/" in done.stdout
    assert ("someone/small", "main", "unet/config.json") in hub.files
