"""The two objectives of calibration: that an edit goes where the words go, and that it keeps the rest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from retouch.core.errors import DataError, SettingsError
from retouch.evaluation.benchmark import BenchCase, Mask, Picture
from retouch.evaluation.judges import Case, Judge, judges, psnr_outside
from retouch.metrics.clip import Encoder, directional_similarity
from retouch.metrics.fidelity import PSNR_PROTOCOL
from retouch.metrics.material import WEIGHTS, MaterialJudge

HIGHEST_PSNR = 99.0
FOLLOWS = ("success", "clip-directional")
KEEPS = ("psnr-outside", "clip-image")


class Objective(Protocol):
    """Scores one edit, higher being better."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    @property
    def protocol(self) -> str:
        """All that its values depend on."""
        ...

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """The value, None where the case does not ask for it."""
        ...


class Success:
    """1 where the judge of the case's kind lets the edit pass, else 0."""

    name = "success"

    def __init__(self, table: Mapping[str, Judge], round_trip: Callable[[Picture], Picture]) -> None:
        self._table, self._round_trip = table, round_trip
        self.protocol = "success/" + "; ".join(f"{kind}: {judge.measure}" for kind, judge in table.items())

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """See `Objective.score`."""
        if case.kind not in self._table or case.target is None:
            return None
        source = self._round_trip(case.source) if case.kind == "null" else case.source
        return float(self._table[case.kind].judge(_judged(case, output, source)).success)


class PsnrOutside:
    """Decibels between output and source where the edit may change nothing, at most 99."""

    name = "psnr-outside"
    protocol = f"{PSNR_PROTOCOL}/outside/at-most-99"

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """See `Objective.score`."""
        if case.mask is None and case.kind != "null":
            return None
        found = psnr_outside(_judged(case, output, case.source))
        return None if found is None else min(found, HIGHEST_PSNR)


class ClipDirectional:
    """Cosine of the change in pictures and the change in captions."""

    name = "clip-directional"

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.protocol = f"directional/{encoder.protocol}"

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """See `Objective.score`."""
        captions = (case.source_caption, case.target_caption)
        if not all(captions) or captions[0] == captions[1]:
            return None
        pictures = self._encoder.pictures([Image.fromarray(case.source), Image.fromarray(output)])
        return float(directional_similarity(pictures[None], self._encoder.texts(captions)[None])[0])


class ClipImage:
    """Cosine of source and output."""

    name = "clip-image"

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.protocol = f"image/{encoder.protocol}"

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """See `Objective.score`."""
        source, made = self._encoder.pictures([Image.fromarray(case.source), Image.fromarray(output)])
        return float(torch.dot(source, made))


def objectives(
    cases: Sequence[BenchCase],
    encoder: Encoder,
    round_trip: Callable[[Picture], Picture],
    *,
    follows: str | None = None,
    keeps: str | None = None,
) -> tuple[Objective, Objective]:
    """The two objectives of these names, or those that suit the cases.

    Args:
        cases: what will be scored.
        encoder: judges additions and all that goes by CLIP.
        round_trip: takes a picture through the model's autoencoder and back; null edits are held to it.
        follows: one of `FOLLOWS`.
        keeps: one of `KEEPS`.

    Raises:
        SettingsError: no objective has that name.
        DataError: the cases allow none.
    """
    check_names(follows, keeps)
    table = judges(MaterialJudge.load() if WEIGHTS.is_file() else None, encoder)
    usual = suited(cases, table)
    going: dict[str, Objective] = {
        "success": Success(table, round_trip), "clip-directional": ClipDirectional(encoder)
    }  # fmt: skip
    keeping: dict[str, Objective] = {"psnr-outside": PsnrOutside(), "clip-image": ClipImage(encoder)}
    return going[follows or usual[0]], keeping[keeps or usual[1]]


def suited(cases: Sequence[BenchCase], table: Mapping[str, Judge]) -> tuple[str, str]:
    """The names of the objectives that these cases allow, the judges' and the regions' where they can be had.

    Raises:
        DataError: there are neither targets that a judge knows nor captions.
    """
    judged = all(case.kind in table and case.target is not None for case in cases)
    said = any(case.source_caption and case.target_caption for case in cases)
    if not judged and not said:
        raise DataError("The cases have neither true results nor captions of both sides; nothing says what follows.")
    regions = all(case.mask is not None or case.kind == "null" for case in cases)
    return "success" if judged else "clip-directional", "psnr-outside" if regions else "clip-image"


def check_names(follows: str | None, keeps: str | None) -> None:
    """Raises SettingsError for a name that is no objective's."""
    for option, name, known in (("--follows", follows, FOLLOWS), ("--keeps", keeps, KEEPS)):
        if name is not None and name not in known:
            raise SettingsError(f'{option} is "{name}"; expected {" or ".join(known)}.')


def _judged(case: BenchCase, output: Picture, round_trip: Picture) -> Case:
    return Case(
        kind=case.kind,
        params=case.params,
        source=case.source,
        target=case.source if case.target is None else case.target,
        output=output,
        round_trip=round_trip,
        changed=_or_empty(case.mask, case.source),
        object_mask=_or_empty(case.object_mask, case.source),
    )


def _or_empty(mask: Mask | None, like: Picture) -> Mask:
    return np.zeros(like.shape[:2], dtype=bool) if mask is None else mask
