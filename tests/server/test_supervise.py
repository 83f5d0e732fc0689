"""The supervisor: workers begun again with patience, buried at once, ended in good order; settings reach them."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.server.living import waited
from tests.server.yard import MODELS, Yard
from typer.testing import CliRunner

from retouch.cli.main import app
from retouch.server import supervise
from retouch.server.jobs.queue import WorkQueue
from retouch.server.settings import PREFIX, ServerSettings
from retouch.server.store.tables import LOCAL_OWNER
from retouch.server.supervise import Supervisor

NOTE = "import os, sys, pathlib; open(os.environ['NOTES'], 'a').write(sys.argv[1] + ' ' + sys.argv[2] + chr(10));"


@pytest.fixture
def place(sqlite_yard: Yard) -> Yard:
    return sqlite_yard


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    return tmp_path / "notes"


def supervisor(queue: WorkQueue, code: str, workers: int = 1) -> Supervisor:
    return Supervisor(
        settings=ServerSettings(workers=workers), queue=queue, command=(sys.executable, "-c", NOTE + code)
    )


def began(notes: Path) -> list[list[str]]:
    return [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []


def test_what_dies_soon_is_begun_again_later_and_later(
    place: Yard, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "FIRST_WAIT", 0.3)
    started = supervisor(place.queue, "sys.exit(3)")
    start = time.monotonic()
    started.start()
    waited(lambda: len(began(notes)) >= 4 or None, 60)
    assert time.monotonic() - start >= 0.3 + 0.6 + 1.2
    started.stop()
    workers, parents = zip(*began(notes), strict=True)
    assert len(set(workers)) == len(workers) and set(parents) == {str(os.getpid())}


def test_what_a_dead_worker_held_waits_at_once(place: Yard, notes: Path) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))
    started = supervisor(place.queue, "import time; time.sleep(60)")
    started.start()
    ((worker, _),) = waited(lambda: began(notes) or None)
    claim = place.queue.claim(worker, MODELS)
    assert claim is not None and place.node(node).state == "running"
    started._slots[0].process.kill()  # pyright: ignore[reportOptionalMemberAccess]
    waited(lambda: True if place.node(node).state == "waiting" else None)
    started.stop()


def test_a_worker_that_will_not_end_is_killed(place: Yard, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "PATIENCE_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(os.environ['NOTES'] + '2', 'w')"
    started = supervisor(place.queue, f"{deaf}; time.sleep(60)", workers=2)
    started.start()
    waited(lambda: (len(began(notes)) == 2 and Path(f"{notes}2").exists()) or None)
    time.sleep(0.2)
    started.stop()
    assert all(slot.process is not None and slot.process.poll() is not None for slot in started._slots)


def test_settings_reach_other_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: dict[str, Any] = {"data": tmp_path, "models": ("a/b", "c"), "fake": True, "step_seconds": 0.5, "workers": 0}
    settings = ServerSettings(**given)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert ServerSettings() == settings and ServerSettings(workers=4).workers == 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("serve", "--port", "70000"), 2, "port"),
        (("serve", "--workers", "-1"), 2, "workers"),
        (("serve", "--host", "0.0.0.0"), 11, "needs users"),
        (("serve", "--database", "mysql://a/b", "--port", "0"), 11, "postgresql"),
        (("worker", "--database", "postgresql://me:secret@127.0.0.1:9/x"), 11, "cannot be used"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from retouch.cli.main import run

    assert run([*arguments, "--data", str(tmp_path)]) == code
    told = capsys.readouterr().err
    assert words in told and "Traceback" not in told and "secret" not in told
    assert PREFIX and CliRunner().invoke(app, ["serve", "--help"]).exit_code == 0


def test_a_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from retouch.cli.main import run

    (tmp_path / "data").write_text("x")
    assert run(["worker", "--data", str(tmp_path / "data")]) == 11
    assert "cannot be made" in capsys.readouterr().err
