"""Pushing pairs: what would go, and what arrives as a dataset at a hub of our own on the loopback device."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from tests.models.hub_server import Hub, serving
from tests.training.conftest import write_squares

from retouch.core.errors import DataError
from retouch.core.upload import send
from retouch.datagen.exported import export_pairs
from retouch.datagen.push import planned_dataset
from retouch.records.shards import read_records


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return write_squares(tmp_path / "records", "train", 4)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield hub


def test_a_plan_is_an_export_that_goes_again(records: Path) -> None:
    with planned_dataset(records, "someone/squares", layout="parquet", licence="cc0-1.0") as upload:
        assert [file.path for file in upload.files] == ["README.md", "data/train-00000.parquet"]
        assert (upload.contents, upload.title, upload.licence) == ("dataset", "squares", "cc0-1.0")
        assert upload.folder.is_dir()
    assert not upload.folder.exists()


def test_an_export_goes_as_it_is(records: Path, tmp_path: Path) -> None:
    export_pairs(records, tmp_path / "out", layout="webdataset", title="Mine")
    with planned_dataset(tmp_path / "out", "someone/squares", layout="parquet") as upload:
        assert (upload.folder, upload.title) == (tmp_path / "out", "Mine")
        assert [file.path for file in upload.files] == ["README.md", "data/train-00000.tar"]
    assert (tmp_path / "out").is_dir()


def test_what_cannot_go_is_refused(records: Path, tmp_path: Path) -> None:
    for folder, repository, said in (
        (tmp_path, "someone/a", "neither records nor an export"),
        (records, "a", "names no owner"),
    ):
        with pytest.raises(DataError, match=said), planned_dataset(folder, repository, layout="parquet"):
            pass


def test_pairs_arrive_as_a_dataset(records: Path, hub: Hub, tmp_path: Path) -> None:
    with planned_dataset(records, "someone/squares", layout="diffusers") as upload:
        address = send(upload, private=True, revision="first")
    assert address.startswith(f"{hub.address}/someone/squares/commit/")
    assert (hub.private, hub.branches) == ({"someone/squares": True}, ["first"])
    assert "POST /api/datasets/someone/squares/commit/first" in hub.requests
    assert not any("/api/models/" in request for request in hub.requests)
    (tmp_path / "back.parquet").write_bytes(hub.files["someone/squares", "first", "data/train-00000.parquet"])
    assert pq.read_table(tmp_path / "back.parquet").num_rows == 4


def test_errors_are_about_data(records: Path, hub: Hub) -> None:
    hub.private["someone/squares"] = False
    with planned_dataset(records, "someone/squares", layout="parquet") as upload:
        with pytest.raises(DataError, match="is public"):
            send(upload, private=True)
        hub.refuse = 403
        with pytest.raises(DataError, match="may not write"):
            send(upload)


@pytest.mark.parametrize("layout", ["parquet", "webdataset"])
def test_the_commands_push_and_import_as_somebody_would(layout: str, records: Path, hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    environment = {
        **os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }  # fmt: skip

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "retouch", "data", *map(str, arguments), "--layout", layout]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    done = run("push", records, "someone/squares")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Pushed 2 files") and f"{hub.address}/someone/squares/commit/" in done.stdout
    done = run("import", "someone/squares", "--out", tmp_path / "back")
    assert done.returncode == 0, done.stderr
    assert "4 pairs, 4 of them new" in done.stdout
    for before, after in zip(read_records(records), read_records(tmp_path / "back"), strict=True):
        assert (before.edit_prompt, before.source_image) == (after.edit_prompt, after.source_image)
        assert layout == "webdataset" or before == after
    done = run("import", "someone/none", "--out", tmp_path / "none")
    assert done.returncode == 6 and done.stderr.startswith("error: The dataset 'someone/none' cannot be had")
