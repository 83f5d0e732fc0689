"""Every bad input is one sentence, an exit code of its own, no traceback and no output file."""

import io
import pickle
import resource
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.conftest import Command, Ran

from retouch.models.save import save


def expect(ran: Ran, code: int, *said: str) -> None:
    assert ran.code == code, ran.err
    assert ran.out == ""
    assert ran.err.startswith("error: ") and ran.err.count("\n") == 1, ran.err
    assert "Traceback" not in ran.err
    for words in said:
        assert words in ran.err


def header_only(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 60).save(buffer, format="JPEG")
    return buffer.getvalue()


def small_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no file"),
        (lambda: b"words, not pixels", "not a picture"),
        (lambda: jpeg()[:2000], "cut short"),
        (lambda: header_only(30_000, 30_000), "megapixels"),
        (small_png, "3 x 3"),
        (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "SVG"),
        (lambda: b"", "empty"),
    ],
    ids=["missing", "text", "truncated", "huge", "tiny", "svg", "empty"],
)
def test_bad_pictures(
    command: Command, tmp_path: Path, tiny_folder: Path, content: Callable[[], bytes] | None, said: str
) -> None:
    picture, output = tmp_path / "picture.png", tmp_path / "out" / "result.png"
    if content is not None:
        picture.write_bytes(content())
    expect(command("edit", picture, "make it red", "-o", output, "-m", tiny_folder), 3, "picture.png", said)
    assert not output.parent.exists()


@pytest.mark.parametrize(
    "bad",
    [
        (["make it red", "--steps", "-5"], 2, "steps is -5"),
        (["make it red", "--steps", "1000000"], 2, "steps"),
        (["make it red", "--steps", "many"], 2, "--steps"),
        (["make it red", "--text-guidance", "nan"], 2, "text_guidance is nan"),
        (["make it red", "--image-guidance", "inf"], 2, "image_guidance is inf"),
        (["make it red", "--guidance-interval", "0.9"], 2, "--guidance-interval"),
        (["make it red", "--guidance-interval", "0.9,0.1"], 2, "guidance_interval"),
        (["make it red", "--seed", "-1"], 2, "seed is -1"),
        (["make it red", "--count", "0"], 2, "count is 0"),
        (["make it red", "--count", "1000"], 2, "count is 1000"),
        (["make it red", "--seed", str(2**63 - 1), "--count", "2"], 2, "seed + count"),
        (["make it red", "--scheduler", "heun-ish"], 2, "heun-ish"),
        (["make it red", "--device", "abacus"], 2, "abacus"),
        (["make it red", "--precision", "int3"], 2, "int3"),
        ([""], 2, "instruction is empty"),
        (["make it red", "   "], 2, "instruction is empty"),
        ([], 2, "no instruction"),
        (["make it red", "--like", "none.png"], 3, "none.png"),
        (["make it red", "--nonsense"], 2, "--nonsense"),
    ],
    ids=lambda bad: " ".join(bad[0]),
)
def test_bad_settings(command: Command, room: Path, tiny_folder: Path, bad: tuple[list[str], int, str]) -> None:
    options, code, said = bad
    output = room.parent / "out" / "result.png"
    expect(command("edit", room, *options, "-o", output, "-m", tiny_folder), code, said)
    assert not output.parent.exists()


def bad_models(tmp_path: Path, tiny_folder: Path) -> dict[str, tuple[object, str]]:
    incomplete = tmp_path / "incomplete"
    shutil.copytree(tiny_folder, incomplete)
    shutil.rmtree(incomplete / "vae")
    pickled = tmp_path / "model.ckpt"
    pickled.write_bytes(pickle.dumps({"state_dict": {}}))
    (tmp_path / "empty").mkdir()
    return {
        "unknown": ("no-such-model", "unknown"),
        "incomplete": (incomplete, "vae"),
        "pickle": (pickled, "retouch models convert"),
        "empty": (tmp_path / "empty", "model_index.json"),
        "offline hub id": ("somebody/some-model", "HF_HUB_OFFLINE is set"),
    }


@pytest.mark.parametrize("which", ["unknown", "incomplete", "pickle", "empty", "offline hub id"])
def test_bad_models(command: Command, tmp_path: Path, room: Path, tiny_folder: Path, which: str) -> None:
    model, said = bad_models(tmp_path, tiny_folder)[which]
    output = tmp_path / "out" / "result.png"
    expect(command("edit", room, "make it red", "-o", output, "-m", model), 4, said)
    assert not output.parent.exists()


def test_a_model_that_does_not_edit(
    command: Command, tmp_path: Path, room: Path, make_tiny: Callable[..., object]
) -> None:
    folder = save(make_tiny(kind="generate"), tmp_path / "generator")  # pyright: ignore[reportArgumentType]
    output = tmp_path / "result.png"
    expect(command("edit", room, "make it red", "-o", output, "-m", folder), 4, "4 channels")
    assert not output.exists()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/a.png", "http://localhost/a.png", "http://169.254.169.254/latest", "http://[::1]/a"]
)
def test_private_addresses(command: Command, tmp_path: Path, tiny_folder: Path, address: str) -> None:
    output = tmp_path / "result.png"
    expect(command("edit", address, "make it red", "-o", output, "-m", tiny_folder), 3, "private address")
    assert not output.exists()


def test_other_schemes(command: Command, tmp_path: Path) -> None:
    expect(command("edit", "ftp://example.com/a.png", "make it red", "-o", tmp_path / "a.png"), 3, "http")


def test_bad_outputs(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for output, said in [
        (tmp_path / "result.jpg", "must end in .png"),
        (tmp_path / "folder.png", "is a folder"),
        (tmp_path, "is a folder; name a file in it that ends in .png"),
        (room / "result.png", "not a folder"),
    ]:
        expect(command("edit", room, "make it red", "-o", output, "-m", tiny_folder), 5, said)


def read_only_mount() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, _, flags, *_ = line.split()
        if "ro" in flags.split(",") and Path(place).is_dir():
            return Path(place)
    return None


def test_a_read_only_mount(command: Command, room: Path) -> None:
    place = read_only_mount()
    if place is None:
        pytest.skip("this machine has no read-only mount")
    # The model is never asked for: the place is checked before.
    expect(command("edit", room, "make it red", "-o", place / "result.png", "-m", "no-such-model"), 5, str(place))


def test_a_disk_that_takes_no_more(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    """The kernel refuses files over 1 KiB while the command runs, as a full disk would."""
    output = tmp_path / "out" / "result.png"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        ran = command("edit", room, "make it red", "-o", output, "-m", tiny_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    expect(ran, 5, str(output))
    assert list(output.parent.iterdir()) == []


def test_a_long_instruction_is_cut_and_said(command: Command, tmp_path: Path, room: Path, tiny_folder: Path) -> None:
    words = "make the sofa green and " * 10 + "finally purple"
    ran = command("edit", room, words, "-o", tmp_path / "result.png", "-m", tiny_folder)
    assert ran.code == 0
    assert ran.err.startswith("warning: ") and "finally purple" in ran.err
    assert (tmp_path / "result.png").exists()
