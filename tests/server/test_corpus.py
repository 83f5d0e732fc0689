"""Pictures that were damaged, disguised or unusual on purpose, at every route that takes one."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.server.conftest import ADDRESS
from tests.server.rooms import ok, png, tree

from retouch.server.app import create_app
from retouch.server.context import Context

PLACE = "GPS"
_LATITUDE = (52.0, 31.0, 12.0)


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def photo() -> Image.Image:
    """Noise, which no format makes small."""
    return Image.frombytes("RGB", (60, 40), random.Random(5).randbytes(60 * 40 * 3))


def located(kind: str) -> bytes:
    """A picture that says where it was taken, and by whom, turned by its EXIF."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Jane Doe"
    exif.get_ifd(0x8825).update({1: "N", 2: _LATITUDE, 3: "E", 4: _LATITUDE})
    return saved(photo(), kind, exif=exif.tobytes())


def huge_header() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a hundred bytes."""
    body = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", body), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


GOOD: dict[str, Callable[[], bytes]] = {
    "png": lambda: saved(photo(), "PNG"),
    "16 bits": lambda: saved(Image.new("I;16", (60, 40), 40_000), "PNG"),
    "palette": lambda: saved(photo().quantize(16), "PNG"),
    "grey": lambda: saved(photo().convert("L"), "PNG"),
    "one bit": lambda: saved(photo().convert("1"), "PNG"),
    "transparent": lambda: saved(photo().convert("RGBA"), "PNG"),
    "cmyk": lambda: saved(photo().convert("CMYK"), "JPEG"),
    "progressive": lambda: saved(photo(), "JPEG", progressive=True),
    "webp": lambda: saved(photo(), "WEBP", lossless=True),
    "junk behind": lambda: saved(photo(), "PNG") + b"<script>alert(1)</script>",
    "located jpeg": lambda: located("JPEG"),
    "located png": lambda: located("PNG"),
    "located webp": lambda: located("WEBP"),
}
EITHER: dict[str, Callable[[], bytes]] = {
    "animated webp": lambda: saved(photo(), "WEBP", save_all=True, append_images=[photo().rotate(90)]),
    "animated png": lambda: saved(photo(), "PNG", save_all=True, append_images=[photo().rotate(90)]),
}
"""Taken as their first picture, or refused."""
BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"not a picture",
    "svg": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": lambda: b"<!doctype html><script>alert(1)</script>",
    "gif": lambda: saved(photo(), "GIF"),
    "bmp": lambda: saved(photo(), "BMP"),
    "tiff": lambda: saved(photo(), "TIFF"),
    "ico": lambda: saved(photo(), "ICO"),
    "eps": lambda: saved(photo(), "EPS"),
    "pdf": lambda: saved(photo(), "PDF"),
    "pickle": lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "zip": lambda: b"PK\x03\x04" + bytes(100),
    "huge header": huge_header,
    "tiny": lambda: png((1, 1)),
    "wrong magic": lambda: b"\x89PNG\r\n\x1a\n" + saved(photo(), "JPEG"),
    "nothing but magic": lambda: b"\x89PNG\r\n\x1a\n",
    "truncated png": lambda: saved(photo(), "PNG")[:-900],
    "truncated jpeg": lambda: saved(photo(), "JPEG")[:-900],
    "truncated webp": lambda: saved(photo(), "WEBP", lossless=True)[:-900],
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, ready_sqlite: object) -> Iterator[TestClient]:
    from pathlib import Path

    from retouch.server.blobs import open_blobs
    from retouch.server.store.database import open_database

    folder = tmp_path_factory.mktemp("corpus")
    (folder / "corpus.db").write_bytes(Path(str(ready_sqlite)).read_bytes())
    database = open_database(f"sqlite:///{folder}/corpus.db")
    context = Context(database=database, blobs=open_blobs(str(folder / "pictures")))
    with TestClient(create_app(context), base_url=ADDRESS, raise_server_exceptions=False) as client:
        ok(client.post("/api/v1/login", json={"token": context.entrance.once.draw()}))
        yield client
    database.close()


def statuses(client: TestClient, data: bytes) -> dict[str, int]:
    """What each route says to a picture, under a name and a type that lie."""
    sent = {"image": ("../../etc/passwd\0.png", data, "image/png")}
    edit = client.post("/v1/images/edits", files=sent, data={"prompt": "red", "model": "nothing"})
    assert edit.json()["error"]["code"] in ("unknown-model", "bad-image", "bad-request"), edit.text
    return {
        "upload": client.post("/api/v1/uploads", files=sent).status_code,
        "project": client.post("/api/v1/projects", files=sent).status_code,
        "edit": edit.status_code,
    }


@pytest.mark.parametrize("name", GOOD)
def test_what_is_a_picture_is_kept_as_nothing_but_pixels(shared: TestClient, name: str) -> None:
    data = GOOD[name]()
    sent = {"image": ("photo", data, "application/octet-stream")}
    made = ok(shared.post("/api/v1/uploads", files=sent))
    root = ok(shared.post("/api/v1/projects", files=sent))["project"]["root_id"]
    for path in (f"/api/v1/uploads/{made['id']}/image", f"/api/v1/nodes/{root}/image"):
        answer = shared.get(path)
        kept = answer.content
        assert answer.headers["content-type"] == "image/png" and b"script" not in kept and b"Jane" not in kept
        with Image.open(io.BytesIO(kept)) as image:
            image.load()
            assert not image.getexif() and not image.info.get("exif") and image.mode in ("RGB", "RGBA")
            assert image.size == ((40, 60) if name.startswith("located") else (60, 40))


@pytest.mark.parametrize("name", BAD)
def test_what_is_none_is_refused(shared: TestClient, name: str) -> None:
    assert statuses(shared, BAD[name]()) == {"upload": 422, "project": 422, "edit": 400}


@pytest.mark.parametrize("name", EITHER)
def test_what_moves_is_its_first_picture_or_refused(shared: TestClient, name: str) -> None:
    assert set(statuses(shared, EITHER[name]()).values()) <= {201, 400, 422}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_flipped_bytes_break_nothing(shared: TestClient, kind: str) -> None:
    chance = random.Random(7)
    whole = saved(photo(), kind)
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(min(len(data), 400))] = chance.randrange(256)
        answer = shared.post("/api/v1/uploads", files={"image": ("a.png", bytes(data), "image/png")})
        assert answer.status_code in (201, 422), answer.text


def test_names_of_files_lead_nowhere(shared: TestClient) -> None:
    for name in ("../../../etc/passwd", "..\\..\\x.png", "a" * 900 + ".png", "<img src=x>.png", "\u202egnp.exe"):
        made = ok(shared.post("/api/v1/projects", files={"image": (name, png(), "image/png")}))
        assert len(made["project"]["title"]) <= 200 and "/" not in made["project"]["title"]
        assert tree(shared, made["project"]["id"])["project"]["title"] == made["project"]["title"]
