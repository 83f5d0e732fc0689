"""Every edit that was scored, a line each, so that a later run makes none of them again."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from retouch.core.errors import DataError
from retouch.evaluation.calibration.values import Score, Setting
from retouch.records.journal import Journal


class ScoreBook:
    """The scores of one model under one pair of objectives, in `edits-<fingerprint>.jsonl` of a folder.

    Raises DataError where a line is no score, OutputError where the file cannot be written.
    """

    def __init__(self, folder: Path, *facts: str | int) -> None:
        """Read what is there; `facts` are all that scores depend on beside the setting and the case."""
        fingerprint = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
        path = folder / f"edits-{fingerprint}.jsonl"
        self._journal = Journal(path)
        self._known = dict(_entry(line, path) for line in self._journal.entries)

    def get(self, setting: Setting, case: str, make: Callable[[], Score]) -> Score:
        """The score known of a setting on a case, or the one that `make` makes, which is kept."""
        key = (setting, case)
        if key not in self._known:
            self._known[key] = self._noted(setting, case, make())
        return self._known[key]

    def knows(self, setting: Setting, case: str) -> bool:
        """Whether nothing need be made."""
        return (setting, case) in self._known

    def _noted(self, setting: Setting, case: str, score: Score) -> Score:
        line = {
            "case": case,
            "text_guidance": setting.text_guidance,
            "image_guidance": setting.image_guidance,
            "steps": setting.steps,
            "follows": score.follows,
            "keeps": score.keeps,
            "seconds": score.seconds,
        }
        self._journal.add([line])
        return score


def _entry(line: Mapping[str, object], path: Path) -> tuple[tuple[Setting, str], Score]:
    case, steps = line.get("case"), line.get("steps")
    text, image, follows, keeps, seconds = (
        _number(line.get(name)) for name in ("text_guidance", "image_guidance", "follows", "keeps", "seconds")
    )
    if not isinstance(case, str) or not isinstance(steps, int) or text is None or seconds is None:
        raise DataError(f"A line of {path} is no score of an edit; choose another folder.")
    setting = Setting(text_guidance=text, image_guidance=image, steps=steps)
    return (setting, case), Score(follows=follows, keeps=keeps, seconds=seconds)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
