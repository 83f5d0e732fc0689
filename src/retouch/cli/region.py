"""`retouch region`: where a picture shows what a phrase, a point or an instruction means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.output import say, say_json, warn
from retouch.cli.regions import Words
from retouch.core.errors import SettingsError
from retouch.core.files import atomic_write, check_writable

if TYPE_CHECKING:
    from PIL import Image

    from retouch.core.region import Region
    from retouch.grounding.locate import Located

Phrase = Annotated[
    str | None, typer.Argument(metavar="PHRASE", help='What to find: "the lamp on the left".', show_default=False)
]
MaskFile = Annotated[
    Path | None, typer.Option("--output", "-o", help="The mask to write, a PNG: white where an edit may change things.")
]
Overlay = Annotated[Path | None, typer.Option(help="A PNG to write that shows the region on the picture.")]
Point = Annotated[
    str | None, typer.Option(metavar="X,Y", help="Find the thing at a point of the picture, in its pixels, instead.")
]
Auto = Annotated[
    str | None,
    typer.Option(metavar="INSTRUCTION", help="Find where each step of an instruction acts; masks get -1, -2, ..."),
]
Lime = Annotated[
    str | None,
    typer.Option(metavar="INSTRUCTION", help="Find where the editing model itself takes an instruction to be."),
]
Scorer = Annotated[
    str | None,
    typer.Option(
        help="A CLIP model that chooses where a reader gives several phrases, a folder or hub id such as "
        "openai/clip-vit-large-patch14. (default: none; the first that is found is taken)"
    ),
]
Exact = Annotated[bool, typer.Option("--exact", help="Leave out the margin of 11 pixels in 512 that edits are given.")]
Grow = Annotated[int, typer.Option(help="Pixels to add to the region.")]
Shrink = Annotated[int, typer.Option(help="Pixels to take away from it.")]
Feather = Annotated[int, typer.Option(help="Pixels, inside, over which its edge is soft.")]


def region(
    *,
    image: options.Picture,
    phrase: Phrase = None,
    output: MaskFile = None,
    overlay: Overlay = None,
    point: Point = None,
    auto: Auto = None,
    lime: Lime = None,
    model: options.Model = None,
    segmenter: options.SegmenterSource = None,
    reader: options.Reader = None,
    scorer: Scorer = None,
    when_missing: options.WhenMissing = "refuse",
    exact: Exact = False,
    grow: Grow = 0,
    shrink: Shrink = 0,
    feather: Feather = 0,
    device: options.Device = "auto",
    allow_private: options.AllowPrivate = False,
    json: options.Json = False,
) -> None:
    """Find the region of a picture that a phrase names, write it as a mask, and show it.

    [bold]Examples[/bold]

    retouch region room.png "the lamp on the left" -o lamp.png --overlay seen.png

    retouch region room.png --point 120,88 -o thing.png

    retouch region room.png --auto "put a vase on the table" -o place.png

    retouch region room.png --lime "make the sofa green" --overlay seen.png

    retouch region photo.jpg "the red coat" -o coat.png --segmenter grounded-sam --feather 8
    """
    from retouch.core.images import load_image

    asked = _Asked(phrase=phrase, point=point, auto=auto, lime=lime)
    _check_shape(grow=grow, shrink=shrink, feather=feather)
    for path in (output, overlay):
        if path is not None:
            check_writable(path, suffixes=(".png",))
    if reader is not None and auto is None:
        raise SettingsError("--reader reads an instruction; give one with --auto, or leave the reader out.")
    if model is not None and lime is None:
        raise SettingsError("--model shows where an instruction is; give one with --lime, or leave the model out.")
    picture = load_image(image, allow_private=allow_private).pixels
    words = Words(
        segmenter=segmenter, reader=reader, scorer=scorer, when_missing=when_missing, margin=not exact, device=device
    )
    located = _located(picture, words, asked, model or options.DEFAULT_MODEL)
    _refuse_missing(located, when_missing)
    regions = [_reshaped(each.region, grow, shrink, feather) for each in located]
    for number, each in enumerate(regions, 1):
        _write(picture, each, *(_numbered(path, number, len(regions)) for path in (output, overlay)))
    _report(located, regions, output, overlay, json=json)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The one thing to find; raises SettingsError where there is none, or are several."""

    phrase: str | None
    point: str | None
    auto: str | None
    lime: str | None

    def __post_init__(self) -> None:
        given = [value for value in (self.phrase, self.point, self.auto, self.lime) if value is not None]
        if len(given) != 1:
            raise SettingsError("Give one thing to find: a phrase, --point X,Y, --auto or --lime INSTRUCTION.")
        if not given[0].strip():
            raise SettingsError('What is to be found is empty; give a phrase such as "the lamp on the left".')


def _check_shape(**pixels: int) -> None:
    from retouch.core.region_shape import MAXIMUM_PIXELS

    for name, value in pixels.items():
        if not 0 <= value <= MAXIMUM_PIXELS:
            raise SettingsError(f"--{name} is {value}; expected a whole number of pixels from 0 to {MAXIMUM_PIXELS}.")


def _located(picture: "Image.Image", words: Words, asked: _Asked, model: str) -> Sequence["Located"]:
    from retouch.editing.load import check_open, checkpoint_of, load_editor
    from retouch.grounding.locate import locate

    if asked.lime is not None:
        check_open(model)
        checkpoint = checkpoint_of(load_editor(model, device=words.device))
        return (words.own_finder(checkpoint).find(picture, asked.lime),)
    finder = words.finder()
    if asked.point is not None:
        return (finder.point(picture, _point(asked.point)),)
    if asked.auto is not None:
        return locate(picture, asked.auto, reader=words.words_reader(), finder=finder)
    return (finder.phrase(picture, asked.phrase or ""),)


def _point(text: str) -> tuple[float, float]:
    values = options.numbers("--point", text)
    if len(values) != 2:
        raise SettingsError(f'--point is "{text}"; expected two numbers such as 120,88.')
    return values[0], values[1]


def _refuse_missing(located: Sequence["Located"], when_missing: str) -> None:
    from retouch.grounding.missing import refusal, taken_whole

    missing = [each.missing for each in located if each.missing is not None]
    if missing and when_missing == "refuse":
        raise refusal(missing)
    if missing:
        warn(taken_whole(missing))


def _reshaped(found: "Region", grow: int, shrink: int, feather: int) -> "Region":
    from retouch.core import region_shape

    return region_shape.feather(region_shape.shrink(region_shape.grow(found, grow), shrink), feather)


def _numbered(path: Path | None, number: int, count: int) -> Path | None:
    return path.with_stem(f"{path.stem}-{number}") if path is not None and count > 1 else path


def _write(picture: "Image.Image", found: "Region", mask: Path | None, overlay: Path | None) -> None:
    from retouch.core.images import png_bytes
    from retouch.core.region_overlay import overlaid

    if mask is not None:
        atomic_write(mask, png_bytes(found.mask))
    if overlay is not None:
        atomic_write(overlay, png_bytes(overlaid(picture, found)))


def _report(
    located: Sequence["Located"],
    regions: Sequence["Region"],
    output: Path | None,
    overlay: Path | None,
    *,
    json: bool,
) -> None:
    facts = [
        _facts(each, found, *(_numbered(path, number, len(regions)) for path in (output, overlay)))
        for number, (each, found) in enumerate(zip(located, regions, strict=True), 1)
    ]
    if json:
        say_json({"regions": facts})
        return
    for fact in facts:
        files = "".join(f"{fact[key]}  " for key in ("mask", "overlay") if key in fact)
        box = fact["box"]
        where = "box:" + ",".join(map(str, box)) if isinstance(box, list) else "empty"
        say(f"{files}{where}, {fact['share']:.1%} of the picture, score {fact['score']:.2f}, {fact['origin']}")


def _facts(located: "Located", found: "Region", mask: Path | None, overlay: Path | None) -> dict[str, object]:
    box = found.mask.getbbox()
    histogram = found.mask.histogram()
    covered = sum(level * count for level, count in enumerate(histogram)) / (255 * sum(histogram))
    return {
        **({"mask": str(mask)} if mask else {}),
        **({"overlay": str(overlay)} if overlay else {}),
        "box": list(box) if box else None,
        "share": round(covered, 6),
        "score": round(located.score, 4),
        "origin": found.origin,
        **({"phrase": located.phrase} if located.phrase else {}),
        **({"step": located.step.text, "scope": located.step.scope.value} if located.step else {}),
        **({"missing": located.missing.sentence} if located.missing else {}),
    }
