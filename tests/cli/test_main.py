"""The program as a whole: help, versions, and how errors leave it."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from retouch import __version__
from retouch.core import images

COMMANDS = [
    ["edit"], ["sweep"], ["show"], ["train"], ["doctor"], ["models", "list"], ["models", "show"],
    ["models", "convert"], ["models", "verify"], ["rooms", "render"], ["data", "pairs"], ["data", "show"],
    ["eval", "run"], ["eval", "materials"], ["eval", "retrieval"], ["eval", "generate"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_teaches(command: Command, words: list[str]) -> None:
    ran = command(*words, "--help")
    assert ran.code == 0
    assert f"retouch {' '.join(words)}" in ran.out
    if words not in (["doctor"], ["models", "list"]):
        assert "Example" in ran.out


def test_bare_command_and_version(command: Command) -> None:
    assert "Exit codes" in command().out
    assert command("--version").out.strip() == f"retouch {__version__}"


@pytest.mark.parametrize("arguments", [["bogus"], ["models"], ["edit"], ["edit", "a.png"], ["models", "show"]])
def test_wrong_usage_is_one_sentence(command: Command, arguments: list[str]) -> None:
    ran = command(*arguments)
    assert ran.code == 2
    assert ran.err.startswith("error: ") and ran.err.count("\n") == 1
    assert "--help" in ran.err


def test_the_unexpected_is_one_sentence_too(
    command: Command, tmp_path: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a bug\nwith two lines")

    monkeypatch.setattr(images, "load_image", fail)
    arguments = ("edit", room, "make it red", "-o", tmp_path / "a.png")
    ran = command(*arguments)
    assert ran.code == 1
    assert ran.err == "error: ValueError: a bug; RETOUCH_DEBUG=1 shows where.\n"
    monkeypatch.setenv("RETOUCH_DEBUG", "1")
    assert "Traceback" in command(*arguments).err


def test_the_installed_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "retouch.cli.main", "edit", str(tmp_path / "none.png"), "red", "-o", "a.png"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 3
    assert done.stdout == "" and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["show", "nothing.png"], 3)])
def test_the_quick_end_loses_nothing(arguments: list[str], code: int) -> None:
    script = (
        "import atexit, sys, threading, time\n"
        "from retouch.cli.main import main\n"
        "atexit.register(print, 'at the end')\n"
        "def work():\n    time.sleep(1.5)\n    print('work is done')\n"
        "threading.Thread(target=work).start()\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == code
    assert {"at the end", "work is done"} <= set(ran.stdout.splitlines())
