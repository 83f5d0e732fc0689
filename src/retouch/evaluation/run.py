"""Edit held-out records, judge every edit, and set the figures beside those of doing nothing."""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write
from retouch.evaluation.judges import Case, Judge, judges, psnr_outside
from retouch.evaluation.likeness import likenesses
from retouch.evaluation.report import Outcome, Summary, summarise
from retouch.metrics.clip import Encoder
from retouch.metrics.material import MaterialJudge
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import read_records

Picture = NDArray[np.uint8]
PICTURES = "pictures"
"""The folder in the report's own with every contestant's outputs."""


class Contestant(Protocol):
    """Something that answers a case: an editor, or a way of not editing."""

    name: str
    limit: int | None
    """At most this many records are put to it; None means all."""

    def answer(self, source: Picture, target: Picture, instruction: str, seed: int) -> Picture:
        """Return the output picture, (H, W, 3) uint8 as all others."""
        ...


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many of `total` edits of one contestant are judged."""

    contestant: str
    done: int
    total: int


def evaluate(
    contestants: Iterable[Contestant],
    pairs: Path,
    out: Path,
    *,
    round_trip: Callable[[Picture], Picture],
    materials: MaterialJudge | None,
    encoder: Encoder | None = None,
    split: Split = "bench",
    limit: int | None = None,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Summary:
    """Judge every contestant on the first `limit` records of `pairs` and write what came out.

    `out` gets `outcomes-<contestant>.jsonl`, appended edit by edit and taken up again by a later run of
    the same records and seed, the outputs as PNG under `pictures/`, and `report.json` and `report.md`.
    `round_trip` takes a picture through the model's autoencoder and back; null edits are measured
    against it. `materials` and `encoder` judge what they are there for, and with an encoder the report has
    LangDesign's table (see `evaluation.likeness`).

    Raises DataError where there are no records, Cancelled when interrupted.
    """
    table = judges(materials, encoder)
    records = [record for record in read_records(pairs, split=split) if record.kind in table][:limit]
    if not records:
        raise DataError(f"{pairs} holds no record of the split '{split}' that can be judged; make pairs there first.")
    bench = _Bench(records=records, out=out, table=table, round_trip=round_trip, seed=seed)
    watch = _Watch(on_progress=on_progress, cancelled=cancelled)
    outcomes = {contestant.name: bench.contest(contestant, watch) for contestant in contestants}
    summary = summarise(outcomes, table)
    if encoder is not None:
        summary = replace(summary, likenesses=likenesses(records, outcomes, out / PICTURES, encoder))
    atomic_write(out / "report.json", json.dumps(asdict(summary), indent=2).encode())
    atomic_write(out / "report.md", summary.markdown().encode())
    return summary


@dataclass(frozen=True, kw_only=True)
class _Watch:
    on_progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """The records to answer, where outcomes go, and how answers are judged."""

    records: Sequence[PairRecord]
    out: Path
    table: Mapping[str, Judge]
    round_trip: Callable[[Picture], Picture]
    seed: int

    def contest(self, contestant: Contestant, watch: _Watch) -> list[Outcome]:
        """Put the records to one contestant, those left open by an earlier run."""
        path = self.out / f"outcomes-{contestant.name}.jsonl"
        done = {(outcome.id, outcome.seed): outcome for outcome in _read_outcomes(path)}
        outcomes: list[Outcome] = []
        records = self.records[: contestant.limit]
        for index, record in enumerate(records):
            if watch.cancelled():
                raise Cancelled(f"Interrupted after {index} of {len(records)} edits; run again to go on from there.")
            outcome = done.get((record.id, self.seed))
            if outcome is None:
                outcome = self.outcome(contestant, record)
                _append(path, outcome)
            outcomes.append(outcome)
            watch.on_progress(Progress(contestant=contestant.name, done=index + 1, total=len(records)))
        return outcomes

    def outcome(self, contestant: Contestant, record: PairRecord) -> Outcome:
        """Let the contestant answer one record, keep the picture and judge it."""
        source, target = picture(record.source_image), picture(record.target_image)
        output = contestant.answer(source, target, record.edit_prompt, self.seed)
        _write_picture(self.out / PICTURES / contestant.name / f"{record.id}.png", output)
        case = Case(
            kind=record.kind,
            params=record.params,
            source=source,
            target=target,
            output=output,
            round_trip=self.round_trip(source) if record.kind == "null" else source,
            changed=mask(record.mask, source),
            object_mask=mask(record.object_mask, source),
        )
        verdict = self.table[record.kind].judge(case)
        return Outcome(
            id=record.id,
            seed=self.seed,
            kind=record.kind,
            instruction=record.edit_prompt,
            success=verdict.success,
            figure=verdict.figure,
            psnr_outside=psnr_outside(case),
        )


def picture(data: bytes) -> Picture:
    """Decode PNG bytes to (H, W, 3) uint8."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def mask(data: bytes | None, like: Picture) -> NDArray[np.bool_]:
    """Decode a mask to (H, W) bool; all False where there is none."""
    if data is None:
        return np.zeros(like.shape[:2], dtype=bool)
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("L")) > 127


def _write_picture(path: Path, output: Picture) -> None:
    buffer = io.BytesIO()
    Image.fromarray(output).save(buffer, "PNG", compress_level=1)
    atomic_write(path, buffer.getvalue())


def _read_outcomes(path: Path) -> list[Outcome]:
    if not path.is_file():
        return []
    lines = path.read_text().splitlines()
    return [Outcome(**json.loads(line)) for line in lines if line.endswith("}")]


def _append(path: Path, outcome: Outcome) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lines:
        lines.write(json.dumps(asdict(outcome)) + "\n")
