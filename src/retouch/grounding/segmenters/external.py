"""A segmenter that is a program of its own: it reads a picture and a phrase, and writes a mask."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import ImageError, ModelError, SettingsError
from retouch.core.images import load_image, png_bytes
from retouch.grounding.checks import check_point, checked_phrase, phrases_alone
from retouch.grounding.segmenter import Segment

PLACES = ("{image}", "{phrase}", "{mask}")
SECONDS = 300.0
THRESHOLD = 0.5
EXAMPLE = "python segment.py --image={image} --phrase={phrase} --mask={mask}"


class ExternalSegmenter:
    """A `Segmenter` that runs a command, without a shell, for every phrase.

    The command is a template with `{image}`, `{phrase}` and `{mask}`, split into words before they are filled in, so
    that a phrase stays one argument whatever it holds. The program reads the PNG at `{image}`, writes a PNG of the
    same size to `{mask}`, white where the phrase fits and black elsewhere, and ends with status 0. All black means that
    nothing fits. Its last line on standard output may be a JSON object with a "score" of 0 to 1; without one the
    score is 1, or 0 for a black mask.
    """

    def __init__(self, command: str, *, seconds: float = SECONDS) -> None:
        """Take a command template and the seconds that one run may take; raises SettingsError."""
        self._words, self._seconds = _words(command), seconds
        if not seconds > 0:
            raise SettingsError(f"A segmenter's command may take {seconds:g} s; give more than 0.")

    @property
    def name(self) -> str:
        """The program, without its folder and its arguments."""
        return f"command:{Path(self._words[0]).name}"

    @property
    def threshold(self) -> float:
        """The score below which a thing is taken not to be there."""
        return THRESHOLD

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        """What the phrase fits; raises ModelError where the program fails, is too slow or breaks the contract."""
        words = checked_phrase(phrase)
        with tempfile.TemporaryDirectory(prefix="retouch-") as place:
            picture, mask = Path(place) / "image.png", Path(place) / "mask.png"
            picture.write_bytes(png_bytes(image.convert("RGB")))
            values = {"{image}": str(picture), "{phrase}": words, "{mask}": str(mask)}
            said = self._run([_filled(word, values) for word in self._words])
            levels = self._mask(mask, image.size)
        score = _score(said)
        return Segment(mask=levels, score=float(levels.max() >= 0.5) if score is None else score)

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """Raise SettingsError: the command takes no points."""
        check_point(image, point)
        raise phrases_alone(self.name)

    def _run(self, arguments: Sequence[str]) -> str:
        """What the program says on standard output."""
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ModelError(
                f"The segmenter's program '{self._words[0]}' cannot be started ({reason}); check the command."
            ) from error
        try:
            said, complained = process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"The segmenter's program '{self._words[0]}' gave no mask within {self._seconds:g} s; "
                "check that it ends, or allow it more."
            ) from error
        finally:
            _end(process)
        if process.returncode != 0:
            lines = complained.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise ModelError(
                f"The segmenter's program '{self._words[0]}' failed with status {process.returncode} "
                f"({lines[-1][:200]}); run the command by hand to see why."
            )
        return said.decode(errors="replace")

    def _mask(self, path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
        if not path.is_file():
            raise ModelError(
                f"The segmenter's program '{self._words[0]}' ended well but wrote no mask; "
                "it has to write a PNG to {mask}."
            )
        try:
            mask = load_image(path).pixels.convert("L")
        except ImageError as error:
            raise ModelError(f"The segmenter's program '{self._words[0]}' wrote a bad mask: {error}") from error
        if mask.size != size:
            raise ModelError(
                f"The segmenter's program '{self._words[0]}' wrote a mask of {mask.width} x {mask.height} pixels for a "
                f"picture of {size[0]} x {size[1]}; both must be of one size."
            )
        return np.asarray(mask, dtype=np.float32) / np.float32(255)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingsError(
            f"The segmenter's command '{command}' cannot be split ({error}); check its quotes."
        ) from error
    missing = [place for place in PLACES if not any(place in word for word in words[1:])]
    if not words or missing:
        raise SettingsError(
            f"The segmenter's command '{command}' has no {' and no '.join(missing)}; write it like '{EXAMPLE}'."
        )
    return words


def _filled(word: str, values: Mapping[str, str]) -> str:
    """The word with its places filled in, once: a phrase that holds such a place keeps it."""
    for place, value in values.items():
        before, found, after = word.partition(place)
        if found:
            return _filled(before, values) + value + _filled(after, values)
    return word


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and all that it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _score(said: str) -> float | None:
    lines = said.strip().splitlines()
    try:
        stated = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    score = stated.get("score") if isinstance(stated, dict) else None
    if not isinstance(score, int | float) or isinstance(score, bool):
        return None
    if not 0 <= score <= 1:
        raise ModelError(f"The segmenter's program states a score of {score}; it has to be from 0 to 1.")
    return float(score)
