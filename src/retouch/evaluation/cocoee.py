"""COCOEE, the benchmark of Paint-by-Example: 3,500 photographs, each with a box and a picture of what goes there.

Its layout: `id_list.npy`; `GT_3500/<id>_GT.png`, `Ref_3500/<id>_ref.png` and `Mask_bbox_3500/<id>_mask.png` with
identifiers of twelve digits and masks that are white where something is put in.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import Cancelled, DataError, ImageError, OutputError
from retouch.core.files import atomic_write
from retouch.core.images import load_image, png_bytes
from retouch.core.reference import Reference, load_reference
from retouch.core.region import Region
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_fid import clip_features, clip_fid_protocol
from retouch.metrics.frechet import frechet_distance
from retouch.metrics.quality_score import QualityModel, check_enough, fit_quality, quality_protocol
from retouch.metrics.region_clip import EXEMPLAR_PROTOCOL, exemplar_likeness

PICTURES = "pictures"
"""The folder in the report's own with what was made."""
RUN_FILE = "run.json"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_BATCH = 16

Answer = Callable[[Image.Image, Region, Reference, int], Image.Image]
"""What is made of a picture with a region, an object's picture and a seed: a picture of the first one's size."""
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class CocoeeCase:
    """The files of one case."""

    id: int
    picture: Path
    reference: Path
    mask: Path

    @property
    def name(self) -> str:
        """What its output is called."""
        return f"{self.id:012d}.png"


@dataclass(frozen=True, kw_only=True)
class CocoeeLine:
    """The figures of one set of pictures: CLIP-FID, QS and region CLIP, the latter two of a hundred.

    likelihood: the mean log-likelihood that QS cuts off at 0 and 300.
    """

    pictures: str
    clip_fid: float
    quality: float
    likelihood: float
    region_clip: float


@dataclass(frozen=True, kw_only=True)
class CocoeeReport:
    """What a model made beside the photographs themselves, on `cases` cases against `references` real pictures."""

    cases: int
    references: int
    lines: tuple[CocoeeLine, ...]
    protocols: tuple[str, ...]

    def markdown(self) -> str:
        """The lines as a table."""
        rows = [
            f"| {self.cases} cases, {self.references} real pictures | CLIP-FID ↓ | QS ↑ | log-likelihood ↑ "
            "| region CLIP ↑ |",
            "|---|---|---|---|---|",
        ]
        rows += [
            f"| {line.pictures} | {line.clip_fid:.2f} | {line.quality:.2f} | {line.likelihood:.0f} "
            f"| {line.region_clip:.2f} |"
            for line in self.lines
        ]
        note = "CLIP-FID is not to be compared with an FID of Inception features."
        return "\n".join([*rows, "", f"{note} Protocols: {', '.join(f'`{each}`' for each in self.protocols)}."]) + "\n"


def cocoee_cases(root: Path, *, limit: int | None = None) -> list[CocoeeCase]:
    """The first `limit` cases of the benchmark's folder, all files of them seen to.

    Raises DataError where one is missing or damaged, or a mask is of another size than its picture or empty.
    """
    cases = [_case(root, number) for number in _identifiers(root)[:limit]]
    for case in cases:
        _check(case)
    return cases


def reference_set(folder: Path) -> list[Path]:
    """The pictures of a folder by name. Raises DataError where there are too few for the quality score."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    check_enough(len(found))
    return found


def evaluate_cocoee(
    answer: Answer,
    cases: Sequence[CocoeeCase],
    references: Sequence[Path],
    out: Path,
    *,
    model: str,
    encoder: Encoder,
    seed: int = 0,
    on_progress: OnProgress = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> CocoeeReport:
    """Let a model answer every case and compare what it made, and the photographs themselves, with real pictures.

    `out` gets the pictures, which a later run of the same model and seed takes up again, report.md and report.json.

    Raises:
        OutputError: `out` holds pictures of another model or seed.
        DataError: there are too few pictures.
        Cancelled: when interrupted.
    """
    check_enough(len(references))
    _claim(out, model=model, seed=seed)
    total = len(cases) + len(references)
    for done, case in enumerate(cases):
        if cancelled():
            raise Cancelled(f"Interrupted after {done} of {len(cases)} pictures; the same command goes on from there.")
        _answer(answer, case, out / PICTURES / case.name, seed)
        on_progress(done + 1, total)
    features = clip_features(encoder, _watched(references, len(cases), total, on_progress, cancelled))
    real = _Real(features=features, quality=fit_quality(features), encoder=encoder)
    sets = {model: [out / PICTURES / case.name for case in cases], "photographs": [case.picture for case in cases]}
    report = CocoeeReport(
        cases=len(cases),
        references=len(references),
        lines=tuple(real.line(name, paths, cases) for name, paths in sets.items()),
        protocols=(clip_fid_protocol(encoder), quality_protocol(encoder), f"{EXEMPLAR_PROTOCOL}/{encoder.protocol}"),
    )
    atomic_write(out / "report.json", json.dumps(asdict(report), indent=2).encode())
    atomic_write(out / "report.md", report.markdown().encode())
    return report


def _identifiers(root: Path) -> list[int]:
    path = root / "id_list.npy"
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"'{path}' is missing or no plain array ({error}); name the folder of COCOEE.") from error
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer) or not len(found):
        raise DataError(
            f"'{path}' holds {found.dtype} of the shape {found.shape}, expected a list of whole numbers; get it again."
        )
    return [int(number) for number in found]


def _case(root: Path, number: int) -> CocoeeCase:
    name = f"{number:012d}"
    return CocoeeCase(
        id=number,
        picture=root / "GT_3500" / f"{name}_GT.png",
        reference=root / "Ref_3500" / f"{name}_ref.png",
        mask=root / "Mask_bbox_3500" / f"{name}_mask.png",
    )


def _check(case: CocoeeCase) -> None:
    sizes: list[tuple[int, int]] = []
    for path in (case.picture, case.reference, case.mask):
        try:
            with Image.open(path) as image:
                sizes.append(image.size)
        except OSError as error:
            reason = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
            raise DataError(f"'{path}' {reason}; get the benchmark's folder whole.") from error
    if sizes[0] != sizes[2]:
        raise DataError(
            f"The mask '{case.mask}' is {sizes[2][0]} x {sizes[2][1]} pixels, its picture {sizes[0][0]} x "
            f"{sizes[0][1]}; get both again."
        )
    if not _mask(case).any():
        raise DataError(f"The mask '{case.mask}' is black everywhere; get it again.")


def _mask(case: CocoeeCase) -> NDArray[np.bool_]:
    try:
        with Image.open(case.mask) as image:
            return np.array(image.convert("L")) > 127
    except OSError as error:
        raise DataError(f"'{case.mask}' is damaged ({error}); get the benchmark's folder whole.") from error


def _claim(out: Path, *, model: str, seed: int) -> None:
    """Note whose pictures these are."""
    content = json.dumps({"model": model, "seed": seed}, sort_keys=True)
    path = out / RUN_FILE
    if path.is_file() and path.read_text(encoding="utf-8") != content:
        raise OutputError(f"'{out}' holds pictures of another model or seed (see {RUN_FILE}); name another folder.")
    atomic_write(path, content.encode())


def _answer(answer: Answer, case: CocoeeCase, place: Path, seed: int) -> None:
    """Make the picture of a case, unless it is there."""
    if place.is_file():
        return
    region = Region(mask=Image.fromarray(np.uint8(255) * _mask(case)), origin="as the benchmark tells")
    made = answer(load_image(case.picture).pixels, region, load_reference(case.reference), seed)
    atomic_write(place, png_bytes(made.convert("RGB")))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Real:
    """The real pictures as the encoder sees them, and the mixture fitted to them."""

    features: NDArray[np.float64]
    quality: QualityModel
    encoder: Encoder

    def line(self, name: str, paths: Sequence[Path], cases: Sequence[CocoeeCase]) -> CocoeeLine:
        """The figures of the pictures at `paths`, one a case."""
        features = clip_features(self.encoder, map(_opened, paths))
        likenesses = [
            exemplar_likeness(
                [_opened(path) for path in paths[start : start + _BATCH]],
                [_mask(case) for case in cases[start : start + _BATCH]],
                [_opened(case.reference) for case in cases[start : start + _BATCH]],
                self.encoder,
            )
            for start in range(0, len(cases), _BATCH)
        ]
        return CocoeeLine(
            pictures=name,
            clip_fid=frechet_distance(features, self.features),
            quality=self.quality.score(features),
            likelihood=float(self.quality.likelihoods(features).mean()),
            region_clip=float(100 * np.concatenate(likenesses).mean()),
        )


def _watched(
    paths: Sequence[Path], before: int, total: int, on_progress: OnProgress, cancelled: Callable[[], bool]
) -> Iterator[Image.Image]:
    for done, path in enumerate(paths, start=1):
        if cancelled():
            raise Cancelled(f"Interrupted after {done - 1} real pictures; what the model made was kept.")
        yield _opened(path)
        on_progress(before + done, total)


def _opened(path: Path) -> Image.Image:
    try:
        return load_image(path).pixels
    except ImageError as error:
        raise DataError(f"'{path}' cannot be read: {error}") from error
