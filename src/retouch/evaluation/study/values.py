"""A study as values: what is shown under which code, which is kept apart from the page in a key, and votes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from retouch.core.errors import DataError

Side = Literal["a", "b"]
Check = Literal["", "identical", "flipped"]
Choice = Literal["left", "right", "same"]
KEY_FORMAT = "retouch-study-key/1"
VOTES_FORMAT = "retouch-study-votes/1"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One comparison: what stands left and right of which case, and whether it only tests attention.

    An "identical" one shows one picture twice, a "flipped" one repeats a case with its sides changed.
    """

    code: str
    case: str
    kind: str
    left: Side
    right: Side
    check: Check = ""


@dataclass(frozen=True, kw_only=True)
class Key:
    """What the page does not say: which model is which, and every trial in the order it is shown."""

    study: str
    a: str
    b: str
    questions: tuple[str, ...]
    trials: tuple[Trial, ...]

    def json(self) -> str:
        """As it is written beside the page."""
        return json.dumps({"format": KEY_FORMAT, **asdict(self)}, indent=1) + "\n"


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What one rater chose on one trial to one question, counted from 0, and after how many seconds."""

    code: str
    question: int
    choice: Choice
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """All votes of one rater, who is told from others by `rater`, not by name."""

    study: str
    rater: str
    name: str
    votes: tuple[Vote, ...]


def read_key(path: Path) -> Key:
    """Read a key; raises DataError where it is none."""
    found = _document(path, KEY_FORMAT, "a study's key")
    try:
        trials = tuple(Trial(**trial) for trial in _list(found["trials"]))
        key = Key(
            study=str(found["study"]),
            a=str(found["a"]),
            b=str(found["b"]),
            questions=tuple(str(question) for question in _list(found["questions"])),
            trials=trials,
        )
    except (KeyError, TypeError) as problem:
        raise DataError(f"{path} is no whole study's key ({problem}); make the study again.") from problem
    if not key.trials or not key.questions:
        raise DataError(f"{path} holds no trials or no questions; make the study again.")
    return key


def read_ballot(path: Path) -> Ballot:
    """Read the votes that a page saved; raises DataError where the file holds none."""
    found = _document(path, VOTES_FORMAT, "a file of votes")
    try:
        votes = tuple(_vote(vote) for vote in _list(found["votes"]))
        return Ballot(study=str(found["study"]), rater=str(found["rater"]), name=str(found["name"]), votes=votes)
    except (KeyError, TypeError, ValueError) as problem:
        raise DataError(f"{path} is no whole file of votes ({problem}); save it from the page again.") from problem


def _vote(found: object) -> Vote:
    if not isinstance(found, Mapping):
        raise TypeError("a vote is no object")
    choice, question = found["choice"], found["question"]
    if choice not in get_args(Choice):
        raise ValueError(f"a choice is {choice!r}")
    if isinstance(question, bool) or not isinstance(question, int) or question < 0:
        raise ValueError(f"a question is {question!r}")
    return Vote(code=str(found["code"]), question=question, choice=choice, seconds=float(found["seconds"]))


def _document(path: Path, form: str, expected: str) -> Mapping[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise DataError(f"{path} cannot be read ({problem.strerror}); expected {expected}.") from problem
    except ValueError as problem:
        raise DataError(f"{path} is no JSON; expected {expected}.") from problem
    if not isinstance(found, dict) or found.get("format") != form:
        raise DataError(f"{path} is not {expected} ({form}); give the file that the study's page or command wrote.")
    return found


def _list(value: object) -> list:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value
