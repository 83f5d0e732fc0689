"""Fixtures shared by all tests: tiny checkpoints of the real classes, and a hub that is never asked."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Before any import of huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

    from retouch.models.checkpoint import Checkpoint

MakeCheckpoint = Callable[..., "Checkpoint"]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C means something here and in child processes, though a shell's background job begins deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> "CLIPTokenizer":
    """A real CLIP tokenizer of 16 tokens a text, learned from a handful of instructions."""
    from retouch.models.tokenizer import train_tokenizer

    texts = ["make the sofa green", "turn it into a night shot", "remove the lamp", "paint the walls blue"]
    return train_tokenizer(texts, vocabulary=300, length=16)


@pytest.fixture(scope="session")
def make_tiny(tiny_tokenizer: "CLIPTokenizer") -> MakeCheckpoint:
    """Make a randomly initialised tiny checkpoint: `make_tiny(kind="instruct", seed=0, **spec)`."""
    from dataclasses import replace

    from retouch.models.architecture import TINY, random_checkpoint
    from retouch.models.spec import PUBLISHED, Kind

    def make(kind: Kind = "instruct", seed: int = 0, **changes: object) -> "Checkpoint":
        small = {"native_size": 64, "size_multiple": 16, "steps": 3, "scheduler": "ddim", **changes}
        spec = replace(PUBLISHED[kind], **small)
        return random_checkpoint(TINY, tiny_tokenizer, kind=kind, spec=spec, seed=seed)

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(make_tiny: MakeCheckpoint) -> "Checkpoint":
    """An editor's checkpoint in memory, for 64-pixel pictures; leave it as it is."""
    return make_tiny()


@pytest.fixture(scope="session")
def tiny_folder(tiny_checkpoint: "Checkpoint", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in diffusers layout on disk; copy it before changing anything."""
    from retouch.models.save import save

    return save(tiny_checkpoint, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def network_folder(tiny_tokenizer: "CLIPTokenizer", tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small random network of a published class that finds things, by its short name."""
    from tests.grounding import networks

    root, makers = tmp_path_factory.mktemp("networks"), networks.makers(tiny_tokenizer)

    def folder(name: str) -> Path:
        place = root / name
        return place if place.is_dir() else makers[name](place)

    return folder
