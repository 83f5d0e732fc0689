"""Every edit that was scored, a line each, so that a later run makes none of them again."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from retouch.evaluation.calibration.values import Score, Setting


class Journal:
    """The scores of one model under one pair of objectives, in `edits-<fingerprint>.jsonl` of a folder."""

    def __init__(self, folder: Path, *facts: str | int) -> None:
        """Read what is there; `facts` are all that scores depend on beside the setting and the case."""
        fingerprint = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
        self.path = folder / f"edits-{fingerprint}.jsonl"
        self._known = dict(_read(self.path))

    def get(self, setting: Setting, case: str, make: Callable[[], Score]) -> Score:
        """The score known of a setting on a case, or the one that `make` makes, which is kept."""
        key = (setting, case)
        if key not in self._known:
            self._known[key] = self._append(setting, case, make())
        return self._known[key]

    def knows(self, setting: Setting, case: str) -> bool:
        """Whether nothing need be made."""
        return (setting, case) in self._known

    def _append(self, setting: Setting, case: str, score: Score) -> Score:
        line = {
            "case": case,
            "text_guidance": setting.text_guidance,
            "image_guidance": setting.image_guidance,
            "steps": setting.steps,
            "follows": score.follows,
            "keeps": score.keeps,
            "seconds": score.seconds,
        }
        with self.path.open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        return score


def _read(path: Path) -> "list[tuple[tuple[Setting, str], Score]]":
    if not path.is_file():
        return []
    text = path.read_text()
    whole, _, torn = text.rpartition("\n")
    if torn:
        # A killed run leaves half a line, to which the next one must not be joined.
        path.write_text(f"{whole}\n" if whole else "")
    return [_entry(line) for line in whole.splitlines()]


def _entry(line: str) -> tuple[tuple[Setting, str], Score]:
    found = json.loads(line)
    setting = Setting(
        text_guidance=found["text_guidance"], image_guidance=found["image_guidance"], steps=found["steps"]
    )
    return (setting, found["case"]), Score(follows=found["follows"], keeps=found["keeps"], seconds=found["seconds"])
