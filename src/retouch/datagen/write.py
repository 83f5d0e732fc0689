"""Let a language model write triples for captions, with every answer safe as soon as it is there."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import Cancelled, DataError, OutputError
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
    kept = _Answers(out.with_name(f"{out.name}.answers"), captions, settings)
    while len(kept.texts) < len(captions):
        if cancelled():
            raise Cancelled(f"Stopped after {len(kept.texts)} of {len(captions)}; run the same command again to go on.")
        start = len(kept.texts)
        prompts = [to_prompt(caption) for caption in captions[start : start + BATCH]]
        kept.add(model(start)(prompts))
        on_progress(len(kept.texts), len(captions))
    triples, rejected = _sifted(captions, kept.texts)
    save_triples(out, triples)
    kept.path.unlink()
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


class _Answers:
    """Answers in a file, a JSON text a line, below a line that says to what; a line cut short is dropped."""

    def __init__(self, path: Path, captions: Sequence[str], settings: Mapping[str, object]) -> None:
        self.path, self.texts = path, list[str]()
        head = json.dumps({"captions": list(captions), "settings": dict(settings)}, ensure_ascii=False) + "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{path} cannot be used ({error}); remove it, or choose another file.") from error
        if lines and lines[0].endswith("\n") and lines[0] != head:
            raise DataError(f"{path} holds answers to other captions or settings; repeat those, or remove it.")
        whole = [line for line in lines[1:] if line.endswith("\n")]
        # A batch that is not complete would be drawn otherwise when it is gone on with.
        whole = whole[: len(whole) // BATCH * BATCH] if len(whole) < len(captions) else whole
        self.texts = [json.loads(line) for line in whole]
        self._write(head + "".join(whole), "w")

    def add(self, texts: Sequence[str]) -> None:
        """Keep the answers of a batch; they are on the disk when this returns."""
        self._write("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts), "a")
        self.texts += texts

    def _write(self, content: str, mode: str) -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(
                f"{self.path} cannot be written ({reason}); free some space or write elsewhere."
            ) from error
