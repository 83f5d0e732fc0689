"""Pairs of other layouts become records row by row: what is broken, what resumes, and what is refused."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import constants
from tests.datagen import published
from tests.training.conftest import square, write_squares

from retouch.core.errors import Cancelled, DataError, MissingExtraError, SettingsError
from retouch.datagen.exported import export_pairs
from retouch.datagen.imported import import_pairs
from retouch.datagen.skipped import SKIPPED, skipped_reasons
from retouch.records.layouts.row import ReadOptions
from retouch.records.pair import PairRecord
from retouch.records.shards import count_records, read_records


def imported(source: Path, out: Path, layout: str = "image-folder") -> list[PairRecord]:
    import_pairs(str(source), out, layout=layout)
    return list(read_records(out))


def words(record: PairRecord) -> tuple[str, str, str]:
    return record.edit_prompt, record.source_caption, record.target_caption


def folder_of(place: Path, count: int, broken: tuple[int, ...] = ()) -> Path:
    """An image folder of pairs whose pictures are cut short where `broken` says so."""
    place.mkdir()
    (place / "a.png").write_bytes(square("red", left=0))
    (place / "b.png").write_bytes(square("red", left=0)[:99])
    lines = [
        {
            "source_image_file_name": "a.png",
            "target_image_file_name": "b.png" if number in broken else "a.png",
            "edit_prompt": f"edit {number}",
        }
        for number in range(count)
    ]
    (place / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return place


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_columns_of_the_rebuilt_instruct_pix2pix_are_known(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(square("red", left=0))
    line = {
        "original_prompt": "a red square", "original_image_file_name": "a.png", "edit_prompt": "make it blue",
        "edited_prompt": "a blue square", "edited_image_file_name": "b.png",
    }  # fmt: skip
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line) + "\n\n")
    (record,) = imported(tmp_path, tmp_path / "out")
    assert words(record) == ("make it blue", "a red square", "a blue square")
    assert (record.kind, record.engine, record.split) == ("imported", "imported", "train")


def test_columns_can_be_named_otherwise(tmp_path: Path) -> None:
    source = published.table(
        tmp_path / "pairs.parquet",
        [
            {
                "before": published.RED,
                "after": published.image(published.BLUE),
                "words": "make it blue",
                "what": "square",
            }
        ],
    )
    with pytest.raises(DataError, match=r"has no column input_image or .*, only before, after, words, what; say which"):
        import_pairs(str(source), tmp_path / "out", layout="diffusers")
    columns = {"source": "before", "target": "after", "instruction": "words", "object": "what"}
    summary = import_pairs(
        str(source), tmp_path / "named", layout="diffusers", options=ReadOptions(columns=columns), split="bench"
    )
    (record,) = read_records(tmp_path / "named")
    assert (summary.pairs, record.edit_prompt, record.object, record.split) == (1, "make it blue", "square", "bench")
    with pytest.raises(SettingsError, match="cannot be given for 'before'; choose from source, target"):
        ReadOptions(columns={"before": "source"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"edit_prompt": "x"}', "Line 1 of .* has nothing under source_image_file_name, target_image_file_name; mend"),
        ("[]", "Line 1 of .* is no JSON object; mend it, or leave such rows out with --on-error skip"),
        ("{", "Line 1 of .* is not JSON"),
        ('{"edit_prompt": "x", "source_image_file_name": "../a.png", "target_image_file_name": "b"}', "not inside"),
        ('{"edit_prompt": "x", "source_image_file_name": "/a.png", "target_image_file_name": "b"}', "not inside"),
        ('{"edit_prompt": "x", "source_image_file_name": "a.png", "target_image_file_name": "b"}', "Line 1 of"),
        ("", "lists no pairs"),
    ],
)
def test_what_is_wrong_is_said(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(DataError, match=said):
        imported(tmp_path, tmp_path / "out")


def test_folders_of_splits_are_read(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    folder_of(tmp_path / "set" / "train", 2)
    folder_of(tmp_path / "set" / "validation", 1)
    splits = [record.split for record in imported(tmp_path / "set", tmp_path / "out")]
    assert splits == ["train", "train", "validation"]


def test_broken_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source", 40, broken=(3, 35))
    with (source / "metadata.jsonl").open("a") as lines:
        lines.write('{"edit_prompt": "no pictures"}\nno json\n')
    with pytest.raises(DataError, match=r'Line 4 of .*: "b.png" is damaged or cut short; mend it'):
        import_pairs(str(source), tmp_path / "out", layout="image-folder")
    summary = import_pairs(str(source), tmp_path / "out", layout="image-folder", on_error="skip")
    assert (summary.pairs, dict(summary.skipped)) == (38, {"picture": 2, "missing": 1, "line": 1})
    assert skipped_reasons(tmp_path / "out") == summary.skipped
    rows = [json.loads(line)["row"] for line in (tmp_path / "out" / SKIPPED).read_text().splitlines()]
    assert rows == [3, 35, 40, 41]
    again = import_pairs(str(source), tmp_path / "out", layout="image-folder", on_error="skip")
    assert (again.pairs, again.made, again.skipped) == (38, 0, summary.skipped)


def test_an_interrupted_import_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source", 100, broken=(40, 70))
    bring = partial(import_pairs, str(source), layout="image-folder", on_error="skip")
    bring(tmp_path / "whole")
    answers = iter([False, False, True])
    seen: list[int] = []
    with pytest.raises(Cancelled, match="63 pairs are saved"):
        bring(tmp_path / "out", cancelled=lambda: next(answers), on_progress=seen.append)
    assert seen == [32, 64]
    bring(tmp_path / "out", workers=0, limit=80)
    assert count_records(tmp_path / "out") == 78
    summary = bring(tmp_path / "out", workers=3)
    assert (summary.pairs, summary.made) == (98, 20)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")
    bring(tmp_path / "out", limit=1)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole"), "a smaller limit takes nothing away"


def test_another_source_or_split_is_another_folder(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source", 2)
    import_pairs(str(source), tmp_path / "out", layout="image-folder")
    with pytest.raises(DataError, match="split differ"):
        import_pairs(str(source), tmp_path / "out", layout="image-folder", split="bench")
    (source / "more.png").write_bytes(b"")
    with pytest.raises(DataError, match="source differ"):
        import_pairs(str(source), tmp_path / "out", layout="image-folder")


def test_layouts_and_sources_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="choose image-folder, instruct-pix2pix"):
        import_pairs(str(tmp_path), tmp_path / "out", layout="zip")
    with pytest.raises(DataError, match=r"metadata.jsonl cannot be read"):
        import_pairs(str(tmp_path), tmp_path / "out", layout="image-folder")
    with pytest.raises(DataError, match=r"neither a seeds.json nor .parquet"):
        import_pairs(str(tmp_path), tmp_path / "out-2", layout="instruct-pix2pix")
    (tmp_path / "seeds.json").write_text('{"a": 3}')
    with pytest.raises(DataError, match="is no list of"):
        import_pairs(str(tmp_path), tmp_path / "out-3", layout="instruct-pix2pix")
    for layout in ("magicbrush", "webdataset", "parquet"):
        with pytest.raises(DataError, match="holds no"):
            import_pairs(str(tmp_path / "none"), tmp_path / layout, layout=layout)
    for name, layout in (("broken.parquet", "ultraedit"), ("broken.tar", "webdataset")):
        (tmp_path / name).write_bytes(b"broken" * 200)
        with pytest.raises(DataError, match=r"broken.* that can be read"):
            import_pairs(str(tmp_path / name), tmp_path / f"{layout}-out", layout=layout)
    with pytest.raises(SettingsError, match="limit 0"):
        import_pairs(str(tmp_path), tmp_path / "out", layout="image-folder", limit=0)


def test_without_a_network_the_hub_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"'someone/pairs' is not on this machine and HF_HUB_OFFLINE is set; .*`hf down"
    ):
        import_pairs("someone/pairs", tmp_path / "out", layout="magicbrush")
    with pytest.raises(DataError, match="hf download --repo-type dataset someone/pairs"):
        import_pairs("someone/pairs", tmp_path / "out-2", layout="open-images")


def test_without_a_network_the_hubs_cache_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, repository = "0123456789abcdef0123456789abcdef01234567", tmp_path / "hub" / "datasets--someone--pairs"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    published.fusing(repository / "snapshots" / commit / "data" / "test-0.parquet")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    import_pairs("someone/pairs", tmp_path / "out", layout="diffusers")
    (record,) = read_records(tmp_path / "out")
    assert (record.edit_prompt, record.split) == ("make it blue", "bench")


def test_the_hub_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'retouch\[train\]'"):
        import_pairs("someone/pairs", tmp_path / "out", layout="diffusers")


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    records = write_squares(tmp_path / "records", "validation", 5)
    export_pairs(records, tmp_path / "table", layout="parquet")
    assert imported(tmp_path / "table", tmp_path / "back", "parquet") == list(read_records(records))
    with pytest.raises(DataError, match=r"lacks edit_prompt, .*holds no records"):
        imported(published.table(tmp_path / "other.parquet", [{"id": "a"}]), tmp_path / "other", "parquet")
