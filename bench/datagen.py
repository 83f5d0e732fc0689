"""Speed of making pairs: pairs an hour by engine, what borrowed attention saves, pictures a second of the filter.

    python bench/datagen.py [--only engines swap filter] [--source PICTURES] [--model FOLDER] [--json FILE]

Engines with a model run on `pocket/generate` where it is installed, else on tiny random weights at 64 pixels, which
tell of the engine's own work alone; `--model` and `--controlnet` name others. On a CPU they take one thread. Everything
passes there, so that figures are those of tries, not of luck. The swap is measured at the shapes of Stable Diffusion at
512 pixels: one pair under guidance, which makes four rows, on one thread, each way in a process of its own, whose
highest memory is told beside.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from PIL import Image
from torch import Tensor

from retouch.attention.borrow import Borrowing, attend_borrowed
from retouch.attention.layers import keys, output, queries, values
from retouch.core.images import png_bytes
from retouch.datagen.filter import filter_pairs
from retouch.datagen.generative.plan import DEFAULT_MODEL, POCKET_CONTROL, TECHNIQUES, Plan, TechniqueName, build_engine
from retouch.datagen.photos.engine import photo_engine_factory
from retouch.datagen.rooms import RoomEngine
from retouch.datagen.run import make_pairs
from retouch.datagen.sift import sift_pairs
from retouch.datagen.thresholds import POCKET_CLIP, Thresholds, preset
from retouch.datagen.triples import room_triples
from retouch.metrics.clip import load_encoder
from retouch.models.architecture import TINY, random_checkpoint
from retouch.models.control import control_of, save_control
from retouch.models.pocket import members
from retouch.models.quiet import quiet_libraries
from retouch.models.save import save
from retouch.models.spec import PUBLISHED
from retouch.models.tokenizer import train_tokenizer
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

PARTS = ("engines", "swap", "filter")
SHAPES = ((64, 320), (32, 640), (16, 1280))
"""Sides and widths of Stable Diffusion's self-attention at 512 pixels, 8 heads each."""
HEADS = 8
SOURCES = [0, 0, 2, 2]
"""Whose logits the rows use: source and target without text, source and target with it."""
ANYTHING = Thresholds(image_image=-1, caption_image=-1, directional=-1)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table."""

    what: str
    value: float
    unit: str
    note: str = ""


def main() -> None:
    """Print a table, and write the figures as JSON where that is asked for."""
    arguments = _arguments()
    print(f"{torch.get_num_threads()} CPU threads, torch {torch.__version__}", flush=True)
    figures: list[Figure] = []
    parts = {"engines": _engines, "swap": _swap, "filter": _filter}
    for part in arguments.only:
        for figure in parts[part](arguments):
            print(f"{figure.what:<42} {figure.value:>10.4g} {figure.unit:<16} {figure.note}".rstrip(), flush=True)
            figures.append(figure)
    if arguments.json:
        content = json.dumps([asdict(figure) for figure in figures], indent=2)
        Path(arguments.json).write_text(content + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--source", type=Path, help="a folder of photographs, for the engine photos")
    parser.add_argument("--model", help="a text-to-image model (default: see above)")
    parser.add_argument("--controlnet", help="its ControlNet")
    parser.add_argument("--device", default="cpu", help="of the engines with a model")
    parser.add_argument("--pairs", type=int, default=12, help="pairs of the exact engines")
    parser.add_argument("--triples", type=int, default=2, help="triples of the engines with a model")
    parser.add_argument("--rounds", type=int, default=3, help="of the swap, whose median counts")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def _engines(arguments: argparse.Namespace) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        engine = RoomEngine(seed=0, split="train")
        rooms = make_pairs(lambda: engine, count=arguments.pairs, out=folder / "rooms", workers=0)
        yield Figure(what="rooms, 256 px", value=rooms.pairs_per_hour, unit="pairs/hour", note="one process")
        if arguments.source is not None:
            factory = photo_engine_factory(arguments.source, seed=0)
            photos = make_pairs(factory, count=arguments.pairs, out=folder / "photos", workers=0)
            yield Figure(what="photos, 256 px", value=photos.pairs_per_hour, unit="pairs/hour", note="one process")
        models = _models(arguments, folder)
        for technique in TECHNIQUES:
            yield _generative(technique, models, arguments, folder / technique)


@dataclass(frozen=True, kw_only=True)
class Models:
    """A text-to-image model, its ControlNet, and what to call them."""

    model: str
    control: str | None
    called: str


def _models(arguments: argparse.Namespace, folder: Path) -> Models:
    if arguments.model is not None:
        return Models(model=arguments.model, control=arguments.controlnet, called=arguments.model)
    if {"generate", "controlnet"} <= {*members()}:
        return Models(model=DEFAULT_MODEL, control=POCKET_CONTROL, called=DEFAULT_MODEL)
    tokenizer = train_tokenizer(["a sofa and a lamp in a living room"], vocabulary=300, length=TINY.text_length)
    spec = replace(PUBLISHED["generate"], native_size=64, steps=4)
    checkpoint = random_checkpoint(TINY, tokenizer, kind="generate", spec=spec)
    with quiet_libraries():
        model = save(checkpoint, folder / "tiny")
        control = save_control(control_of(checkpoint, channels=(8, 16, 16, 16), seed=0), folder / "control")
    return Models(model=str(model), control=str(control), called="tiny random weights, 4 steps")


def _generative(technique: TechniqueName, models: Models, arguments: argparse.Namespace, out: Path) -> Figure:
    plan = Plan(
        technique=technique,
        triples=tuple(room_triples(arguments.triples, seed=0)),
        thresholds=ANYTHING,
        encoder=POCKET_CLIP,
        model=models.model,
        control=models.control,
        candidates=4,
        keep=4,
        batch=4,
        device=arguments.device,
    )
    engine = build_engine(plan)
    made = sift_pairs(lambda: engine, out=out)
    tries = made.pairs + sum(made.rejected.values())
    return Figure(what=technique, value=3600 * tries / made.seconds, unit="tries/hour", note=models.called)


def _swap(arguments: argparse.Namespace) -> Iterator[Figure]:
    for side, width in SHAPES:
        ours, theirs = (_in_child(way, side, width, arguments.rounds) for way in (_borrowed, _materialised))
        name = f"swap at {side} x {side}, width {width}"
        yield Figure(what=f"{name}: borrowed", value=1000 * ours[0], unit="ms", note=f"{ours[1]:.0f} MB more")
        yield Figure(what=f"{name}: published", value=1000 * theirs[0], unit="ms", note=f"{theirs[1]:.0f} MB more")
        yield Figure(what=f"{name}: ratio", value=theirs[0] / ours[0], unit="times faster")


Way = Callable[[Any, Tensor], Tensor]


def _in_child(way: Way, side: int, width: int, rounds: int) -> tuple[float, float]:
    """Median seconds of a layer, and by how many MB it raised the highest memory of its process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (way, side, width, rounds))


@torch.no_grad()
def _measure(way: Way, side: int, width: int, rounds: int) -> tuple[float, float]:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    layer = Attention(query_dim=width, heads=HEADS, dim_head=width // HEADS).eval()
    hidden = torch.randn(len(SOURCES), side * side, width, generator=generator)
    queries(layer, hidden)
    before = _highest()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        way(layer, hidden)
        times.append(time.perf_counter() - began)
    return statistics.median(times), _highest() - before


def _highest() -> float:
    """The highest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _borrowed(layer: Any, hidden: Tensor) -> Tensor:
    return attend_borrowed(layer, hidden, Borrowing.of(SOURCES, hidden.device))


def _materialised(layer: Any, hidden: Tensor) -> Tensor:
    """As published: all logits at once, the second prompt's overwritten by the first's, then the softmax."""
    query, key, value = queries(layer, hidden), keys(layer, hidden), values(layer, hidden)
    logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    logits[1::2] = logits[::2]
    return output(layer, logits.softmax(-1) @ value)


def _filter(_arguments: argparse.Namespace) -> Iterator[Figure]:
    encoder = load_encoder(POCKET_CLIP)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        count = _noise_pairs(folder / "pairs", 64)
        began = time.perf_counter()
        filter_pairs(folder / "pairs", folder / "kept", encoder=encoder, thresholds=preset("pocket").thresholds)
        speed = 2 * count / (time.perf_counter() - began)
    yield Figure(what=f"filter by {POCKET_CLIP}, 256 px", value=speed, unit="pictures/s", note="from file to file")


def _noise_pairs(folder: Path, count: int) -> int:
    """Pairs of smooth noise: what a picture shows does not change what it costs."""
    pictures = _pictures(np.random.default_rng(0))
    records = [_record(number, tuple(islice(pictures, 2))) for number in range(count)]
    with open_writer(folder, engine="noise", settings={}) as writer:
        writer.write(records, first_unit=0, units=count)
    return count


def _pictures(generator: np.random.Generator) -> Iterator[bytes]:
    while True:
        coarse = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        yield png_bytes(Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC))


def _record(number: int, sides: Sequence[bytes]) -> PairRecord:
    return PairRecord(
        id=f"noise-{number}",
        source_image=sides[0],
        target_image=sides[1],
        edit_prompt="make the sofa green",
        source_caption="a living room with a grey sofa",
        target_caption="a living room with a green sofa",
        engine="noise",
        seed=number,
        params={"kind": "noise"},
        split="train",
    )


if __name__ == "__main__":
    main()
