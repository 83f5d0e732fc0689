"""The layout of InstructPix2Pix's own dataset (arXiv 2211.09800): a folder a prompt, two JPEGs a seed."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.layouts.places import local_folder
from retouch.records.layouts.row import Broken, ReadOptions, Row, Rows, first_text, inside, opened
from retouch.records.layouts.tables import TableLayout, read_tables
from retouch.records.lines import json_lines, json_object, read_text
from retouch.records.pair import PairRecord
from retouch.records.shards import count_records, read_records

SEEDS, PROMPT, METADATA = "seeds.json", "prompt.json", "metadata.jsonl"
_SEEDS_FORM = "the seeds.json of a folder of this layout"
_PROMPT_FORM = "an object with caption, edit and output"
_QUALITY = 95
_PROTOCOL = "instruct-pix2pix/published"
_SCORES = ("clip_sim_0", "clip_sim_1", "clip_sim_dir", "clip_sim_image")


LAYOUT = TableLayout(
    source=("original_image",),
    target=("edited_image",),
    instruction=("edit_prompt",),
    source_caption=("original_prompt",),
    target_caption=("edited_prompt",),
)
"""The columns of the set as it lies on the hub, timbrooks/instructpix2pix-clip-filtered."""


def read_instruct_pix2pix(source: str, options: ReadOptions) -> Rows:
    """The rows of a folder with a `seeds.json`, in its order, or of the set's tables.

    In a folder a pair is `{seed}_0.jpg` and `{seed}_1.jpg`, beside `prompt.json`. Raises DataError where the
    source is neither.
    """
    place = Path(source).expanduser()
    if not (place / SEEDS).is_file():
        if place.is_dir() and not any(place.rglob("*.parquet")):
            raise DataError(f"{source} holds neither a {SEEDS} nor .parquet files; give a folder of the published set.")
        yield from read_tables(source, options, LAYOUT)
        return
    folder = local_folder(source)
    for name, seeds in _listed(folder / SEEDS):
        try:
            rows = list(_of_prompt(inside(folder, name, str(folder / SEEDS)), name, seeds))
        except DataError as error:
            yield from (Broken(where=f"{name}/{seed}", reason="line", problem=str(error)) for seed in seeds)
            continue
        yield from rows


def write_instruct_pix2pix(
    records: Path, out: Path, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Write the pairs of a folder of records, one folder each and as JPEG; return how many.

    Raises DataError where there are no records, OutputError where the folder cannot be written.
    """
    total, seeds = count_records(records), []
    for number, record in enumerate(read_records(records)):
        name = f"{number:07d}"
        _write(record, out / name, number)
        seeds.append([name, [str(number)]])
        on_progress(number + 1, total)
    atomic_write(out / SEEDS, json.dumps(seeds).encode())
    return len(seeds)


def _of_prompt(place: Path, name: str, seeds: Sequence[str]) -> Iterator[Row]:
    told = json_object(read_text(place / PROMPT, form=_PROMPT_FORM), str(place / PROMPT), form=_PROMPT_FORM)
    instruction = first_text(told, ("edit",))
    if not instruction:
        raise DataError(f"{place / PROMPT} has no text under edit; give one.")
    facts = _facts(place / METADATA)
    for seed in seeds:
        found = facts.get(seed, {})
        yield Row(
            where=f"{name}/{seed}",
            pictures=partial(opened, inside(place, f"{seed}_0.jpg", name), inside(place, f"{seed}_1.jpg", name)),
            instruction=instruction,
            source_caption=first_text(told, ("caption", "input")),
            target_caption=first_text(told, ("output",)),
            params={key: found[key] for key in ("p2p_threshold", "cfg_scale") if key in found},
            scores={f"{_PROTOCOL}/{key}": found[key] for key in _SCORES if key in found},
        )


def _write(record: PairRecord, place: Path, seed: int) -> None:
    for side, picture in enumerate((record.source_image, record.target_image)):
        atomic_write(place / f"{seed}_{side}.jpg", _jpeg(picture))
    told = {"caption": record.source_caption, "edit": record.edit_prompt, "output": record.target_caption}
    atomic_write(place / PROMPT, json.dumps(told, ensure_ascii=False).encode())
    scores = {key: record.scores.get(f"{_PROTOCOL}/{key}") for key in _SCORES}
    facts = {"seed": seed} | {key: value for key, value in scores.items() if value is not None}
    atomic_write(place / METADATA, (json.dumps(facts) + "\n").encode())


def _jpeg(png: bytes) -> bytes:
    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(stream, format="JPEG", quality=_QUALITY)
    return stream.getvalue()


def _listed(path: Path) -> list[tuple[str, list[str]]]:
    try:
        content = json.loads(read_text(path, form=_SEEDS_FORM))
        return [(str(name), [str(seed) for seed in seeds]) for name, seeds in content]
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} is no list of [folder, [seeds]]; restore it.") from error


def _facts(path: Path) -> Mapping[str, Mapping[str, float]]:
    """Numbers by seed; nothing where the file is not there, as in parts of the published set."""
    if not path.is_file():
        return {}
    return {
        str(content.get("seed")): {
            key: float(value) for key, value in content.items() if isinstance(value, int | float) and key != "seed"
        }
        for _, content in json_lines(path, form="an object with a seed's numbers")
    }
