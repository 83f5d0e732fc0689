"""Let agents write triples about a domain: single objects first, then places with ever more, until enough are good."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retouch.chat.protocol import Chat, Reply
from retouch.core.errors import Cancelled, DataError, SettingsError
from retouch.core.seeds import derive_seed
from retouch.datagen.agents.lines import sift
from retouch.datagen.agents.prompts import FORM, LINES, messages_of, tasks_of
from retouch.datagen.agents.reading import Lexicon, lexicon
from retouch.datagen.answers import Answers
from retouch.datagen.domain import Domain, Level
from retouch.records.triple import Triple, save_triples

USELESS_IN_A_ROW = 5
"""Answers without one good line after which an agent is given up."""
CALLS_FOR_ONE = 4
"""Calls that may be made, at most, where one would do if all of its lines were good."""


@dataclass(frozen=True, kw_only=True)
class AgentSummary:
    """Where the triples are; how many were wanted and written, in how many calls; what was left out, by reason.

    `tokens` are those read and those written, where the model said so for every answer.
    """

    file: Path
    wanted: int
    triples: int
    calls: int
    rejected: Mapping[str, int]
    tokens: tuple[int, int] | None

    def cost(self, price_in: float | None, price_out: float | None) -> float | None:
        """What it cost, at these prices of a million tokens read and written; None where something is unknown."""
        if self.tokens is None or price_in is None or price_out is None:
            return None
        return (self.tokens[0] * price_in + self.tokens[1] * price_out) / 1e6


@dataclass(frozen=True, kw_only=True)
class AgentWriter:
    """Writes triples about a domain by asking a chat model.

    Raises SettingsError where the domain has no examples for a level.
    """

    domain: Domain
    chat: Chat
    seed: int = 0

    def __post_init__(self) -> None:
        for level in self.domain.levels:
            if not tasks_of(self.domain, level.objects):
                raise SettingsError(
                    f"The domain '{self.domain.name}' has a level of {level.objects} objects and no examples for it; "
                    f"give some to {'an object' if level.objects == 1 else 'a place'}."
                )

    def write_file(
        self,
        out: Path,
        count: int,
        *,
        settings: Mapping[str, object],
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> AgentSummary:
        """Write `count` triples to the JSON-lines file `out`, or fewer where too many lines are no good.

        Every answer is kept beside it, in `out`.answers, as soon as it is there: an interrupted run goes on there
        and pays for none twice. `settings` are those, beside the domain and the seed, that change the answers.
        Raises Cancelled when interrupted, DataError where several answers in a row have no good line or the kept
        answers are others', SettingsError for a count below 1, and what the chat model raises.
        """
        if count < 1:
            raise SettingsError(f"{count} triples were asked for; give at least 1.")
        to = {"domain": repr(self.domain), "count": count, "seed": self.seed, "settings": dict(settings)}
        answers = Answers(out, to)
        work = _Work(known=lexicon(self.domain))
        kept = iter([_reply(value) for value in answers.values])
        for level, wanted in zip(self.domain.levels, _quotas(self.domain.levels, count), strict=True):
            for call, needed in _calls(wanted, work):
                reply = next(kept, None)
                if reply is None:
                    if cancelled():
                        raise Cancelled(f"Stopped after {work.calls} calls; run the same command again to go on.")
                    reply = self._ask(level, call)
                    answers.add([_as_json(reply)])
                work.take(reply, needed)
                on_progress(len(work.triples), count)
        save_triples(out, work.triples)
        answers.forget()
        return work.summary(out, count)

    def _ask(self, level: Level, call: int) -> Reply:
        tasks = tasks_of(self.domain, level.objects)
        order = random.Random(derive_seed(self.seed, "agent", level.objects, "round", call // len(tasks)))
        task = order.sample(tasks, len(tasks))[call % len(tasks)]
        seed = derive_seed(self.seed, "agent", level.objects, "call", call)
        messages = messages_of(self.domain, task, random.Random(seed))
        return self.chat.answer(messages, form=FORM, seed=seed)


@dataclass(kw_only=True)
class _Work:
    """What came of the answers so far; nothing but the answers decides it, so that it can be made again of them."""

    known: Lexicon
    triples: dict[Triple, None] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    replies: list[Reply] = field(default_factory=list)
    useless: int = 0

    @property
    def calls(self) -> int:
        """How many answers were taken."""
        return len(self.replies)

    def take(self, reply: Reply, needed: int) -> None:
        """Keep an answer's good lines, at most so many. Raises DataError where there were none for too long."""
        lines = list(sift(reply.text, self.known, self.triples))
        good = [line for line in lines if isinstance(line, Triple)]
        bad = Counter(line for line in lines if isinstance(line, str))
        self.triples |= dict.fromkeys(good[:needed])
        self.rejected += bad
        self.replies.append(reply)
        self.useless = 0 if good else self.useless + 1
        if self.useless >= USELESS_IN_A_ROW:
            reasons = ", ".join(f"{number} {reason}" for reason, number in bad.items())
            raise DataError(
                f"{self.useless} answers in a row have no good line (the last: {reasons}); "
                "use a model that follows instructions better, or simplify the domain, and write to another file."
            )

    def summary(self, out: Path, wanted: int) -> AgentSummary:
        """All of it in numbers."""
        read = [reply.prompt_tokens for reply in self.replies if reply.prompt_tokens is not None]
        written = [reply.completion_tokens for reply in self.replies if reply.completion_tokens is not None]
        told = len(read) == len(written) == len(self.replies)
        return AgentSummary(
            file=out,
            wanted=wanted,
            triples=len(self.triples),
            calls=self.calls,
            rejected=dict(self.rejected),
            tokens=(sum(read), sum(written)) if told else None,
        )


def _calls(wanted: int, work: _Work) -> Iterator[tuple[int, int]]:
    """Numbers of a level's calls and what is still needed, until that is nothing or calls are used up."""
    begun = len(work.triples)
    for call in range(CALLS_FOR_ONE * -(-wanted // LINES)):
        needed = wanted - (len(work.triples) - begun)
        if needed <= 0:
            return
        yield call, needed


def _quotas(levels: Sequence[Level], count: int) -> list[int]:
    """How many triples each level has: its share rounded down, and what is left to the largest remainders."""
    exact = [level.share * count for level in levels]
    quotas = [int(share + 1e-9) for share in exact]
    by_remainder = sorted(range(len(levels)), key=lambda place: quotas[place] - exact[place])
    for place in by_remainder[: count - sum(quotas)]:
        quotas[place] += 1
    return quotas


def _as_json(reply: Reply) -> Mapping[str, object]:
    return {"text": reply.text, "tokens": [reply.prompt_tokens, reply.completion_tokens]}


def _reply(value: object) -> Reply:
    """An answer as it was kept. Raises DataError where the file has another form."""
    match value:
        case {"text": str(text), "tokens": [int() | None as read, int() | None as written]}:
            return Reply(text=text, prompt_tokens=read, completion_tokens=written)
    raise DataError("The kept answers have another form than expected; remove the file of answers and begin anew.")
