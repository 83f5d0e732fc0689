"""The instruction triple: source caption, instruction, target caption; as prompt and completion, as lines, as records.

The separators are those of InstructPix2Pix (arXiv 2211.09800), so that its models and data can be used:
prompt = caption + "\\n##\\n", completion = instruction + "\\n%%\\n" + target caption + "\\nEND".
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.lines import json_lines
from retouch.records.pair import JSON, Split
from retouch.records.shards import read_columns

PROMPT_END = "\n##\n"
EDIT_END = "\n%%\n"
END = "\nEND"

SOURCE_KEYS = ("caption", "input", "source_caption")
INSTRUCTION_KEYS = ("edit", "instruction", "edit_prompt")
TARGET_KEYS = ("output", "target_caption")
"""Keys a line may give its three texts under, the ones written first."""

_FORM = "an object with caption, edit and output"
_ENDS = " .!?"
RejectReason = Literal["parts", "empty", "unchanged", "unfinished"]
Complete = Callable[[Sequence[str]], Sequence[str]]
"""A language model: prompts to their completions, each up to and with END where it came to it."""


@dataclass(frozen=True, kw_only=True)
class Triple:
    """A caption, an instruction for the picture it is of, and the caption of the edited picture.

    Raises DataError where a text is empty.
    """

    source_caption: str
    instruction: str
    target_caption: str

    def __post_init__(self) -> None:
        for name in ("source_caption", "instruction", "target_caption"):
            if not getattr(self, name).strip():
                raise DataError(f"A triple has an empty {name}; every triple needs three texts.")


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A completion that is no triple, and why.

    "parts": not two texts between separators; "empty": one of the two is empty; "unchanged": the target
    caption equals the source in all but case and " .!?" at its ends; "unfinished": it never came to END.
    """

    source_caption: str
    completion: str
    reason: RejectReason


def to_prompt(source_caption: str) -> str:
    """What a language model is given."""
    return source_caption + PROMPT_END


def to_completion(triple: Triple) -> str:
    """What a language model should answer."""
    return triple.instruction + EDIT_END + triple.target_caption + END


def to_text(triple: Triple) -> str:
    """Prompt and completion, as a language model is trained on them."""
    return to_prompt(triple.source_caption) + to_completion(triple)


def parse_completion(source_caption: str, completion: str) -> Triple | Reject:
    """Read what a language model answered; whatever follows END is cut off."""
    answer, end, _ = completion.partition(END)
    parts = [part.strip() for part in answer.split(EDIT_END)]
    reason: RejectReason | None = None
    if not end:
        reason = "unfinished"
    elif len(parts) != 2:
        reason = "parts"
    elif not all(parts):
        reason = "empty"
    elif _bare(parts[1]) == _bare(source_caption):
        reason = "unchanged"
    if reason is not None:
        return Reject(source_caption=source_caption, completion=completion, reason=reason)
    return Triple(source_caption=source_caption, instruction=parts[0], target_caption=parts[1])


def changes_something(triple: Triple) -> bool:
    """Whether the target caption says something else than the source."""
    return _bare(triple.source_caption) != _bare(triple.target_caption)


def write_triples(captions: Sequence[str], complete: Complete) -> list[Triple | Reject]:
    """Let a language model write a triple for each caption, in order."""
    completions = complete([to_prompt(caption) for caption in captions])
    return [parse_completion(caption, text) for caption, text in zip(captions, completions, strict=True)]


def save_triples(path: Path, triples: Iterable[Triple], *, notes: Iterable[Mapping[str, JSON]] = ()) -> int:
    """Write one JSON line a triple, {"caption", "edit", "output"}, whole or not at all; return how many.

    `notes`, one a triple where there are any, are further keys of the lines, which `load_triples` passes over.
    """
    lines = [
        json.dumps(
            {
                SOURCE_KEYS[0]: triple.source_caption,
                INSTRUCTION_KEYS[0]: triple.instruction,
                TARGET_KEYS[0]: triple.target_caption,
                **(note or {}),
            },
            ensure_ascii=False,
        )
        for triple, note in zip_longest(triples, notes)
    ]
    atomic_write(path, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def load_triples(path: Path) -> Iterator[Triple]:
    """Read JSON lines under any of the known keys; empty lines are passed over.

    Raises DataError that names the line which is no triple.
    """
    for where, content in json_lines(path, form=_FORM):
        yield triple_of_line(content, where)


def triple_of_line(content: Mapping[str, object], where: str) -> Triple:
    """The triple in a line's object. Raises DataError, naming `where`, where a text is missing."""
    return Triple(
        source_caption=_text(content, SOURCE_KEYS, where),
        instruction=_text(content, INSTRUCTION_KEYS, where),
        target_caption=_text(content, TARGET_KEYS, where),
    )


def triples_of_records(folder: Path, *, split: Split | None = None) -> Iterator[Triple]:
    """The triples of a folder of pair records, without those that change no caption.

    Raises DataError where the folder holds no records.
    """
    for row in read_columns(folder, ("edit_prompt", "source_caption", "target_caption"), split=split):
        texts = {name: str(value or "").strip() for name, value in row.items()}
        if not all(texts.values()):
            continue
        triple = Triple(
            source_caption=texts["source_caption"],
            instruction=texts["edit_prompt"],
            target_caption=texts["target_caption"],
        )
        if changes_something(triple):
            yield triple


def _text(content: Mapping[str, object], keys: tuple[str, ...], where: str) -> str:
    value = next((content[key] for key in keys if key in content), None)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where} has no text under {' or '.join(keys)}; give one.")
    return value.strip()


def _bare(text: str) -> str:
    return text.lower().strip(_ENDS)
