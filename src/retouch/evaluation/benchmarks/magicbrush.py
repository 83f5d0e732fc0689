"""MagicBrush (arXiv 2306.10012): turns of editing sessions with regions and targets, single or one after the other.

The development set is tables on the hub; the test set is a zip of `edit_sessions.json`, `images/ID/ID-input.png`,
`ID-maskN.png`, `ID-outputN.png` and files of captions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from retouch.core.errors import DataError, ImageError
from retouch.evaluation.benchmark import BenchCase, Mask
from retouch.evaluation.benchmarks.cases import checked, of_size, picture, wanted
from retouch.evaluation.benchmarks.files import Files, below, files_version, open_files
from retouch.evaluation.benchmarks.tables import TableBench, image, number, tables_of, text
from retouch.records.layouts.magicbrush import painted_region
from retouch.records.layouts.tables import Values
from retouch.records.lines import json_object

HUB_ID = "osunlp/MagicBrush"
NAME, KIND = "magicbrush", "turn"
METRICS = ("l1", "l2", "clip-image-target", "dino", "clip-text")
SESSIONS, PICTURES = "edit_sessions.json", "images"
CAPTIONS = ("local_descriptions.json", "local_captions.json")
"""The names in use for the captions of what a turn changes, by session and file; the first that is there is read."""
_COLUMNS = ("img_id", "turn_index", "source_img", "mask_img", "instruction", "target_img")
_FORM = "an object of sessions by number, as MagicBrush publishes"


def magicbrush(source: Path | None) -> "TableBench | Sessions":
    """The development set's tables at `source` or on the hub, or the test set's folder or zip. Raises DataError."""
    if source is not None and (source.suffix == ".zip" or any(source.glob(f"**/{SESSIONS}"))):
        return Sessions(files=open_files(source, SESSIONS))
    return TableBench(
        name=NAME,
        metrics=METRICS,
        tables=tables_of(source, hub_id=HUB_ID, pattern="data/dev-*", split="validation"),
        columns=_COLUMNS,
        case=_of_row,
    )


def _of_row(values: Values, where: str) -> BenchCase:
    session, turn = text(values, "img_id", where), number(values, "turn_index", where)
    source = picture(image(values, "source_img", where), f"{where}, column source_img,")
    target = picture(image(values, "target_img", where), f"{where}, column target_img,")
    return BenchCase(
        id=f"{session}-{turn}",
        kind=KIND,
        instruction=text(values, "instruction", where),
        source=source,
        target=of_size(target, source, f"{where}, column target_img,"),
        mask=_region(image(values, "mask_img", where), f"{where}, column mask_img,"),
        params={"img_id": session, "turn": turn},
    )


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of a session: its files, and its words with the captions of what it leads from and to."""

    session: str
    number: int
    turns: int
    source: str
    mask: str
    target: str
    instruction: str
    source_caption: str
    target_caption: str


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """The test set as it is published, session by session.

    Every case's source is the true result of the turn before it: the published single turns, of which all count. In
    the published multi-turn setting the model's own result of the turn before takes its place, and the last turn of a
    session counts: `params` tells `img_id`, `turn` from 1 on, and how many `turns` the session has.
    """

    files: Files
    name: str = NAME
    metrics: tuple[str, ...] = METRICS

    @property
    def version(self) -> str:
        """See `Benchmark`."""
        names = [name for turn in self._turns for name in (turn.source, turn.mask, turn.target)]
        return files_version(self.files, SESSIONS, names)

    def __len__(self) -> int:
        return len(self._turns)

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`."""
        turns = islice(self._turns, wanted(limit, len(self)))
        return checked(map(self._case, turns), "MagicBrush")

    @cached_property
    def _turns(self) -> tuple[Turn, ...]:
        found = self._object(SESSIONS)
        captions = next((self._object(file) for file in CAPTIONS if self.files.has(file)), {})
        turns = [turn for session, told in found.items() for turn in _session(session, told, captions.get(session))]
        if not turns:
            raise DataError(f"{SESSIONS} of {self.files.name} has no sessions; give {_FORM}.")
        return tuple(turns)

    def _object(self, file: str) -> Mapping[str, object]:
        where = f"{file} of {self.files.name}"
        try:
            return json_object(self.files.read(file).decode("utf-8-sig"), where, form=_FORM)
        except UnicodeDecodeError as error:
            raise DataError(f"{where} is not UTF-8 text; give {_FORM}.") from error

    def _case(self, turn: Turn) -> BenchCase:
        where = f"of turn {turn.number} of session {turn.session} of MagicBrush"
        source = picture(self.files.read(turn.source), f"The picture {where}")
        target = picture(self.files.read(turn.target), f"The target {where}")
        return BenchCase(
            id=f"{turn.session}-{turn.number}",
            kind=KIND,
            instruction=turn.instruction,
            source=source,
            target=of_size(target, source, f"The target {where}"),
            mask=_region(self.files.read(turn.mask), f"The mask {where}"),
            source_caption=turn.source_caption,
            target_caption=turn.target_caption,
            params={"img_id": turn.session, "turn": turn.number, "turns": turn.turns},
        )


def _session(session: str, told: object, captions: object) -> Iterator[Turn]:
    if not isinstance(told, list):
        raise DataError(f"Session {session} of {SESSIONS} is no list of turns; get the file again.")
    known = captions if isinstance(captions, dict) else {}
    for place, turn in enumerate(told, 1):
        where = f"Turn {place} of session {session} of {SESSIONS}"
        values = turn if isinstance(turn, dict) else {}
        names = {name: text(values, name, where) for name in ("input", "mask", "output")}
        files = {name: below(f"{PICTURES}/{session}/{file}", where) for name, file in names.items()}
        yield Turn(
            session=session,
            number=place,
            turns=len(told),
            source=files["input"],
            mask=files["mask"],
            target=files["output"],
            instruction=text(values, "instruction", where),
            source_caption=str(known.get(names["input"], "")),
            target_caption=str(known.get(names["output"], "")),
        )


def _region(data: bytes, where: str) -> Mask:
    try:
        return np.array(painted_region(data)) > 127
    except ImageError as error:
        raise DataError(f"{where} is no mask that can be read: {error}") from error
