"""The rows of a source that gave no pair: a line each, with the reason, beside the shards of those that did."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from retouch.core.files import atomic_write
from retouch.records.layouts.row import Broken, Reason
from retouch.records.lines import json_lines

SKIPPED = "skipped.jsonl"
_FORM = "a row that was left out"


class Skipped:
    """The lines of `folder`/skipped.jsonl; `reasons` counts them. Those from row `below` on come again."""

    def __init__(self, folder: Path, *, below: int) -> None:
        self.path = folder / SKIPPED
        self.reasons: Counter[Reason] = Counter()
        if self.path.is_file():
            known = [line for _, line in json_lines(self.path, form=_FORM) if cast("int", line.get("row", 0)) < below]
            self.reasons.update(cast("Reason", line["reason"]) for line in known)
            atomic_write(self.path, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in known).encode())

    def add(self, rows: Sequence[tuple[int, Broken]]) -> None:
        """Append rows by their number in the source."""
        if not rows:
            return
        with self.path.open("a", encoding="utf-8") as file:
            for number, row in rows:
                file.write(json.dumps({"row": number, **asdict(row)}, ensure_ascii=False) + "\n")
        self.reasons.update(row.reason for _, row in rows)


def skipped_reasons(folder: Path) -> dict[str, int]:
    """How many rows were left out by reason when `folder` was imported; empty for one that was not."""
    if not (folder / SKIPPED).is_file():
        return {}
    return dict(Counter(str(line.get("reason")) for _, line in json_lines(folder / SKIPPED, form=_FORM)))
