"""Miniature copies of published benchmarks, in their own layouts, and a folder of records."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

SIDE = 64


def noise(seed: int, width: int = SIDE, height: int = SIDE) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def box(width: int = SIDE, height: int = SIDE) -> Image.Image:
    mask = Image.new("L", (width, height))
    mask.paste(255, (8, 8, 32, 40))
    return mask


def png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def hole(picture: Image.Image, region: Image.Image) -> Image.Image:
    """The picture, transparent in a region, as MagicBrush's masks are."""
    painted = picture.convert("RGBA")
    painted.putalpha(region.point(lambda value: 255 - value))
    return painted


def cell(picture: Image.Image | None) -> Mapping[str, object] | None:
    return None if picture is None else {"bytes": png(picture), "path": None}


def table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=2)
    return path


def zipped(folder: Path, place: Path, below: str = "") -> Path:
    """The folder's files in a zip, below a folder of that name, with the litter that some systems add."""
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, below + path.relative_to(folder).as_posix())
                archive.writestr(f"__MACOSX/{below}{path.relative_to(folder).as_posix()}", b"litter")
    return place


def magicbrush_rows() -> list[dict[str, object]]:
    def row(session: str, turn: int, seed: int) -> dict[str, object]:
        return {
            "img_id": session,
            "turn_index": turn,
            "source_img": cell(noise(seed)),
            "mask_img": cell(hole(noise(seed), box())),
            "instruction": f"edit {seed}",
            "target_img": cell(noise(seed + 1)),
        }

    return [row("7", 1, 10), row("7", 2, 11), row("9", 1, 20)]


def magicbrush_tables(folder: Path) -> Path:
    table(folder / "data" / "dev-00000-of-00001.parquet", magicbrush_rows())
    table(folder / "data" / "train-00000-of-00001.parquet", [dict(magicbrush_rows()[0], img_id="1")])
    return folder


def magicbrush_sessions(folder: Path) -> Path:
    sessions, captions = {}, {}
    for session, seeds in {"7": (10, 11), "9": (20,)}.items():
        place = folder / "images" / session
        place.mkdir(parents=True)
        noise(seeds[0]).save(place / f"{session}-input.png")
        turns = []
        for turn, seed in enumerate(seeds, 1):
            before = f"{session}-input.png" if turn == 1 else f"{session}-output{turn - 1}.png"
            after, mask = f"{session}-output{turn}.png", f"{session}-mask{turn}.png"
            noise(seed + 1).save(place / after)
            hole(noise(seed), box()).save(place / mask)
            turns.append({"input": before, "mask": mask, "output": after, "instruction": f"edit {seed}"})
        sessions[session] = turns
        captions[session] = {turn[side]: f"what {turn[side]} shows" for turn in turns for side in ("input", "output")}
    (folder / "edit_sessions.json").write_text(json.dumps(sessions))
    (folder / "local_descriptions.json").write_text(json.dumps(captions))
    return folder


def emu_edit_rows() -> list[dict[str, object]]:
    def row(index: int, task: str, split: str) -> dict[str, object]:
        return {
            "instruction": f"do {index}",
            "image": cell(noise(index)),
            "task": task,
            "split": split,
            "idx": index,
            "hash": f"{index:x}",
            "input_caption": f"a room {index}",
            "output_caption": f"another room {index}",
        }

    return [row(3, "add", "test"), row(4, "style", "test"), row(5, "add", "validation"), row(6, "add", "test")]


def emu_edit(folder: Path) -> Path:
    table(folder / "data" / "test-00000-of-00001.parquet", emu_edit_rows())
    table(folder / "data" / "validation-00000-of-00001.parquet", [emu_edit_rows()[2]])
    return folder


def pie_entry(number: int, kind: str) -> dict[str, object]:
    return {
        "image_path": f"{kind}_kind/{number:012d}.jpg",
        "original_prompt": f"a [red] cube {number}",
        "editing_prompt": f"a [blue]  cube {number}",
        "editing_instruction": f"Make cube {number} blue",
        "editing_type_id": kind,
        "blended_word": "red blue",
        "mask": [512 * 100 + 50, 20, 512 * 512 - 512 * 2, 99999],
    }


def pie_bench(folder: Path, kinds: str = "000166") -> Path:
    mapping = {f"{number:012d}": pie_entry(number, kind) for number, kind in enumerate(kinds)}
    for number, entry in enumerate(mapping.values()):
        place = folder / "annotation_images" / str(entry["image_path"])
        place.parent.mkdir(parents=True, exist_ok=True)
        noise(number, 512, 512).resize((32, 32)).resize((512, 512)).save(place, quality=95)
    (folder / "mapping_file.json").write_text(json.dumps(mapping))
    return folder


def cocoee(folder: Path, count: int = 3) -> Path:
    numbers = [1000 + 7 * number for number in range(count)]
    for name in ("GT_3500", "Ref_3500", "Mask_bbox_3500"):
        (folder / name).mkdir(parents=True)
    for number in numbers:
        noise(number).save(folder / "GT_3500" / f"{number:012d}_GT.png")
        noise(number + 1, 30, 40).save(folder / "Ref_3500" / f"{number:012d}_ref.png")
        box().save(folder / "Mask_bbox_3500" / f"{number:012d}_mask.png")
    np.save(folder / "id_list.npy", np.array(numbers, dtype=np.int64))
    return folder


def instruct_pix2pix(folder: Path, count: int = 41) -> Path:
    listed = [[f"{number:07d}", [str(100 + number), str(900 + number)]] for number in range(count)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seeds.json").write_text(json.dumps(listed))
    for name, seeds in listed[-4:]:
        place = folder / str(name)
        place.mkdir()
        told = {"caption": f"before {name}", "edit": f"edit {name}", "output": f"after {name}"}
        (place / "prompt.json").write_text(json.dumps(told))
        for seed in seeds:
            for side in (0, 1):
                noise(int(seed) + side).save(place / f"{seed}_{side}.jpg")
    return folder


def record(number: int, kind: str = "recolour", **changes: object) -> PairRecord:
    facts: dict[str, object] = {
        "id": f"case-{number}",
        "source_image": png(noise(number)),
        "target_image": png(noise(number + 100)),
        "edit_prompt": f"edit {number}",
        "source_caption": "before",
        "target_caption": "after",
        "engine": "made-up",
        "seed": number,
        "params": {"kind": kind, "colour": "red"},
        "split": "bench",
        "mask": png(box()),
        "object_mask": png(box()),
        "reference_images": (png(hole(noise(number), box())),),
    }
    return PairRecord(**{**facts, **changes})  # type: ignore[arg-type]


def records(folder: Path, listed: Sequence[PairRecord]) -> Path:
    with open_writer(folder, engine="made-up", settings={}) as writer:
        for start in range(0, len(listed), 2):
            writer.write(listed[start : start + 2], first_unit=start, units=2)
    return folder
