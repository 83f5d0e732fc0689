"""A text with labels of what it says, as JSON lines: what a reader of instructions learns from."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.lines import json_lines

_FORM = '{"text": …, "labels": […]}'


@dataclass(frozen=True, kw_only=True)
class LabelledText:
    """A text and what it says, each as "aspect=value": "object=sofa", "colour=green".

    Raises DataError where the text is empty or a label is not of that form.
    """

    text: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise DataError("A labelled text is empty; leave it out.")
        for label in self.labels:
            if not all(label.partition("=")):
                raise DataError(f"The label {label!r} of {self.text!r} is not of the form aspect=value; write it so.")


def save_labelled(path: Path, texts: Iterable[LabelledText]) -> int:
    """Write one JSON line a text, {"text", "labels"}, whole or not at all; return how many."""
    lines = [json.dumps({"text": text.text, "labels": text.labels}, ensure_ascii=False) for text in texts]
    atomic_write(path, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def load_labelled(path: Path) -> Iterator[LabelledText]:
    """Read such lines; empty ones are passed over. Raises DataError that names the line which is no labelled text."""
    for where, content in json_lines(path, form=_FORM):
        text, labels = content.get("text"), content.get("labels")
        if not isinstance(text, str) or not isinstance(labels, list):
            raise DataError(f"{where} lacks a text or its labels; give {_FORM}.")
        if not all(isinstance(label, str) for label in labels):
            raise DataError(f"{where} holds a label that is no text; give {_FORM}.")
        yield LabelledText(text=text, labels=tuple(labels))
