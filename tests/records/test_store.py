"""Stores: files whole or not at all, on a disk and on a file system of fsspec's."""

from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from retouch.core.errors import DataError
from retouch.records.pair import PairRecord
from retouch.records.shards import read_shard, shard_bytes, shard_entry
from retouch.records.store import RemoteStore, Store, open_store


@pytest.fixture(params=["local", "memory", "renaming"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    folder = str(tmp_path / "records")
    return {
        "local": lambda: open_store(folder),
        "memory": lambda: open_store(f"memory://{folder}"),
        "renaming": lambda: RemoteStore(folder, fsspec.filesystem("file"), folder),
    }[request.param]


def test_files_are_written_read_listed_and_removed(opened: Callable[[], Store]) -> None:
    store = opened()
    assert store.sizes() == {}
    store.write("one", b"first")
    store.write("one", b"again")
    assert store.read("one") == b"again"
    with store.open("one") as file:
        assert file.read(2) == b"ag"
        assert file.seek(0) == 0
    assert store.sizes() == {"one": 5}
    store.remove("one")
    store.remove("one")
    assert store.sizes() == {}
    with pytest.raises(FileNotFoundError):
        store.read("one")


def test_a_second_writer_is_refused_until_the_first_is_done(opened: Callable[[], Store]) -> None:
    store, other = opened(), opened()
    with store.locked(), pytest.raises(DataError, match=r"[Aa]nother run"), other.locked():
        pass
    with other.locked():
        pass


def test_a_shard_comes_back_as_it_was(opened: Callable[[], Store], record: Callable[..., PairRecord]) -> None:
    store, records = opened(), [record(id=f"fake-{number}") for number in range(3)]
    content = shard_bytes(records)
    entry = shard_entry(content, rows=3, first_unit=0, units=3)
    store.write(entry.file, content)
    assert list(read_shard(store, entry)) == records
    store.write(entry.file, content[:-100])
    with pytest.raises(DataError, match="missing or broken"):
        list(read_shard(store, entry))


def test_an_unknown_protocol_is_said() -> None:
    with pytest.raises(DataError, match="cannot be reached"):
        open_store("gopher://somewhere")
