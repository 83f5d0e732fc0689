"""Time and memory of an edit as one thing grows and all else stays: steps, side, batch, seeds, instructions, regions.

    python bench/scale.py [--model pocket] [--rounds 3] [--json FILE]

Where the last measurement lies 15% or more off the straight line through the first two, the growth is not linear and
the program says so. Memory is the most that the process grew to above its start: each measurement runs in a process
of its own.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PICTURE = Path(__file__).parents[1] / "examples" / "living-room.png"
INSTRUCTIONS = ("make the sofa green", "paint the walls blue", "remove the rug", "make it night")
GROWTH: Mapping[str, tuple[int, ...]] = {
    "steps": (2, 4, 8, 16, 32),
    "side": (256, 384, 512, 768, 1024),
    "pictures": (1, 2, 4, 8),
    "seeds": (1, 2, 4, 8, 16),
    "instructions": (1, 2, 3, 4),
    "regions": (1, 2, 3, 4),
}
WHY = {
    "side": "the model sees every picture at its own size, so that only reading, writing and the carried detail grow",
    "seeds": "what is the same for all seeds is made once",
    "pictures": "one picture alone has what is the same for all calls to itself",
}
OFF = 0.15


def main() -> None:
    """Print a table for each thing that grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(GROWTH), choices=list(GROWTH))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(_measure(asked.model, asked.one[0], int(asked.one[1]), asked.rounds)))
        return
    found: dict[str, dict[int, Mapping[str, float]]] = {}
    for name in asked.only:
        print(f"\n| {name} | s | MB more | s for each |\n|---:|---:|---:|---:|")
        found[name] = {}
        for value in GROWTH[name]:
            each = found[name][value] = _apart(asked.model, name, value, asked.rounds)
            print(f"| {value} | {each['seconds']:.2f} | {each['megabytes']:.0f} | {each['seconds'] / value:.3f} |")
        print(_verdict(name, {value: each["seconds"] for value, each in found[name].items()}), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _apart(model: str, name: str, value: int, rounds: int) -> Mapping[str, float]:
    command = [sys.executable, __file__, "--model", model, "--rounds", str(rounds), "--one", name, str(value)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def _measure(model: str, name: str, value: int, rounds: int) -> dict[str, float]:
    from PIL import Image

    from retouch.core.settings import EditSettings
    from retouch.editing.editor import Editor

    editor = Editor.load(model)
    editor.edit(PICTURE, INSTRUCTIONS[0], settings=EditSettings(steps=1, seed=99))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    picture = Image.open(PICTURE).convert("RGB")
    edit = _grown(editor, picture, name, value)
    seconds = []
    for number in range(rounds):
        began = time.perf_counter()
        edit(number)
        seconds.append(time.perf_counter() - began)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": statistics.median(seconds), "megabytes": grown / 1024}


def _grown(editor: Any, picture: Any, name: str, value: int) -> Callable[[int], object]:
    """The edit in which `name` is `value`, with a seed; the picture differs a little each time, so nothing is kept."""
    from PIL import Image

    from retouch.core.region import Region
    from retouch.core.settings import EditSettings

    side = value if name == "side" else picture.width
    count = value if name == "pictures" else 1
    texts = INSTRUCTIONS[:value] if name in ("instructions", "regions") else INSTRUCTIONS[:1]
    settings = EditSettings(steps=value if name == "steps" else None)
    half = Image.new("L", (side, side))
    half.paste(255, (0, side // 2, side, side))
    region = Region(mask=half, origin="the lower half") if name == "regions" else None

    def edit(number: int) -> object:
        shown = [picture.resize((side, side)).rotate(0.5 * (number * count + each)) for each in range(count)]
        return editor.edit(shown, texts, settings=settings, region=region, count=value if name == "seeds" else 1)

    return edit


def _verdict(name: str, seconds: Mapping[int, float]) -> str:
    (first, one), (second, two), *_, (last, end) = seconds.items()
    expected = one + (two - one) / (second - first) * (last - first)
    off = end / expected - 1
    if abs(off) < OFF:
        return f"linear: {last} takes {end:.2f} s where the first two would have it {expected:.2f}"
    why = f"; {WHY[name]}" if name in WHY else ""
    return f"not linear: {last} takes {end:.2f} s where the first two would have it {expected:.2f} ({off:+.0%}){why}"


if __name__ == "__main__":
    main()
