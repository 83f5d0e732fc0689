"""Run commands in this process, as the installed program would, and see what they leave."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from retouch.cli.main import run


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command gave: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks are slower on several threads, and far slower on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """`command("edit", "a.png", ...)` → `Ran`."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code=code, out=captured.out, err=captured.err)

    return call


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A smooth picture of 90 x 60 pixels."""
    path = tmp_path / "room.png"
    Image.radial_gradient("L").resize((90, 60)).convert("RGB").save(path)
    return path
