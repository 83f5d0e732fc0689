"""Let a language model write triples for captions, with every answer safe as soon as it is there."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import Cancelled
from retouch.datagen.answers import Answers
from retouch.records.triple import Complete, Reject, Triple, parse_completion, save_triples, to_prompt

BATCH = 32
"""Captions that are answered together: the most that a kill loses."""

CompleteBatch = Callable[[int], Complete]
"""The language model for the batch that starts at a caption's number: what it draws depends on that alone."""


@dataclass(frozen=True, kw_only=True)
class WriteSummary:
    """Where the triples are, how many, and how many answers were no triple or one that was there, by reason."""

    file: Path
    captions: int
    triples: int
    rejected: Mapping[str, int]


def write_file(
    captions: Sequence[str],
    out: Path,
    *,
    model: CompleteBatch,
    settings: Mapping[str, object],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> WriteSummary:
    """Write one triple for each caption to the JSON-lines file `out`, without doubles.

    Answers are kept beside it, in `out`.answers, while they are made: an interrupted run goes on there and
    ends with the same file. `settings` are those that change the answers. Raises DataError where the answers
    are those of other captions or settings, Cancelled when interrupted, OutputError where nothing can be written.
    """
    to = {"captions": list(captions), "settings": dict(settings)}
    kept = Answers(out, to, batch=BATCH, total=len(captions))
    while len(kept.values) < len(captions):
        if cancelled():
            raise Cancelled(
                f"Stopped after {len(kept.values)} of {len(captions)}; run the same command again to go on."
            )
        start = len(kept.values)
        prompts = [to_prompt(caption) for caption in captions[start : start + BATCH]]
        kept.add(model(start)(prompts))
        on_progress(len(kept.values), len(captions))
    triples, rejected = _sifted(captions, [str(text) for text in kept.values])
    save_triples(out, triples)
    kept.forget()
    return WriteSummary(file=out, captions=len(captions), triples=len(triples), rejected=rejected)


def _sifted(captions: Sequence[str], texts: Sequence[str]) -> tuple[list[Triple], Mapping[str, int]]:
    """The triples among the answers, each once, and how many answers were none, by reason."""
    triples: dict[Triple, None] = {}
    reasons: Counter[str] = Counter()
    for caption, text in zip(captions, texts, strict=True):
        answer = parse_completion(caption, text)
        if isinstance(answer, Reject):
            reasons[answer.reason] += 1
        elif answer in triples:
            reasons["double"] += 1
        else:
            triples[answer] = None
    return list(triples), dict(reasons)
