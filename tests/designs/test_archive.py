"""Archives: out and in again is the same design; what was made to do harm is refused in one sentence."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.designs.trees import AT, asked, new_design, requests, words

from retouch.core.errors import DesignError
from retouch.designs import archive, changes
from retouch.designs.archive import open_archive, write_archive
from retouch.designs.design import Design, begun, finish
from retouch.designs.request import Request, Shown, Where, to_json
from retouch.designs.written import read_design, write_design

GOLDEN = Path(__file__).parents[1] / "goldens" / "designs" / "format-1.zip"
PICTURES = [b"first picture", b"second picture", b"a mask", b"a reference"]
STORE = {hashlib.sha256(data).hexdigest(): data for data in PICTURES}
FIRST, SECOND, MASK, REFERENCE = STORE


def example() -> Design:
    design = begun("root", image=FIRST, at=AT)
    shown = Request(
        instruction="put it on the table ünïcödé",
        region=Where(kind="mask", upload=MASK),
        references=(Shown(upload=REFERENCE, weight=0.5),),
    )
    design = changes.branch(design, "root", [shown, asked("b", seed=1)], ids=["a", "b"], change="1", at=AT).design
    design = finish(design, "a", image=SECOND, mask=MASK, at=AT, warnings=("It was cut.",))
    design = changes.star(design, "a", True, change="2").design
    return changes.prune(design, "b", change="3").design


def packed(design: Design) -> bytes:
    stream = io.BytesIO()
    write_archive(stream, title="My room", design=design, read=STORE.__getitem__)
    return stream.getvalue()


def repacked(change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> io.BytesIO:
    """The example's archive after a change of its files."""
    with zipfile.ZipFile(io.BytesIO(packed(example()))) as source:
        files = {name: source.read(name) for name in source.namelist()}
    change(files)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as target:
        for name, data in files.items():
            target.writestr(name, data)
    stream.seek(0)
    return stream


def test_out_and_in_again() -> None:
    with open_archive(io.BytesIO(packed(example()))) as opened:
        assert opened.title == "My room"
        ended = example().having([replace(example()["b"], state="cancelled")])
        assert opened.design == ended
        assert {digest: opened.picture(digest) for digest in (FIRST, SECOND, MASK)} == {
            digest: STORE[digest] for digest in (FIRST, SECOND, MASK)
        }
        assert opened.upload(REFERENCE) == STORE[REFERENCE]
        with pytest.raises(DesignError, match="missing"):
            opened.picture("../../etc/passwd")


def test_the_same_design_gives_the_same_bytes() -> None:
    assert packed(example()) == packed(example())


def test_what_the_first_version_wrote_is_read() -> None:
    """`format-1.zip` is `packed(example())` of the version that began the format; it is never written again."""
    with GOLDEN.open("rb") as stream, open_archive(stream) as opened:
        assert opened.design == example().having([replace(example()["b"], state="cancelled")])


@given(asks=st.lists(requests, max_size=4), title=words)
def test_any_design_as_json_and_back(asks: list[Request], title: str) -> None:
    ids = [f"n{number}" for number in range(len(asks))]
    design = changes.branch(new_design(), "root", asks, ids=ids, change="1", at=AT).design
    for name in ids:
        design = finish(design, name, image=FIRST, at=AT)
    assert read_design(json.loads(json.dumps(write_design(title, design)))) == (title, design)


def drop_picture(files: dict[str, bytes]) -> None:
    del files[f"images/{SECOND}.png"]


def drop_upload(files: dict[str, bytes]) -> None:
    del files[f"uploads/{REFERENCE}.png"]


def climb(files: dict[str, bytes]) -> None:
    files["images/../../../tmp/escaped.png"] = b""


def absolute(files: dict[str, bytes]) -> None:
    files["/tmp/escaped.png"] = b""


def program(files: dict[str, bytes]) -> None:
    files["images/run.sh"] = b""


def no_design(files: dict[str, bytes]) -> None:
    del files["design.json"]


def no_json(files: dict[str, bytes]) -> None:
    files["design.json"] = b"{"


def not_utf8(files: dict[str, bytes]) -> None:
    files["design.json"] = b"\xff\xfe\xfd"


def deep_json(files: dict[str, bytes]) -> None:
    files["design.json"] = b"[" * 200_000


def nan_json(files: dict[str, bytes]) -> None:
    files["design.json"] = files["design.json"].replace(b'"weight": 0.5', b'"weight": NaN')


def large_number(files: dict[str, bytes]) -> None:
    files["design.json"] = files["design.json"].replace(b'"weight": 0.5', b'"weight": ' + b"9" * 10_000)


ATTACKS = [
    drop_picture,
    drop_upload,
    climb,
    absolute,
    program,
    no_design,
    no_json,
    not_utf8,
    deep_json,
    nan_json,
    large_number,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_attacks(attack: Callable[[dict[str, bytes]], None]) -> None:
    with pytest.raises(DesignError), open_archive(repacked(attack)):
        pass


def test_a_picture_that_is_not_what_its_name_says() -> None:
    def swap(files: dict[str, bytes]) -> None:
        files[f"images/{SECOND}.png"] = b"something else"

    with open_archive(repacked(swap)) as opened:
        assert opened.picture(FIRST) == STORE[FIRST]
        with pytest.raises(DesignError, match="name says"):
            opened.picture(SECOND)


def test_a_bomb() -> None:
    def blow(files: dict[str, bytes]) -> None:
        files[f"images/{SECOND}.png"] = bytes(20 * 2**20)

    with pytest.raises(DesignError, match="times its size"), open_archive(repacked(blow, zipfile.ZIP_DEFLATED)):
        pass


def test_huge_json() -> None:
    def blow(files: dict[str, bytes]) -> None:
        files["design.json"] += b" " * archive.MAXIMUM_JSON

    with pytest.raises(DesignError, match="64 MB"), open_archive(repacked(blow)):
        pass


def test_a_size_that_lies() -> None:
    """The list says less than what unpacks: no more than it says is unpacked."""
    stream = repacked(lambda files: None, zipfile.ZIP_DEFLATED)
    data = bytearray(stream.getvalue())
    place = data.rfind(f"images/{SECOND}.png".encode())
    data[place - 46 + 24 : place - 46 + 28] = (3).to_bytes(4, "little")
    with open_archive(io.BytesIO(bytes(data))) as opened, pytest.raises(DesignError):
        opened.picture(SECOND)


def test_the_same_file_twice() -> None:
    stream = repacked(lambda files: None)
    with zipfile.ZipFile(stream, "a") as target, pytest.warns(UserWarning):
        target.writestr(f"images/{SECOND}.png", b"other")
    with pytest.raises(DesignError, match="twice"), open_archive(stream):
        pass


def test_a_list_of_files_that_is_too_long() -> None:
    data = bytearray(packed(example()))
    place = data.rfind(b"PK\x05\x06")
    data[place + 12 : place + 16] = (17 * 2**20).to_bytes(4, "little")
    with pytest.raises(DesignError, match="more files"), open_archive(io.BytesIO(bytes(data))):
        pass


def test_cut_anywhere_or_changed_anywhere_it_is_refused_or_read_right() -> None:
    data = packed(example())
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 0xFF
        for damaged in (data[:place], bytes(changed)):
            try:
                with open_archive(io.BytesIO(damaged)) as opened:
                    assert all(opened.picture(digest) == STORE[digest] for digest in opened.design.pictures)
            except DesignError:
                continue


def test_no_zip_at_all() -> None:
    for data in (b"", b"PK", b"PK\x05\x06", b"\x89PNG\r\n", bytes(100_000)):
        with pytest.raises(DesignError, match="damaged or no"), open_archive(io.BytesIO(data)):
            pass


NODE = {
    "id": "root",
    "parent": None,
    "request": None,
    "state": "done",
    "label": "",
    "starred": False,
    "pruned_by": None,
    "image": FIRST,
    "mask": None,
    "error": None,
    "warnings": [],
    "created_at": AT.isoformat(),
    "finished_at": AT.isoformat(),
}
CHILD = {**NODE, "id": "a", "parent": "root", "request": to_json(asked("a"))}


def test_the_plain_design_is_read() -> None:
    assert len(read_design({"format": 1, "title": "", "nodes": [NODE, CHILD]})[1]) == 2


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"format": 2, "title": "", "nodes": [NODE]},
        {"format": True, "title": "", "nodes": [NODE]},
        {"format": [], "title": "", "nodes": [NODE]},
        {"format": 1, "title": None, "nodes": [NODE]},
        {"format": 1, "title": "x" * 201, "nodes": [NODE]},
        {"format": 1, "title": "", "nodes": {}},
        {"format": 1, "title": "", "nodes": []},
        {"format": 1, "title": "", "nodes": [NODE, NODE]},
        {"format": 1, "title": "", "nodes": [NODE] * 20_001},
        *(
            {"format": 1, "title": "", "nodes": [NODE, {**CHILD, name: value}]}
            for name, value in (
                ("id", 3),
                ("id", "\0"),
                ("parent", "nowhere"),
                ("parent", "a"),
                ("request", None),
                ("request", {"unknown": 1}),
                ("state", "unheard of"),
                ("state", "failed"),
                ("state", {}),
                ("label", "x" * 201),
                ("starred", 1),
                ("pruned_by", "x" * 27),
                ("image", "../secret"),
                ("image", None),
                ("mask", "A" * 64),
                ("warnings", "none"),
                ("warnings", [1]),
                ("created_at", "yesterday"),
                ("created_at", "2026-01-01T00:00:00"),
                ("finished_at", 7),
                ("colour", "green"),
            )
        ),
        {"format": 1, "title": "", "nodes": [{**NODE, "state": "failed", "image": None}]},
    ],
    ids=lambda values: str(values)[-60:],
)
def test_what_is_no_design(values: object) -> None:
    with pytest.raises(DesignError):
        read_design(values)
