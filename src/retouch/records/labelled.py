"""A text with labels of what it says, as JSON lines: what a reader of instructions learns from."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import DataError
from retouch.core.files import atomic_write


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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path} cannot be read ({reason}); give a file of JSON lines.") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _of_line(line, f"Line {number} of {path}")


def _of_line(line: str, where: str) -> LabelledText:
    try:
        content = json.loads(line)
        text, labels = content["text"], tuple(content["labels"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{where} is not {{"text": …, "labels": […]}}; give one such object a line.') from error
    if not isinstance(text, str) or not all(isinstance(label, str) for label in labels):
        raise DataError(f"{where} holds other things than texts; give a text and a list of labels.")
    return LabelledText(text=text, labels=labels)
