"""The card of a data set: what its pairs are, how they were made and filtered, and how to load them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from huggingface_hub import DatasetCard, DatasetCardData

from retouch.core.errors import DataError
from retouch.records.manifest import read_manifest
from retouch.records.pair import JSON, SPLITS
from retouch.records.shards import read_columns

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SOURCES = ("layout", "source", "masks")
_COLUMNS: Mapping[str, str] = {
    "parquet": "All that a record has: `source_image`, `target_image`, `edit_prompt`, both captions, masks, "
    "references, `object`, `engine`, `seed`, `split`, and as JSON `params` and `scores`.",
    "diffusers": "`input_image`, `edit_prompt` and `edited_image`, as diffusers' InstructPix2Pix trainer asks for "
    "them, with `original_prompt` and `edited_prompt`.",
    "webdataset": "A sample is `source.png`, `target.png`, `json` with the words, and where there are some "
    "`mask.png` and `reference-N.png`.",
    "image-folder": "`metadata.jsonl` names `source_image`, `target_image` and where there are some `mask`, beside "
    "`edit_prompt`, both captions, `kind` and `split`.",
    "instruct-pix2pix": "`seeds.json` lists folders with their pairs; each has `prompt.json` (`caption`, `edit`, "
    "`output`) and a pair as `N_0.jpg` and `N_1.jpg`.",
}
_WHAT = "pairs of pictures for editing by instruction: a source, what it should become, and the words that ask for it."


@dataclass(frozen=True, kw_only=True)
class Loading:
    """The builder of `datasets` that reads a layout, None where there is none, and the suffix of files by split."""

    builder: str | None
    suffix: str | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a card states of a folder of records: `filtered` by measure, `source` where the pairs were imported."""

    title: str
    licence: str | None
    engines: Mapping[str, int]
    splits: Mapping[str, int]
    kinds: Mapping[str, int]
    source: Mapping[str, str]
    filtered: Mapping[str, JSON]
    protocols: Sequence[str]

    @property
    def pairs(self) -> int:
        """All pairs."""
        return sum(self.splits.values())


def facts_of(folder: Path, *, title: str, licence: str | None) -> DatasetFacts:
    """Read what the card of a folder of records states. Raises DataError where there are no records."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} holds no records (no manifest.json); make some with `retouch data pairs`.")
    engines, splits, kinds, protocols = Counter[str](), Counter[str](), Counter[str](), set[str]()
    for row in read_columns(folder, ("engine", "split", "params", "scores")):
        engines[str(row["engine"])] += 1
        splits[str(row["split"])] += 1
        kinds[str(cast("Mapping[str, JSON]", row["params"])["kind"])] += 1
        protocols |= cast("Mapping[str, float]", row["scores"]).keys()
    settings = manifest.settings
    filtered = settings.get("filter")
    return DatasetFacts(
        title=title,
        licence=licence,
        engines=dict(engines.most_common()),
        splits={split: splits[split] for split in SPLITS if splits[split]},
        kinds=dict(kinds.most_common()),
        source={name: str(settings[name]).partition("@")[0] for name in _SOURCES if settings.get(name)},
        filtered=cast("Mapping[str, JSON]", filtered) if isinstance(filtered, Mapping) else {},
        protocols=sorted(protocols),
    )


def dataset_card(facts: DatasetFacts, *, layout: str, loading: Loading) -> str:
    """Return the card in Markdown, with the hub's metadata at its head."""
    body = "\n".join(
        [
            f"# {facts.title}",
            "",
            f"{facts.pairs:,} {_WHAT}",
            "",
            *_made(facts),
            *_table("split", facts.splits),
            *_table("kind of edit", facts.kinds),
            *_filtered(facts),
            *_licence(facts),
            "## How to load",
            _COLUMNS[layout],
            "",
            *_code(facts, layout, loading),
        ]
    )
    return str(DatasetCard(f"---\n{_metadata(facts, loading).to_yaml()}\n---\n{body}\n"))


def _metadata(facts: DatasetFacts, loading: Loading) -> DatasetCardData:
    files = [{"split": split, "path": f"data/{split}-*.{loading.suffix}"} for split in facts.splits]
    more: dict[str, Any] = {"configs": [{"config_name": "default", "data_files": files}]} if loading.suffix else {}
    return DatasetCardData(
        license=facts.licence,
        pretty_name=facts.title,
        task_categories=["image-to-image"],
        size_categories=[next((name for least, name in _SIZES if facts.pairs < least), "n>1M")],
        tags=["image-editing", "instruct-pix2pix", "retouch"],
        **more,
    )


def _made(facts: DatasetFacts) -> list[str]:
    engines = ", ".join(f"{name} ({count:,})" for name, count in facts.engines.items())
    lines = ["## How they were made", f"- engine: {engines}"]
    lines += [f"- imported {name}: {value}" for name, value in facts.source.items()]
    return [*lines, ""]


def _table(head: str, counts: Mapping[str, int]) -> list[str]:
    rows = [f"| {_cell(name)} | {count:,} |" for name, count in counts.items()]
    return [f"| {head} | pairs |", "|---|---:|", *rows, ""]


def _filtered(facts: DatasetFacts) -> list[str]:
    lines = ["## Scores and filter"]
    if facts.filtered:
        kept = {name: value for name, value in facts.filtered.items() if name != "near_duplicates"}
        lines += ["Only pairs that reach these least values were kept:", ""]
        lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in kept.items()]
        bits = facts.filtered.get("near_duplicates")
        if bits is not None:
            lines.append(f"- and that differ in more than {bits} bits of 64 from those before them")
    else:
        lines.append("The pairs were not filtered.")
    if facts.protocols:
        lines += ["", "Scores, each under the protocol it was measured by:", ""]
        lines += [f"- `{name}`" for name in facts.protocols]
    return [*lines, ""]


def _licence(facts: DatasetFacts) -> list[str]:
    return ["## Licence", facts.licence or "None stated.", ""]


def _code(facts: DatasetFacts, layout: str, loading: Loading) -> list[str]:
    split = next(iter(facts.splits), "train")
    if loading.builder is None:
        return ["```", f"retouch data import FOLDER --layout {layout} --out runs/data/pairs", "```"]
    call = f'load_dataset("{loading.builder}", data_dir="FOLDER", split="train")'
    if loading.suffix:
        call = f'load_dataset("FOLDER or OWNER/NAME", split="{split}")'
    return ["```python", "from datasets import load_dataset", "", f"pairs = {call}", "```"]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
