"""`retouch edit`: edit one picture by instruction."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from retouch.cli import options
from retouch.cli.output import progress, say, say_json, warn
from retouch.cli.regions import Words, places, read_regions, records, warn_of_other_masks, write_overlay
from retouch.core.errors import SettingsError
from retouch.core.files import check_writable
from retouch.core.lora import Lora, parse_lora
from retouch.core.settings import MAXIMUM_COUNT, EditSettings

if TYPE_CHECKING:
    from retouch.core.images import LoadedImage
    from retouch.core.provenance import Provenance


def edit(
    *,
    image: options.Picture,
    output: options.Output,
    instructions: options.Instructions = None,
    model: options.Model = None,
    tokenizer: options.Tokenizer = None,
    lora: options.Loras = None,
    steps: options.Steps = None,
    scheduler: options.Scheduler = None,
    seed: options.Seed = None,
    count: options.Count = 1,
    text_guidance: options.TextGuidance = None,
    image_guidance: options.ImageGuidance = None,
    guidance_interval: options.Interval = None,
    negative: options.Negative = None,
    negative_image: options.NegativeImage = None,
    keep_detail: options.KeepDetail = None,
    region: options.Regions = None,
    blend: options.Blend = None,
    grow: options.Grow = None,
    shrink: options.Shrink = None,
    feather: options.Feather = None,
    attend_inside: options.AttendInside = None,
    invert: options.Invert = None,
    zoom: options.ZoomIn = None,
    show_region: options.ShowRegion = False,
    segmenter: options.SegmenterSource = None,
    reader: options.Reader = None,
    when_missing: options.WhenMissing = "refuse",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    like: options.Like = None,
    allow_private: options.AllowPrivate = False,
    json: options.Json = False,
) -> None:
    """Edit a picture by instruction; the result has the picture's own size and aspect.

    [bold]Examples[/bold]

    retouch edit room.png "make the sofa green" "remove the rug" -o both.png

    retouch edit photo.jpg "make it a night shot" -o night.png --count 4 --seed 7

    retouch edit room.png "make the left chair red and remove the rug" -o red.png --region auto
    """
    how = options.region_settings(
        blend=blend, grow=grow, shrink=shrink, feather=feather, attend_inside=attend_inside, invert=invert, zoom=zoom
    )
    settings = EditSettings(
        steps=steps, scheduler=scheduler, text_guidance=text_guidance, image_guidance=image_guidance,
        guidance_interval=options.interval(guidance_interval), negative=negative, negative_image=negative_image,
        seed=seed, keep_detail=keep_detail, region=how,
    )  # fmt: skip
    plan = _Plan(tuple(instructions or ()), model, tuple(map(parse_lora, lora or ())), settings, tuple(region or ()))
    plan = _checked(_repeating(plan, like) if like else plan)
    paths = output_paths(output, count)
    words = Words(segmenter=segmenter, reader=reader, when_missing=when_missing, device=device)
    setup = _Setup(tokenizer=tokenizer, device=device, precision=precision, words=words)
    _report(_make(plan, _load(image, like, allow_private), paths, setup, show_region=show_region), json=json)


@dataclass(frozen=True)
class _Plan:
    """What was asked for, by words or by an earlier result; `masks` are the digests of that one's."""

    instructions: tuple[str, ...]
    model: str | None
    loras: tuple[Lora, ...]
    settings: EditSettings
    regions: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Setup:
    """What depends on this machine alone."""

    tokenizer: str | None
    device: str
    precision: str
    words: Words


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A result on disk and how it was made."""

    path: Path
    size: tuple[int, int]
    provenance: "Provenance"
    overlay: Path | None


def output_paths(output: Path, count: int) -> tuple[Path, ...]:
    """Where `count` results go, every place checked; raises OutputError and SettingsError."""
    if not 1 <= count <= MAXIMUM_COUNT:
        raise SettingsError(f"count is {count}; expected a whole number from 1 to {MAXIMUM_COUNT}.")
    numbered = [output.with_stem(f"{output.stem}-{number}") for number in range(1, count + 1)]
    return tuple(check_writable(path, suffixes=(".png",)) for path in (numbered if count > 1 else [output]))


def _repeating(plan: _Plan, like: Path) -> _Plan:
    from retouch.core.provenance import read_provenance

    earlier = read_provenance(like)
    return _Plan(
        instructions=plan.instructions or earlier.instructions,
        model=plan.model or earlier.model,
        loras=plan.loras or tuple(parse_lora(text) for text in earlier.loras),
        settings=plan.settings.resolve(earlier.settings),
        regions=plan.regions or tuple(record.asked for record in earlier.regions),
        masks=tuple(record.mask_sha256 for record in earlier.regions),
    )


def _checked(plan: _Plan) -> _Plan:
    if not plan.instructions:
        raise SettingsError('There is no instruction; say what to do, such as "make the sofa green".')
    if not all(instruction.strip() for instruction in plan.instructions):
        raise SettingsError('An instruction is empty; say what to do, such as "make the sofa green".')
    return replace(plan, model=plan.model or options.DEFAULT_MODEL)


def _load(image: str, like: Path | None, allow_private: bool) -> "LoadedImage":
    from retouch.core.images import load_image
    from retouch.core.provenance import read_provenance

    source = load_image(image, allow_private=allow_private)
    if like and read_provenance(like).source_sha256 != source.sha256:
        warn(f'"{source.name}" is not the picture that "{like}" was made from; the result will differ.')
    return source


def _make(
    plan: _Plan, source: "LoadedImage", paths: Sequence[Path], setup: _Setup, *, show_region: bool
) -> list[_Written]:
    from retouch.core.provenance import Provenance, write_png
    from retouch.editing.editor import Editor

    @cache
    def editor() -> Editor:
        return Editor.load(
            plan.model or options.DEFAULT_MODEL,
            tokenizer=setup.tokenizer,
            loras=plan.loras,
            device=setup.device,
            precision=setup.precision,
        )

    asked = read_regions(plan.regions, len(plan.instructions), plan.settings.region)
    where = places(plan.instructions, asked, source, setup.words, own=lambda: editor().checkpoint)
    with progress("editing") as update:
        result = editor().edit(
            source,
            where.instructions,
            settings=plan.settings,
            region=where.sources or None,
            count=len(paths),
            on_progress=lambda event: update(event.done, event.total),
        )
    for warning in result.warnings:
        warn(warning)
    written: list[_Written] = []
    for number, (path, image, seed) in enumerate(zip(paths, result.images[0], result.seeds, strict=True)):
        regions = result.regions[0][number] if result.regions else ()
        provenance = Provenance(
            model=options.model_name(editor().name),
            instructions=result.instructions,
            settings=replace(result.settings, seed=seed),
            source_sha256=source.sha256,
            source_name=source.name,
            loras=tuple(lora.label for lora in plan.loras),
            regions=records(where.asked, regions),
        )
        write_png(path, image, provenance)
        overlay = write_overlay(path, source, regions) if show_region and regions else None
        written.append(_Written(path=path, size=image.size, provenance=provenance, overlay=overlay))
    warn_of_other_masks(written[0].provenance.regions, plan.masks)
    return written


def _report(written: Sequence[_Written], *, json: bool) -> None:
    if not json:
        for result in written:
            width, height = result.size
            say(f"{result.path}  {width} x {height}, seed {result.provenance.settings.seed}")
            if result.overlay is not None:
                say(f"{result.overlay}  the region")
        return
    first = written[0].provenance
    settings = {k: v for k, v in options.settings_facts(first.settings).items() if k != "seed"}
    say_json(
        {
            "outputs": [_output(result) for result in written],
            "model": first.model,
            "loras": list(first.loras),
            "instructions": list(first.instructions),
            **({"regions": [asdict(region) for region in first.regions]} if first.regions else {}),
            "settings": settings,
            "source": {"name": first.source_name, "sha256": first.source_sha256},
        }
    )


def _output(result: _Written) -> dict[str, object]:
    overlay = {} if result.overlay is None else {"region": str(result.overlay)}
    return {"path": str(result.path), "seed": result.provenance.settings.seed, **overlay}
