"""Time, memory and results of an edit beside diffusers' own pipeline, on the same weights, picture, seed and settings.

    python bench/edit.py                                     # the pocket editor's size, and the whole command
    python bench/edit.py --size 256 --size 512 --batch 1 4   # the size of Stable Diffusion 1.5, random weights
    python bench/edit.py --contenders diffusers retouch-torch retouch-openvino retouch-openvino+fast

Every contender loads the same folder in a process of its own (what follows a + is a profile, in the same process,
whose memory both are said to take) and they edit turn about, each round a new picture, with nothing kept of edits
before (but with `--same`): 20 steps of DDIM, guidance 7.5 and 1.5. `diffusers` is its documentation's call,
`diffusers-tuned` what an expert would set, `retouch-own` the pocket editor with its own steps and guidance, whose
result is another. Medians over rounds with the least and the most; ratios are of medians to the first contender.
Where a GPU is there, it is used. The last column is the share of what the machine does in a large product of matrices
of bfloat16, for the operations of all branches and steps, whether they are computed or not.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from contest.limit import Limit
from retouch.models.architecture import STABLE_DIFFUSION_1, random_checkpoint
from retouch.models.load import load
from retouch.models.pocket import find_pocket
from retouch.models.save import save
from retouch.models.spec import PUBLISHED, write_spec
from retouch.models.tokenizer import train_tokenizer

PICTURE = Path(__file__).parents[1] / "examples" / "living-room.png"
INSTRUCTIONS = (
    "make the sofa green", "remove the rug", "paint the walls blue", "make it night",
    "make the lamp red", "add a plant", "remove the table", "make it day",
)  # fmt: skip
CONTENDER = Path(__file__).parent / "contest" / "contender.py"
GUIDANCE = (7.5, 1.5)
USUAL = ("diffusers", "diffusers-tuned", "retouch")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is edited: side in pixels, pictures at once, instructions one beside the other, steps and guidance."""

    model: str
    side: int
    steps: int
    count: int = 1
    instructions: int = 1
    guidance: tuple[float, float] = GUIDANCE


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of a contender: seconds to load and of its first call, then of each round; bytes at most; dB to `diffusers`."""

    contender: str
    case: Case
    load: float
    first: float
    rounds: tuple[float, ...]
    memory: float
    gpu_memory: float | None
    likeness: float
    share: float = float("nan")

    @property
    def median(self) -> float:
        """Seconds of an ordinary call."""
        return statistics.median(self.rounds)


class Child:
    """A contender's process, which edits by any profile."""

    def __init__(self, name: str, folder: Path, device: str) -> None:
        self.name, self.first = name, float("nan")
        command = [sys.executable, str(CONTENDER), name, str(folder), device]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.load = self._read()["ready"]

    def edit(self, case: Case, profile: str, turn: int | None, picture: Path, result: Path) -> dict[str, Any]:
        """One call; what the contender says of it. Without `turn` it is of the same picture as all such calls."""
        text, image = case.guidance
        job = {
            "picture": str(picture),
            "instructions": INSTRUCTIONS[: case.instructions],
            "count": case.count,
            "steps": case.steps,
            "text": text,
            "image": image,
            "profile": profile,
            "turn": turn or 0,
            "anew": turn is not None,
            "result": str(result),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with exit code {self._process.wait()}; its errors are above.")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Print a table for each size."""
    asked = _arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"{where}, torch {torch.__version__}, {asked.steps} steps, {asked.rounds} rounds", flush=True)
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in asked.size:
            model, side = ("pocket", 256) if size == "pocket" else ("Stable Diffusion 1.5, random", int(size))
            folder = (
                _pocket(Path(scratch)) if size == "pocket" else _stable_diffusion(asked.keep or Path(scratch), side)
            )
            case = Case(model=model, side=side, steps=asked.steps)
            cases = [
                replace(case, count=count, instructions=each) for each in asked.instructions for count in asked.batch
            ]
            if asked.levers:
                cases += [replace(case, guidance=(7.5, 1.0)), replace(case, guidance=(1.5, 1.5))]
                cases += [replace(case, instructions=4)]
            loaders = dict.fromkeys(name.partition("+")[0] for name in asked.contenders)
            children = {name: Child(name, folder, device) for name in loaders}
            field = {name: children[name.partition("+")[0]] for name in asked.contenders}
            limit = Limit(folder, device)
            found += _contest(cases, field, asked, limit, Path(scratch))
        if "pocket" in asked.size and asked.command:
            _command(asked.rounds, find_pocket("instruct"), device, Path(scratch))
    if asked.json:
        content = [{**asdict(figures), "median": figures.median} for figures in found]
        asked.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", help="pocket, 256, 512, ...; repeat it (default: pocket)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1], help="pictures at once")
    parser.add_argument(
        "--instructions", type=int, nargs="+", default=[1], help="instructions for one picture, up to 8"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the random weights there, and find them again"
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", default=USUAL)
    parser.add_argument("--levers", action="store_true", help="also s_I = 1, s_T = s_I, and four instructions")
    parser.add_argument(
        "--same",
        action="store_true",
        help="edit the same picture in all rounds, and let them keep what they made of it",
    )
    parser.add_argument("--together", action="store_true", help="make the first calls at the same time, to save time")
    parser.add_argument("--no-command", dest="command", action="store_false", help="leave the whole command out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    asked = parser.parse_args()
    asked.size = asked.size or ["pocket"]
    return asked


def _contest(
    cases: Sequence[Case], field: Mapping[str, Child], asked: argparse.Namespace, limit: Limit, scratch: Path
) -> list[Figures]:
    found: list[Figures] = []
    try:
        for case in cases:
            picture = scratch / f"{case.side}.png"
            Image.open(PICTURE).convert("RGB").resize((case.side, case.side)).save(picture)
            figures = _turns(case, field, asked, picture, scratch)
            figures = {name: replace(each, share=_share(limit, case, each.median)) for name, each in figures.items()}
            _print(case, figures)
            found += figures.values()
    finally:
        for child in set(field.values()):
            child.close()
    return found


def _first(field: Mapping[str, Child], edit: Callable[[str], dict[str, Any]], *, together: bool) -> dict[str, float]:
    """The seconds of each one's first call; those of one process are made one after the other in any case."""
    groups = [[name for name in field if field[name] is child] for child in dict.fromkeys(field.values())]

    def seconds(group: Sequence[str]) -> dict[str, float]:
        return {name: edit(name)["seconds"] for name in group}

    with ThreadPoolExecutor(len(groups) if together else 1) as pool:
        found = {name: spent for each in pool.map(seconds, groups) for name, spent in each.items()}
    return {name: found[name] for name in field}


def _share(limit: Limit, case: Case, seconds: float) -> float:
    pictures = case.count * case.instructions
    return limit.operations(case.side, steps=case.steps, pictures=pictures) / seconds / limit.rate


def _turns(
    case: Case, field: Mapping[str, Child], asked: argparse.Namespace, picture: Path, scratch: Path
) -> dict[str, Figures]:
    """The first call of each, then rounds in which all take their turn."""
    results = {name: scratch / f"{name}.png" for name in field}

    def edit(name: str, turn: int) -> dict[str, Any]:
        profile = name.partition("+")[2] or "exact"
        return field[name].edit(case, profile, None if asked.same else turn, picture, results[name])

    first = _first(field, partial(edit, turn=0), together=asked.together)
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in field}
    for turn in range(1, asked.rounds + 1):
        for name in field:
            answers[name].append(edit(name, turn))
    reference = next(iter(results.values()))
    return {
        name: Figures(
            contender=name,
            case=case,
            load=child.load,
            first=first[name],
            rounds=tuple(answer["seconds"] for answer in answers[name]),
            memory=max(answer["memory"] for answer in answers[name]),
            gpu_memory=answers[name][-1].get("gpu_memory"),
            likeness=_decibels(results[name], reference),
        )
        for name, child in field.items()
    }


def _print(case: Case, figures: Mapping[str, Figures]) -> None:
    text, image = case.guidance
    print(
        f"\n**{case.model}, {case.side}², {case.count} picture(s), {case.instructions} instruction(s), "
        f"s_T {text:g}, s_I {image:g}**\n\n"
        "| | load, s | first, s | median, s | least … most | ratio | memory, GB | dB to the first | share |\n"
        "|---|---:|---:|---:|---|---:|---:|---:|---:|"
    )
    base = next(iter(figures.values())).median
    for name, each in figures.items():
        gigabytes = (each.gpu_memory or each.memory) / 1e9
        print(
            f"| {name} | {each.load:.1f} | {each.first:.2f} | {each.median:.3g} | {min(each.rounds):.3g} … "
            f"{max(each.rounds):.3g} | {base / each.median:.2f} | {gigabytes:.1f} | {each.likeness:.1f} | "
            f"{each.share:.0%} |",
            flush=True,
        )


def _decibels(one: Path, other: Path) -> float:
    levels = [np.asarray(Image.open(path).convert("RGB"), dtype=float) for path in (one, other)]
    error = float(np.square(levels[0] - levels[1]).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def _pocket(scratch: Path) -> Path:
    """The pocket editor's networks under the published conventions, the only ones that diffusers' pipeline knows."""
    found = replace(load("pocket"), spec=replace(PUBLISHED["instruct"], native_size=256))
    return save(found, scratch / "pocket")


def _stable_diffusion(scratch: Path, side: int) -> Path:
    """Random weights of that size, written once; the editor is told that they are for this side."""
    folder, spec = scratch / "stable-diffusion", replace(PUBLISHED["instruct"], native_size=side)
    if folder.exists():
        write_spec(spec, folder)
        return folder
    shape = STABLE_DIFFUSION_1
    tokenizer = train_tokenizer(INSTRUCTIONS, vocabulary=300, length=shape.text_length)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return save(random_checkpoint(shape, tokenizer, spec=spec), folder)


def _command(rounds: int, folder: Path, device: str, scratch: Path) -> None:
    """From a cold process to a file, both by the pocket checkpoint: the command, and a script around the pipeline."""
    result = scratch / "command.png"
    own = [sys.executable, "-m", "retouch", "edit", str(PICTURE), INSTRUCTIONS[0], "-o", str(result)]
    script = CONTENDER.with_name("script.py")
    other = [sys.executable, str(script), str(folder), str(PICTURE), INSTRUCTIONS[0], str(result), device]
    pairs = [(_timed(own), _timed(other), _timed([*other, "4"])) for _ in range(rounds)]
    one, two, three = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"\nCold process to file, pocket: `retouch edit` {one:.1f} s; diffusers in a script, 20 steps {two:.1f} s "
        f"(ratio {two / one:.2f}), 4 steps {three:.1f} s (ratio {three / one:.2f})"
    )


def _timed(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
