"""OpenVINO's networks on disk: made by one process, whole or not at all, there while somebody reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retouch.models.openvino import kept
from retouch.models.openvino.kept import FACTS, NETWORK, clear_kept, kept_folder, kept_network

CACHE = "RETOUCH_CACHE"


def test_of_two_processes_one_makes_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import time\nfrom pathlib import Path\nfrom retouch.models.openvino.kept import kept_network\n"
        "def write(folder):\n"
        "    time.sleep(0.3)\n"
        "    (folder / 'network.xml').write_text('x')\n"
        f"    with open({str(tmp_path / 'made')!r}, 'a') as made: made.write('once ')\n"
        "with kept_network('unet-0', write) as place:\n"
        "    print(place)\n"
    )
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    runs = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {run.communicate(timeout=120)[0] for run in runs}
    assert all(run.returncode == 0 for run in runs) and len(answers) == 1
    assert (tmp_path / "made").read_text() == "once "


def test_the_longest_unused_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setattr(kept, "LIMIT", 5000)

    def write(folder: Path) -> None:
        (folder / NETWORK).write_bytes(bytes(2000))

    for time, key in enumerate(("one", "two", "three")):
        with kept_network(key, write):
            pass
        os.utime(kept_folder() / key / FACTS, (time, time))
    with kept_network("one", write), kept_network("four", write) as place:
        assert place.name == "four"
    assert {place.name for place in kept_folder().iterdir() if place.is_dir()} == {"one", "three", "four"}
    assert clear_kept() > 6000 and clear_kept() == 0


def test_a_failed_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / NETWORK).write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), kept_network("unet-0", fail):
        pass
    assert [place.name for place in kept_folder().iterdir()] == ["unet-0.lock"]


def test_what_is_being_read_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))

    def write(folder: Path) -> None:
        (folder / NETWORK).write_bytes(bytes(2000))

    with kept_network("one", write) as place:
        assert clear_kept() == 0 and (place / NETWORK).is_file()
        monkeypatch.setattr(kept, "LIMIT", 100)
        with kept_network("two", write):
            assert (place / NETWORK).is_file()
    assert clear_kept() > 4000 and not place.exists()
