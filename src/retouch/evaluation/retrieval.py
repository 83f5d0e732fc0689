"""How well an encoder of texts and pictures knows unseen records: each caption's picture, each picture's caption."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.core.images import load_image
from retouch.metrics.clip import Encoder
from retouch.metrics.retrieval import SIDES_PROTOCOL, TOP_ONE_PROTOCOL, compared_sides, top_one
from retouch.records.pair import Split
from retouch.records.shards import read_records

GOAL = 0.60
"""The share of first ranks among 100 unseen rooms that the pocket encoder is held to."""


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """The figures of one encoder on `candidates` records, as fractions, under the protocols named.

    `caption_found` and `picture_found` are shares of first ranks among the targets, whose expectation by
    chance is 1 / `candidates`. `sides_told_apart` is the share of pairs whose two pictures each fit their own
    caption better, a quarter by chance; `directional_similarity` the mean cosine of the change in pictures and
    in captions. Both are None where no caption changes.
    """

    encoder: str
    split: str
    candidates: int
    caption_found: float
    picture_found: float
    edited: int
    sides_told_apart: float | None
    directional_similarity: float | None
    protocols: tuple[str, ...] = (TOP_ONE_PROTOCOL, SIDES_PROTOCOL)
    goal: float = GOAL

    def markdown(self) -> str:
        """Return a table of the figures."""
        rows = [
            ("caption found for the picture", f"{self.caption_found:.1%}", f"≥ {self.goal:.0%}"),
            ("picture found for the caption", f"{self.picture_found:.1%}", f"≥ {self.goal:.0%}"),
        ]
        if self.sides_told_apart is not None and self.directional_similarity is not None:
            rows.append((f"sides of {self.edited} edits told apart", f"{self.sides_told_apart:.1%}", "–"))
            rows.append((f"directional similarity of {self.edited} edits", f"{self.directional_similarity:.3f}", "–"))
        head = [
            f"| among {self.candidates} records of the split {self.split} | {self.encoder} | goal |",
            "|---|---|---|",
        ]
        return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def evaluate_retrieval(
    encoder: Encoder,
    folder: Path,
    *,
    limit: int = 100,
    split: Split = "bench",
    out: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Retrieval:
    """Measure an encoder on the first `limit` records that have both captions; with `out` write report.md and .json.

    Raises DataError where there are fewer than two.
    """
    columns = ("source_image", "target_image", "source_caption", "target_caption")
    told = (
        record
        for record in read_records(folder, columns=columns, split=split)
        if record.source_caption.strip() and record.target_caption.strip()
    )
    records = list(islice(told, limit))
    if len(records) < 2:
        raise DataError(
            f"{folder} holds {len(records)} records of the split '{split}' with both captions, too few to rank; "
            "make more pairs there first."
        )
    seen, read = [], []
    for place, record in enumerate(records, start=1):
        pictures = [load_image(data).pixels for data in (record.source_image, record.target_image)]
        seen.append(encoder.pictures(pictures))
        read.append(encoder.texts([record.source_caption, record.target_caption]))
        on_progress(place, len(records))
    captions = [(record.source_caption, record.target_caption) for record in records]
    result = _figures(encoder.protocol, split, captions, torch.stack(seen), torch.stack(read))
    if out is not None:
        atomic_write(out / "report.json", json.dumps(asdict(result), indent=2).encode())
        atomic_write(out / "report.md", result.markdown().encode())
    return result


def _figures(
    encoder: str, split: Split, captions: list[tuple[str, str]], seen: torch.Tensor, read: torch.Tensor
) -> Retrieval:
    caption_found, picture_found = top_one(seen[:, 1] @ read[:, 1].T, [target for _, target in captions])
    sides = compared_sides(seen, read, captions)
    return Retrieval(
        encoder=encoder,
        split=split,
        candidates=len(captions),
        caption_found=caption_found,
        picture_found=picture_found,
        edited=sides.edited if sides else 0,
        sides_told_apart=sides.told_apart if sides else None,
        directional_similarity=sides.directional if sides else None,
    )
