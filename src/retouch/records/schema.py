"""The columns of a record in Arrow, typed so that Hugging Face `datasets` shows the pictures as pictures."""

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import pyarrow as pa

from retouch.records.pair import JSON, PairRecord, params_json

Cell: TypeAlias = "str | int | bytes | tuple[bytes, ...] | Mapping[str, JSON] | None"

IMAGE_COLUMNS = ("source_image", "target_image", "mask", "object_mask", "segments")
TEXT_COLUMNS = (
    "id",
    "edit_prompt",
    "source_caption",
    "target_caption",
    "object",
    "engine",
    "params",
    "scores",
    "split",
)
"""`params` and `scores` are JSON texts: their keys differ from record to record."""
REQUIRED_COLUMNS = (
    "id",
    "source_image",
    "target_image",
    "edit_prompt",
    "source_caption",
    "target_caption",
    "engine",
    "seed",
    "params",
    "split",
)
"""What every record has; the other columns may be left out when reading."""
COLUMNS = (
    "id",
    "source_image",
    "target_image",
    "edit_prompt",
    "source_caption",
    "target_caption",
    "mask",
    "object_mask",
    "segments",
    "reference_images",
    "object",
    "engine",
    "seed",
    "params",
    "scores",
    "split",
)


def record_schema() -> pa.Schema:
    """The Arrow schema of a shard, with the `huggingface` metadata that `datasets` reads features from."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features: dict[str, JSON] = {}
    fields = []
    for name in COLUMNS:
        if name in IMAGE_COLUMNS:
            kind, features[name] = image, {"_type": "Image"}
        elif name == "reference_images":
            kind, features[name] = pa.list_(image), {"feature": {"_type": "Image"}, "_type": "List"}
        else:
            kind = pa.int64() if name == "seed" else pa.string()
            features[name] = {"dtype": str(kind), "_type": "Value"}
        fields.append(pa.field(name, kind))
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def to_table(records: Iterable[PairRecord]) -> pa.Table:
    """Lay `records` out as an Arrow table of `record_schema()`."""
    return pa.Table.from_pylist([to_row(record) for record in records], schema=record_schema())


def cell_of(column: str, value: object) -> Cell:
    """Turn what Arrow holds in `column` into what a record holds: images to bytes, JSON texts to mappings."""
    if column in IMAGE_COLUMNS:
        return _image_bytes(value)
    if column == "reference_images":
        images = value if isinstance(value, list) else []
        return tuple(png for png in map(_image_bytes, images) if png is not None)
    if column in ("params", "scores"):
        return json.loads(value) if isinstance(value, str) else {}
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{column} holds {type(value).__name__}")


def to_row(record: PairRecord) -> dict[str, object]:
    """The cells of one record, by column."""
    row: dict[str, object] = {name: getattr(record, name) for name in COLUMNS}
    row |= {name: _image_cell(getattr(record, name)) for name in IMAGE_COLUMNS}
    row["reference_images"] = [_image_cell(png) for png in record.reference_images]
    row["params"] = params_json(record.params)
    row["scores"] = params_json(record.scores)
    return row


def _image_cell(png: bytes | None) -> dict[str, bytes | None] | None:
    return None if png is None else {"bytes": png, "path": None}


def _image_bytes(value: object) -> bytes | None:
    """The bytes of an image cell: a struct as we write it, or plain binary as other tools leave it."""
    if isinstance(value, Mapping):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None
