"""Miniature copies of published data sets, in their own layouts."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tests.training.conftest import square


def image(data: bytes | None) -> Mapping[str, object] | None:
    return None if data is None else {"bytes": data, "path": None}


def jpeg(png: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(stream, format="JPEG", quality=95)
    return stream.getvalue()


def png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def disc(size: int = 64, radius: int = 12) -> Image.Image:
    """A white disc in the middle of black, one channel."""
    across, down = np.mgrid[:size, :size] - size // 2
    return Image.fromarray(((across**2 + down**2 < radius**2) * 255).astype(np.uint8))


def hole(picture: bytes, region: Image.Image) -> bytes:
    """The picture, transparent in a region, as MagicBrush's masks are."""
    painted = Image.open(io.BytesIO(picture)).convert("RGBA")
    painted.putalpha(region.point(lambda value: 255 - value))
    return png(painted)


def table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """A Parquet file of rows, without any library's metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=2)
    return path


RED, BLUE, GREEN = (square(colour, left=8) for colour in ("red", "blue", "green"))


def magicbrush(folder: Path) -> Path:
    def row(number: int, turn: int, mask: bytes) -> Mapping[str, object]:
        pictures = {"source_img": image(RED), "mask_img": image(mask), "target_img": image(BLUE)}
        return {"img_id": str(number), "turn_index": turn, "instruction": f"make it blue {turn}", **pictures}

    white = Image.composite(Image.new("RGB", (64, 64), "white"), Image.open(io.BytesIO(RED)).convert("RGB"), disc())
    table(folder / "data" / "train-00000-of-00001.parquet", [row(7, 1, hole(RED, disc())), row(7, 2, png(white))])
    table(folder / "data" / "dev-00000-of-00001.parquet", [row(8, 1, hole(RED, disc()))])
    return folder


def instruct_pix2pix(folder: Path) -> Path:
    row = {
        "original_prompt": "a red square", "original_image": image(RED), "edit_prompt": "make it blue",
        "edited_prompt": "a blue square", "edited_image": image(jpeg(BLUE)),
    }  # fmt: skip
    table(folder / "data" / "train-00000-of-00002.parquet", [row, row])
    table(folder / "data" / "train-00001-of-00002.parquet", [row])
    return folder


def fusing(file: Path) -> Path:
    return table(file, [{"input_image": image(RED), "edit_prompt": "make it blue", "edited_image": image(BLUE)}])


def ultraedit(folder: Path) -> Path:
    row = {
        "clip_sim_source": 0.28, "clip_sim_target": 0.31, "clip_sim_dir": 0.2, "clip_sim_image": 0.8,
        "dinov2_sim": float("nan"), "ssim": 0.9, "source_caption": "a red square", "target_caption": "a blue square",
        "idx": 5, "edit_prompt": "make it blue", "edit_object": None, "source_image": image(RED),
        "edited_image": image(BLUE), "mask_image": None,
    }  # fmt: skip
    table(folder / "data" / "FreeForm_0-00000-of-00001.parquet", [row])
    table(folder / "data" / "Region-00000-of-00001.parquet", [{**row, "mask_image": image(png(disc())), "idx": 6}])
    return folder


def pipe(folder: Path, count: int = 4) -> tuple[Path, Path]:
    """PIPE and PIPE_Masks; the masks in the opposite order, with one that no row asks for."""
    ids = [(100 + number // 2, number) for number in range(count)]
    rows = [
        {
            "source_img": image(RED), "target_img": image(BLUE),
            "Instruction_VLM-LLM": None if number else "put a cat in",
            "Instruction_Class": "add a white cat", "Instruction_Ref_Dataset": None, "object_location": "left",
            "target_img_dataset": "COCO", "img_id": picture, "ann_id": number,
        }
        for picture, number in ids
    ]  # fmt: skip
    masks = [{"mask": image(png(disc(128))), "img_id": str(p), "ann_id": str(n)} for p, n in [*reversed(ids), (1, 1)]]
    table(folder / "pipe" / "data" / "train-0.parquet", rows)
    table(folder / "masks" / "data" / "train-0.parquet", masks)
    return folder / "pipe", folder / "masks"


def open_images(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "0001.jpg").write_bytes(jpeg(RED))
    (folder / "class-descriptions-boxable.csv").write_text("/m/01,Square\n/m/02,Cat\n")
    head = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded"
    boxes = ["0001,x,/m/01,1,0.25,0.75,0.25,0.5,0", "0001,x,/m/02,1,0,0.05,0,0.05,0", "0001,x,/m/02,1,0,1,0,1,0"]
    (folder / "validation-annotations-bbox.csv").write_text("\n".join([head, *boxes]) + "\n")
    return folder
