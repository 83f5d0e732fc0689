"""How well a text-to-image model shows what held-out captions say, and keeps to the edges it is given."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from PIL import Image

from retouch.conditioning.control import PictureControl, edge_picture
from retouch.core.edges import edges
from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write
from retouch.core.images import load_image, png_bytes
from retouch.core.settings import EditSettings
from retouch.editing.generate import generate
from retouch.metrics.clip import Encoder
from retouch.metrics.edges import EDGE_PROTOCOL, edge_f1
from retouch.metrics.retrieval import choice_protocol, ranked_first
from retouch.models.checkpoint import Checkpoint
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import read_records

BATCH_SIZE = 8


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The figures of one model on `pictures` captions.

    `first` is the share of pictures of which the encoder ranks the right caption first among `choices`;
    `first_of_originals` that of the records' own pictures, what the encoder allows at best. `edge_f1` is the
    mean over pictures held to their originals' edges, None without control.
    """

    model: str
    encoder: str
    split: str
    pictures: int
    choices: int
    first: float
    first_of_originals: float
    edge_f1: float | None
    protocols: tuple[str, ...]

    def markdown(self) -> str:
        """Return a table of the figures, chance and the originals' beside them."""
        chance = f"{1 / self.choices:.0%}"
        rows = [
            f"| {self.pictures} captions of the split {self.split} | {self.model} | originals | chance |",
            "|---|---|---|---|",
            f"| right caption first of {self.choices} ({self.encoder}) | {self.first:.1%} "
            f"| {self.first_of_originals:.1%} | {chance} |",
        ]
        if self.edge_f1 is not None:
            rows.append(f"| F1 of edges | {self.edge_f1:.3f} | 1 | – |")
        return "\n".join(rows) + "\n"


@dataclass(frozen=True, kw_only=True)
class GenerationPlan:
    """What is measured: how many captions of which split, among how many choices, with which steps and seed."""

    limit: int = 100
    split: Split = "bench"
    choices: int = 10
    steps: int | None = None
    seed: int = 0
    control_scale: float = 1.0


def evaluate_generation(
    checkpoint: Checkpoint,
    encoder: Encoder,
    folder: Path,
    out: Path,
    *,
    plan: GenerationPlan = GenerationPlan(),
    control: ControlNetModel | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generation:
    """Make a picture of every target caption, with `control` from the edges of the target, and judge them.

    `out` gets report.md, report.json and the pictures. Raises DataError where captions are too few, Cancelled
    when interrupted.
    """
    records = _records(folder, plan)
    originals = [_at_size(record, checkpoint.spec.native_size) for record in records]
    made: list[Image.Image] = []
    for start in range(0, len(records), BATCH_SIZE):
        if cancelled():
            raise Cancelled(f"Interrupted after {len(made)} of {len(records)} pictures; no report was written.")
        batch = slice(start, start + BATCH_SIZE)
        held = None if control is None else _held_to(control, originals[batch], plan)
        made += generate(
            checkpoint,
            [record.target_caption for record in records[batch]],
            seeds=[plan.seed + start + place for place in range(len(records[batch]))],
            settings=EditSettings(steps=plan.steps),
            control=held,
        )
        on_progress(len(made), len(records))
    for record, picture in zip(records, made, strict=True):
        atomic_write(out / "pictures" / f"{record.id}.png", png_bytes(picture))
    captions = [record.target_caption for record in records]
    texts = encoder.texts(captions)
    first, best = (
        float(
            ranked_first(encoder.pictures(shown), texts, captions, choices=plan.choices, seed=plan.seed).float().mean()
        )
        for shown in (made, originals)
    )
    result = Generation(
        model=checkpoint.source,
        encoder=encoder.protocol,
        split=plan.split,
        pictures=len(made),
        choices=plan.choices,
        first=first,
        first_of_originals=best,
        edge_f1=None if control is None else _edge_score(made, originals),
        protocols=(choice_protocol(plan.choices), *(() if control is None else (EDGE_PROTOCOL,))),
    )
    atomic_write(out / "report.json", json.dumps(asdict(result), indent=2).encode())
    atomic_write(out / "report.md", result.markdown().encode())
    return result


def _records(folder: Path, plan: GenerationPlan) -> list[PairRecord]:
    told = (record for record in read_records(folder, split=plan.split) if record.target_caption.strip())
    records = list(islice(told, plan.limit))
    found = len({record.target_caption for record in records})
    if found < plan.choices:
        raise DataError(
            f"{folder} holds {found} different captions of the split '{plan.split}', too few to choose among "
            f"{plan.choices}; make more pairs there first."
        )
    return records


def _at_size(record: PairRecord, side: int) -> Image.Image:
    return load_image(record.target_image).pixels.resize((side, side), Image.Resampling.LANCZOS)


def _held_to(network: ControlNetModel, originals: Sequence[Image.Image], plan: GenerationPlan) -> PictureControl:
    return PictureControl(network=network, picture=edge_picture(originals), scale=plan.control_scale)


def _edge_score(made: Sequence[Image.Image], originals: Sequence[Image.Image]) -> float:
    found = [
        edge_f1(edges(np.asarray(picture)), edges(np.asarray(original)))
        for picture, original in zip(made, originals, strict=True)
    ]
    return float(torch.tensor(found).mean())
