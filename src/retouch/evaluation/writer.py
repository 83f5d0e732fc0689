"""Put a writer on the bench: let it write triples for captions of rooms it never saw, and judge every one."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from retouch.core.errors import Cancelled
from retouch.core.files import atomic_write
from retouch.core.seeds import derive_seed
from retouch.evaluation.triples import changes_of, fault_of, name_of
from retouch.models.writer import BROOKS, Sampling, Writer, complete
from retouch.records.triple import END, Reject, Triple, write_triples
from retouch.scenes.language import caption
from retouch.scenes.language.reading import read_caption
from retouch.scenes.layout import sample_room
from retouch.scenes.seeds import scene_seeds

GOAL = 0.9
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a writer answered to one caption; `problem` is a reject's reason, a triple's fault, or None."""

    answer: Triple | Reject
    problem: str | None

    @property
    def change(self) -> str | None:
        """The kind of change a sound triple makes."""
        return None if self.problem is not None or isinstance(self.answer, Reject) else _change(self.answer)


@dataclass(frozen=True, kw_only=True)
class WriterSummary:
    """How many completions there were, how many are triples, how many of them obey the rules.

    `problems` and `changes` count reasons and kinds of sound changes; `distinct` different sound instructions.
    """

    count: int
    triples: int
    obeying: int
    distinct: int
    problems: Mapping[str, int]
    changes: Mapping[str, int]

    @property
    def share(self) -> float:
        """The share of the triples that obey the rules; rejects are no triples, and are dropped before any use."""
        return self.obeying / max(1, self.triples)

    def markdown(self) -> str:
        """Return the figures as a table."""
        rows = [
            "| writer | figure | goal |",
            "|---|---|---|",
            f"| completions that are triples | {self.triples / self.count:.1%} of {self.count} | – |",
            f"| triples that obey the rules | {self.share:.1%} of {self.triples} | ≥ {GOAL:.0%} |",
            f"| completions that are triples and obey | {self.obeying / self.count:.1%} of {self.count} | – |",
            f"| different instructions among these | {self.distinct} | – |",
            *(f"| problem: {name} | {count} | – |" for name, count in self.problems.items()),
            *(f"| change: {name} | {count} | – |" for name, count in self.changes.items()),
        ]
        return "\n".join(rows) + "\n"


def held_out_captions(count: int, *, seed: int) -> list[str]:
    """Captions of `count` rooms of the bench range, which no training ever sees."""
    rooms = map(sample_room, scene_seeds("bench", count, start=seed * count))
    return [caption(room, Random(derive_seed(seed, "caption", room.seed))) for room in rooms]


def evaluate_writer(
    writer: Writer,
    out: Path,
    *,
    count: int = 500,
    seed: int = 0,
    sampling: Sampling = BROOKS,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> WriterSummary:
    """Judge one triple for each of `count` held-out captions; see `evaluation.triples.fault_of`.

    `out` gets `triples.jsonl` with every answer and its problem, `report.json` and `report.md`. Raises
    Cancelled when interrupted.
    """
    captions = held_out_captions(count, seed=seed)
    written: list[Written] = []
    for start in range(0, count, BATCH):
        if cancelled():
            raise Cancelled(f"Interrupted after {start} of {count} captions; run again to start over.")
        written += _write(writer, captions[start : start + BATCH], derive_seed(seed, "bench", start), sampling)
        on_progress(len(written), count)
    summary = summarise(written)
    atomic_write(out / "triples.jsonl", "".join(f"{_line(one)}\n" for one in written).encode())
    atomic_write(out / "report.json", json.dumps(asdict(summary), indent=2).encode())
    atomic_write(out / "report.md", summary.markdown().encode())
    return summary


def summarise(written: Sequence[Written]) -> WriterSummary:
    """Count what was written."""
    sound = [one.answer for one in written if one.problem is None]
    return WriterSummary(
        count=len(written),
        triples=sum(isinstance(one.answer, Triple) for one in written),
        obeying=len(sound),
        distinct=len({answer.instruction for answer in sound if isinstance(answer, Triple)}),
        problems=dict(Counter(one.problem for one in written if one.problem is not None).most_common()),
        changes=dict(Counter(one.change for one in written if one.change is not None).most_common()),
    )


def judged(answer: Triple | Reject) -> Written:
    """An answer with what is wrong with it."""
    return Written(answer=answer, problem=answer.reason if isinstance(answer, Reject) else fault_of(answer))


def _write(writer: Writer, captions: Sequence[str], seed: int, sampling: Sampling) -> list[Written]:
    def answer(prompts: Sequence[str]) -> list[str]:
        return complete(writer, prompts, stop=END, seed=seed, sampling=sampling, batch_size=BATCH)

    return [judged(triple) for triple in write_triples(captions, answer)]


def _change(triple: Triple) -> str | None:
    before, after = read_caption(triple.source_caption), read_caption(triple.target_caption)
    changes = changes_of(before, after) if before and after else None
    return name_of(changes[0]) if changes else None


def _line(written: Written) -> str:
    return json.dumps({**asdict(written.answer), "problem": written.problem}, ensure_ascii=False)
