"""Files appear whole or not at all, whatever goes wrong."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from retouch.core.errors import OutputError
from retouch.core.files import atomic_folder, atomic_write, check_writable


def test_writes_replaces_and_creates_folders(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file.png"
    assert check_writable(target) == target
    assert not target.parent.exists()
    atomic_write(target, b"one")
    atomic_write(target, b"two")
    assert target.read_bytes() == b"two"
    assert [entry.name for entry in target.parent.iterdir()] == ["file.png"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    atomic_write(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


@pytest.mark.parametrize("failing", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: BaseException
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def fail(_: int) -> None:
        raise failing

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError if isinstance(failing, OSError) else KeyboardInterrupt) as caught:
        atomic_write(target, b"new")
    assert isinstance(failing, KeyboardInterrupt) or "disk is full" in str(caught.value)
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path: Path) -> None:
    """A real refusal by the kernel: the process may not write files over 4 KiB."""
    program = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from retouch.core.files import atomic_write\n"
        "from retouch.core.errors import OutputError\n"
        "try:\n    atomic_write(sys.argv[1], bytes(100_000))\n"
        "except OutputError as error:\n    print(error)\n"
    )
    target = tmp_path / "file.png"
    done = subprocess.run([sys.executable, "-c", program, str(target)], capture_output=True, text=True, check=True)
    assert "larger than allowed" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path, tmp_path / "file" / "inside.png", Path("/dev/null"), Path("/proc/none/x.png")):
        with pytest.raises(OutputError) as caught:
            check_writable(path)
            atomic_write(path, b"x")
        assert str(path) in str(caught.value)


def test_the_suffix_is_checked(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "A.PNG", suffixes=(".png",))
    with pytest.raises(OutputError, match=r"must end in \.png"):
        check_writable(tmp_path / "a.jpg", suffixes=(".png",))


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    (tmp_path / ".out.partial" / "left").mkdir(parents=True)
    (tmp_path / ".out.partial" / "file").touch()
    (tmp_path / "out").mkdir()
    with atomic_folder(tmp_path / "out") as folder:
        assert not list(folder.iterdir()), "what a killed run left is gone"
        (folder / "a").write_text("a")
        assert not list((tmp_path / "out").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "a"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_folder_that_fails_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        raise error
    assert not list(tmp_path.iterdir())


def test_a_folder_on_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the disk is full"), atomic_folder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_or_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(OutputError, match="full is not empty"), atomic_folder(tmp_path / "full"):
        pass
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
        with pytest.raises(OutputError, match="Another run is writing"), atomic_folder(tmp_path / "out"):
            pass
        assert (folder / "a").exists()
