"""Hub ids: a model in the cache works offline, what is missing is said, and nothing is asked over the network."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from retouch.core.errors import ModelError
from retouch.models import sources
from retouch.models.catalogue import KNOWN_ON_HUB, catalogue
from retouch.models.load import load
from retouch.models.sources import find_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds the model `someone/tiny`; returns its snapshot."""
    repository = tmp_path / "hub" / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return Path(shutil.copytree(tiny_folder, repository / "snapshots" / COMMIT))


def test_a_cached_model_loads_offline(cache: Path) -> None:
    assert find_model("someone/tiny") == cache
    checkpoint = load("someone/tiny")
    assert (checkpoint.source, checkpoint.kind) == ("someone/tiny", "instruct")


def test_a_commit_can_be_named_and_a_missing_one_is_refused(cache: Path) -> None:
    assert find_model("someone/tiny", revision=COMMIT) == cache
    with pytest.raises(ModelError, match="'someone/tiny' at revision 'other' is not on this machine"):
        find_model("someone/tiny", revision="other")


def test_a_half_downloaded_model_says_what_is_missing(cache: Path) -> None:
    shutil.rmtree(cache / "vae")
    with pytest.raises(ModelError, match="'someone/tiny' has no vae"):
        load("someone/tiny")


def test_only_what_is_loaded_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, object] = {}

    def download(source: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.update(source=source, revision=revision, patterns=allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(sources, "snapshot_download", download)
    find_model("someone/tiny", revision="v1", variant="fp16")
    patterns = asked.pop("patterns")
    assert asked == {"source": "someone/tiny", "revision": "v1"}
    assert isinstance(patterns, list)
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in patterns
    assert "retouch.json" in patterns
    assert not any("safety_checker" in pattern or ".bin" in pattern or ".ckpt" in pattern for pattern in patterns)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (HFValidationError("bad"), "neither a folder nor a valid hub id"),
        (LocalEntryNotFoundError("offline"), "not on this machine"),
        (ConnectionResetError("the line went dead"), "failed .the line went dead.; try again"),
    ],
)
def test_what_goes_wrong_on_the_way_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(sources, "snapshot_download", fail)
    with pytest.raises(ModelError, match=message):
        find_model("someone/tiny")


def test_the_catalogue_lists_the_cache_and_known_ids(cache: Path) -> None:
    entries = {entry.source: entry for entry in catalogue()}
    assert entries["someone/tiny"].place == "cache"
    assert entries["someone/tiny"].kind == "instruct"
    assert (entries["someone/tiny"].size_bytes or 0) > 100_000
    for source in KNOWN_ON_HUB:
        assert (entries[source].place, entries[source].size_bytes) == ("hub", None)


def test_the_catalogue_does_without_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "nothing"))
    assert {entry.place for entry in catalogue()} <= {"package", "hub"}
