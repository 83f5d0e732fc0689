"""Publish RoomsBench anew: write what its cases are into the package, from a folder where all are rendered.

    retouch data pairs --engine rooms --split bench --seed 0 --count 1000 --references 2 --out FOLDER
    python -m bench.rooms_manifest FOLDER

Raise `VERSION` in `retouch/evaluation/benchmarks/rooms.py` whenever this changes the file: figures of different
versions are never set side by side.
"""

import sys
from collections import Counter
from pathlib import Path

from retouch.evaluation.benchmarks.records import RecordsBench
from retouch.evaluation.benchmarks.rooms import COUNT, VERSION
from retouch.evaluation.benchmarks.rooms_manifest import MANIFEST, entry_of, save_entries


def main(folder: str) -> None:
    """Write the manifest of the cases in `folder`."""
    bench = RecordsBench(folder=Path(folder), name="RoomsBench")
    entries = [entry_of(case) for case in bench.cases(COUNT)]
    if len(entries) != COUNT:
        raise SystemExit(f"{folder} holds {len(entries)} cases; RoomsBench has {COUNT}.")
    save_entries(entries, MANIFEST)
    kinds = Counter(entry.kind for entry in entries)
    print(f"version {VERSION}: {len(entries)} cases in {MANIFEST.stat().st_size} bytes")
    print(", ".join(f"{kind} {count}" for kind, count in kinds.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
