"""Emu Edit's test set (arXiv 2311.10089): instructions of several tasks with captions before and after, no targets."""

from pathlib import Path

from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.cases import picture
from retouch.evaluation.benchmarks.tables import TableBench, image, number, tables_of, text
from retouch.records.layouts.tables import Values

HUB_ID = "facebook/emu_edit_test_set"
METRICS = ("clip-directional", "clip-image", "clip-text", "l1-source", "dino-source")
"""The published ones; all that compare pictures compare with the source."""
_COLUMNS = ("instruction", "image", "task", "idx", "input_caption", "output_caption")


def emu_edit(source: Path | None) -> TableBench:
    """The rows of the split "test" of the tables at `source`, or on the hub. Raises DataError."""
    return TableBench(
        name="emu-edit",
        metrics=METRICS,
        tables=tables_of(source, hub_id=HUB_ID, pattern="data/test-*", split="bench"),
        columns=_COLUMNS,
        case=_case,
        told_by=("split",),
        keeps=lambda values: values.get("split") in (None, "test"),
    )


def _case(values: Values, where: str) -> BenchCase:
    task = text(values, "task", where)
    return BenchCase(
        id=f"{task}-{number(values, 'idx', where)}",
        kind=task,
        instruction=text(values, "instruction", where),
        source=picture(image(values, "image", where), f"{where}, column image,"),
        source_caption=text(values, "input_caption", where),
        target_caption=text(values, "output_caption", where),
    )
