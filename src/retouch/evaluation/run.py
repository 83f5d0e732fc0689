"""Put cases to contestants, measure every answer, and write down what came out."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.files import atomic_write, remove_leftovers
from retouch.evaluation.answers import PROTOCOL as ANSWERS
from retouch.evaluation.answers import Answer, AnswerBook, case_digest
from retouch.evaluation.benchmark import BenchCase, Benchmark
from retouch.evaluation.contestants import Contestant
from retouch.evaluation.measures import BATCH, Column, Measure, ValueBook
from retouch.evaluation.report import Summary, summarise
from retouch.evaluation.results import Bench, CaseFacts, Entrant, Results, Row, Whole, write_results
from retouch.evaluation.thumbnails import FOLDER as CASES
from retouch.evaluation.thumbnails import keep_case
from retouch.evaluation.verdicts import Verdicts
from retouch.evaluation.wholes import SetMeasure
from retouch.records.lock import exclusive


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many of `total` answers of one contestant are made and measured."""

    contestant: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured: the first `limit` cases of a benchmark, each with every seed, by `measures` and `wholes`.

    Raises SettingsError for a limit under 1 and for seeds that are none or repeat.
    """

    bench: Benchmark
    measures: Sequence[Measure]
    wholes: Sequence[SetMeasure] = ()
    limit: int | None = None
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise SettingsError(f"limit is {self.limit}; expected at least 1.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SettingsError(f"The seeds are {self.seeds}; give at least one, and none twice.")
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SettingsError(f"The metric '{twice[0]}' is asked for twice; leave one out.")

    @property
    def columns(self) -> tuple[Column, ...]:
        """All that is measured, in order."""
        each = tuple(column for measure in self.measures for column in measure.columns)
        return each + tuple(whole.column for whole in self.wholes)


def evaluate(
    contestants: Iterable[Contestant],
    plan: Plan,
    out: Path,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Results:
    """Put the plan's cases to every contestant, one after the other, and write what came out into `out`.

    `out` keeps every answer as PNG under `answers/`, named by what it depends on, with `answers.jsonl` as their index,
    every value in `values.jsonl`, and small pictures of the cases in `cases/`. A later run in the same folder, whatever
    ended the one before, makes no answer and no value again. At the end come `results.json`, `report.json` and
    `report.md`, about the contestants of this run alone.

    Raises:
        Cancelled: when interrupted.
        DataError: there are no cases, two contestants have one name, or another run is writing to `out`.
        OutputError: `out` cannot be written.
    """
    with exclusive(out):
        remove_leftovers(out / CASES, ("*",))
        course = _Course(plan, out, on_progress, cancelled)
        for contestant in contestants:
            course.take(contestant)
        results = course.results()
        write_results(out, results)
        summary = summary_of(results, plan)
        atomic_write(out / "report.json", json.dumps(summary.facts(), indent=2).encode())
        atomic_write(out / "report.md", summary.markdown().encode())
    return results


def summary_of(results: Results, plan: Plan) -> Summary:
    """The shares of success by kind of edit, and LangDesign's table, as `report.md` has them."""
    judged = next((measure for measure in plan.measures if isinstance(measure, Verdicts)), None)
    return summarise(results, {} if judged is None else judged.table)


@dataclass(eq=False)
class _Course:
    """One run: what is done, and the books it is kept in."""

    plan: Plan
    out: Path
    on_progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    entrants: list[Entrant] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    wholes: list[Whole] = field(default_factory=list)
    cases: dict[str, CaseFacts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers, self.values = AnswerBook(self.out), ValueBook(self.out)

    def take(self, contestant: Contestant) -> None:
        """Put all cases to one contestant and measure its answers."""
        if any(entrant.name == contestant.name for entrant in self.entrants):
            raise DataError(f"Two contestants are called '{contestant.name}'; leave one out.")
        entrant = Entrant(
            name=contestant.name,
            identity=contestant.identity,
            line=contestant.line,
            baseline=contestant.baseline,
        )
        self.entrants.append(entrant)
        keys = [self._whole_key(contestant, whole.column) for whole in self.plan.wholes]
        sets = {key: whole.begin() for key, whole in zip(keys, self.plan.wholes, strict=True) if key not in self.values}
        for batch in _batches(self._answers(contestant)):
            measured = self.values.measure(self.plan.measures, [answer for answer, _ in batch])
            for (answer, seed), values in zip(batch, measured, strict=True):
                self.rows.append(
                    Row(model=contestant.name, case=answer.case.id, seed=seed, answer=answer.key, values=values)
                )
            for one in sets.values():
                one.take([answer for answer, _ in batch])
        for key, whole in zip(keys, self.plan.wholes, strict=True):
            if key in sets:
                self.values.note(key, whole.column, sets[key].value())
            value = self.values[key]
            if value is not None:
                self.wholes.append(Whole(model=contestant.name, metric=whole.column.name, value=value))

    def _whole_key(self, contestant: Contestant, column: Column) -> str:
        """What a figure of all answers depends on, known before any of them is made."""
        bench = self.plan.bench
        facts = (_called(bench.name), bench.version, self._count(contestant), self.plan.seeds)
        whole = (ANSWERS, contestant.identity, sorted(contestant.reads), *facts, column.name, column.protocol)
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def _count(self, contestant: Contestant) -> int:
        """How many cases are put to a contestant."""
        limits = [limit for limit in (self.plan.limit, contestant.limit) if limit is not None]
        return min([len(self.plan.bench), *limits])

    def _answers(self, contestant: Contestant) -> Iterator[tuple[Answer, int]]:
        """The contestant's answers, case by case and seed by seed, old ones and new ones."""
        count = self._count(contestant)
        total, done = count * len(self.plan.seeds), 0
        for case in islice(self.plan.bench.cases(count), count):
            for seed in self.plan.seeds if _tells(case, contestant) else ():
                if self.cancelled():
                    raise Cancelled(f"Interrupted after {done} of {total} edits; run again to go on from there.")
                self._see(case)
                yield self.answers.answer(contestant, case, seed), seed
                done += 1
                self.on_progress(Progress(contestant=contestant.name, done=done, total=total))

    def _see(self, case: BenchCase) -> None:
        if case.id in self.cases:
            return
        facts = CaseFacts(id=case.id, digest=case_digest(case), kind=case.kind, instruction=case.instruction)
        keep_case(self.out, facts.digest, case)
        self.cases[case.id] = facts

    def results(self) -> Results:
        """What was found; raises DataError where nothing was."""
        if not self.rows:
            raise DataError(f"The benchmark '{self.plan.bench.name}' put no case to anybody; choose another.")
        bench = Bench(name=_called(self.plan.bench.name), version=self.plan.bench.version, cases=len(self.cases))
        return Results(
            bench=bench,
            seeds=self.plan.seeds,
            columns=self.plan.columns,
            entrants=tuple(self.entrants),
            cases=tuple(self.cases.values()),
            rows=tuple(self.rows),
            wholes=tuple(self.wholes),
        )


def _called(name: str) -> str:
    """A benchmark's name; of a folder of records its own, so that it is the same wherever it lies."""
    kind, colon, place = name.partition(":")
    return f"{kind}:{Path(place).expanduser().resolve().name}" if colon else name


def _tells(case: BenchCase, contestant: Contestant) -> bool:
    """Whether the case has what the contestant reads; an empty instruction is one."""
    parts = [getattr(case, part) for part in contestant.reads if part != "instruction"]
    return not any(part is None or (isinstance(part, str) and not part) for part in parts)


def _batches(answers: Iterator[tuple[Answer, int]]) -> Iterator[list[tuple[Answer, int]]]:
    while batch := list(islice(answers, BATCH)):
        yield batch
