"""The study's page: one HTML file with everything in it, and the key that goes beside it."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from random import Random

from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.files import atomic_write
from retouch.core.images import load_image
from retouch.core.seeds import derive_seed
from retouch.evaluation.study.answers import Answered, shown
from retouch.evaluation.study.trials import make_trials
from retouch.evaluation.study.values import VOTES_FORMAT, Key

QUESTION = "Which is the better edit?"
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What the page says: a title and the questions put to every pair, in their order."""

    title: str = "Which edit is better?"
    questions: tuple[str, ...] = (QUESTION,)

    def __post_init__(self) -> None:
        if not self.questions or not all(question.strip() for question in (self.title, *self.questions)):
            raise SettingsError("A title or a question is empty; give at least one question in words.")


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where page and key lie, and what the page shows."""

    page: Path
    key: Path
    cases: int
    trials: int


def write_study(
    answers: Sequence[Answered],
    page: Path,
    *,
    names: tuple[str, str],
    wording: Wording,
    checks: int | None = None,
    side: int = 768,
    seed: int = 0,
) -> Written:
    """Write a page that compares the answers of two models blindly, and beside it `<name>.key.json`.

    The page names no model and no case; who has the files of the answers can still find out which is which.

    Args:
        answers: at least one case that both answered.
        page: an .html file.
        names: what the key calls the models A and B.
        wording: title and questions.
        checks: identical and repeated pairs, so many of each; None takes a tenth of the cases, at least one.
        side: of the longer side at the most, in pixels.
        seed: of order, sides and codes.

    Raises:
        SettingsError: `checks` or `side` is out of range.
        ImageError: a picture cannot be read.
        OutputError: the files cannot be written.
    """
    count = max(1, len(answers) // 10) if checks is None else checks
    if count < 0 or side < 16:
        raise SettingsError(f"checks is {count} and side {side}; expected at least 0 and 16.")
    trials = make_trials([each.case for each in answers], checks=count, seed=seed)
    album = _Album(seed)
    by_case = {each.case.id: _shots(each, album, side) for each in answers}
    words = {each.case.id: each.case.instruction for each in answers}
    told = [
        {
            "code": trial.code,
            "instruction": words[trial.case],
            "source": by_case[trial.case]["source"],
            "left": by_case[trial.case][trial.left],
            "right": by_case[trial.case][trial.right],
        }
        for trial in trials
    ]
    study = hashlib.sha256(json.dumps([told, wording.questions, album.digests()]).encode()).hexdigest()[:12]
    key = Key(study=study, a=names[0], b=names[1], questions=wording.questions, trials=trials)
    data = {
        "format": VOTES_FORMAT,
        "study": study,
        "questions": wording.questions,
        "trials": told,
        "pictures": album.pictures(),
    }
    place = page.with_suffix(".key.json")
    atomic_write(place, key.json().encode())
    atomic_write(page, _html(wording.title, data).encode())
    return Written(page=page, key=place, cases=len(answers), trials=len(trials))


class _Album:
    """Pictures under random names, each held once."""

    def __init__(self, seed: int) -> None:
        self._generator = Random(derive_seed(seed, "album"))
        self._names: dict[bytes, str] = {}

    def add(self, picture: Image.Image) -> str:
        """The name of a picture; it is encoded anew and without loss, which drops what its file told."""
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", lossless=True, quality=80)
        return self._names.setdefault(buffer.getvalue(), f"{self._generator.getrandbits(48):012x}")

    def pictures(self) -> dict[str, str]:
        """Base64 by name, in an order that tells nothing."""
        named = sorted((name, data) for data, name in self._names.items())
        return {name: base64.b64encode(data).decode() for name, data in named}

    def digests(self) -> list[str]:
        """What changes with the pictures."""
        return sorted(hashlib.sha256(data).hexdigest() for data in self._names)


def _shots(each: Answered, album: _Album, side: int) -> dict[str, str]:
    source = Image.fromarray(each.case.source)
    pictures = {"source": source, "a": load_image(each.a).pixels, "b": load_image(each.b).pixels}
    return {name: album.add(shown(picture, source.size, side)) for name, picture in pictures.items()}


def _html(title: str, data: dict[str, object]) -> str:
    parts = {
        "TITLE": escape(title),
        "STYLE": (_HERE / "page.css").read_text(encoding="utf-8"),
        "SCRIPT": (_HERE / "page.js").read_text(encoding="utf-8"),
        # Within a script element only "</" could end it.
        "DATA": json.dumps(data, ensure_ascii=False).replace("</", "<\\/"),
    }
    document = (_HERE / "page.html").read_text(encoding="utf-8")
    head, *rest = document.split("{{")
    return head + "".join(parts[name] + after for name, after in (piece.split("}}", 1) for piece in rest))
