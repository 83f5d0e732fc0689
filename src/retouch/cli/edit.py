"""`retouch edit`: edit one picture by instruction."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from retouch.cli import options
from retouch.cli.networks import import_networks
from retouch.cli.output import progress, say, say_json, warn
from retouch.cli.references import Pictures, reference_records, reference_settings
from retouch.cli.regions import Places, Words, places, read_regions, records, warn_of_other_masks, write_overlay
from retouch.core.errors import SettingsError
from retouch.core.files import check_writable
from retouch.core.lora import Lora, parse_lora
from retouch.core.settings import MAXIMUM_COUNT, EditSettings

if TYPE_CHECKING:
    from retouch.core.images import LoadedImage
    from retouch.core.provenance import Provenance
    from retouch.core.reference import Reference
    from retouch.editing.editor import Editor
    from retouch.editing.pipelines.editor import PipelineEditor
    from retouch.editing.result import EditResult
    from retouch.models.checkpoint import Checkpoint


def edit(
    *, image: options.Picture, output: options.Output, instructions: options.Instructions = None,
    reference: options.References = None, reference_region: options.ReferenceRegions = None,
    subject: options.Subject = None,
    model: options.Model = None, tokenizer: options.Tokenizer = None, lora: options.Loras = None,
    steps: options.Steps = None, scheduler: options.Scheduler = None,
    seed: options.Seed = None, count: options.Count = 1,
    text_guidance: options.TextGuidance = None, image_guidance: options.ImageGuidance = None,
    guidance_interval: options.Interval = None, profile: options.Profile = None, reuse: options.Reuse = None,
    fine_layers: options.FineLayers = None, negative: options.Negative = None,
    negative_image: options.NegativeImage = None, keep_detail: options.KeepDetail = None,
    region: options.Regions = None, blend: options.Blend = None,
    grow: options.Grow = None, shrink: options.Shrink = None, feather: options.Feather = None,
    attend_inside: options.AttendInside = None, invert: options.Invert = None, zoom: options.ZoomIn = None,
    show_region: options.ShowRegion = False,
    segmenter: options.SegmenterSource = None, reader: options.Reader = None,
    when_missing: options.WhenMissing = "refuse",
    place: options.PlaceBy = None, detail: options.Detail = None, words: options.WordsWeight = None,
    background: options.Background = "auto", reference_phrase: options.ReferencePhrase = None,
    ip_adapter: options.IPAdapter = None,
    device: options.Device = "auto", precision: options.Precision = "auto", backend: options.Backend = "auto",
    memory: options.Memory = "auto", quantise: options.Quantise = None, size: options.Side = None,
    like: options.Like = None, allow_private: options.AllowPrivate = False, json: options.Json = False,
) -> None:  # fmt: skip
    """Edit a picture by instruction, by pictures of an object, or both; the result has its own size and aspect.

    [bold]Examples[/bold]

    retouch edit room.png "make the sofa green" "remove the rug" -o both.png

    retouch edit photo.jpg "make it a night shot" -o night.png --count 4 --seed 7

    retouch edit room.png "make the left chair red and remove the rug" -o red.png --region auto

    retouch edit room.png --reference chair.png -o chair-in-room.png --place auto
    """
    how = options.region_settings(
        blend=blend, grow=grow, shrink=shrink, feather=feather, attend_inside=attend_inside, invert=invert, zoom=zoom
    )
    settings = EditSettings(
        steps=steps, scheduler=scheduler, text_guidance=text_guidance, image_guidance=image_guidance,
        guidance_interval=options.interval(guidance_interval), negative=negative, negative_image=negative_image,
        seed=seed, keep_detail=keep_detail, region=how, reference=reference_settings(detail=detail, words=words),
        profile=profile, reuse=reuse, fine_layers=fine_layers,
    )  # fmt: skip
    pictures = Pictures(
        texts=tuple(reference or ()), background=background, phrase=reference_phrase, place=place,
        ip_adapter=ip_adapter, subject=subject, allow_private=allow_private, regions=tuple(reference_region or ()),
    )  # fmt: skip
    loras = tuple(map(parse_lora, lora or ()))
    plan = _Plan(tuple(instructions or ()), model, loras, settings, tuple(region or ()), pictures=pictures)
    plan = _checked(_repeating(plan, like) if like else plan)
    paths, source = output_paths(output, count), _load(image, like, allow_private)
    import_networks(plan.model, segmenter, reader, plan.pictures.ip_adapter)
    finding = Words(segmenter=segmenter, reader=reader, when_missing=when_missing, device=device)
    setup = _Setup(
        tokenizer=tokenizer, device=device, precision=precision, backend=backend, words=finding,
        memory=memory, quantise=quantise, size=size,
    )  # fmt: skip
    _report(_make(plan, source, paths, setup, show_region=show_region), json=json)


@dataclass(frozen=True)
class _Plan:
    """What was asked for, by words, pictures or an earlier result; `masks`, `seen` are the digests of that one's."""

    instructions: tuple[str, ...]
    model: str | None
    loras: tuple[Lora, ...]
    settings: EditSettings
    regions: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    pictures: Pictures = field(default_factory=Pictures)
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Setup:
    """What depends on this machine alone."""

    tokenizer: str | None
    device: str
    precision: str
    backend: str
    words: Words
    memory: str
    quantise: str | None
    size: int | None


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
    from retouch.core.region_request import PAINTED, RegionKind

    earlier = read_provenance(like)
    if earlier.references and not plan.pictures.texts:
        names = ", ".join(f'"{reference.name}"' for reference in earlier.references)
        raise SettingsError(f'"{like}" was made with the references {names}; give them again with --reference.')
    if any(reference.region for reference in earlier.references) and not plan.pictures.regions:
        raise SettingsError(f'The references of "{like}" had regions of their own; give them with --reference-region.')
    pictures = plan.pictures
    if earlier.ip_adapter and not pictures.ip_adapter:
        pictures = replace(pictures, ip_adapter=earlier.ip_adapter)
    if any(record.found.endswith(PAINTED) for record in earlier.regions) and not plan.regions:
        raise SettingsError(
            f'"{like}" was made inside a mask that was painted on the page, which the file does not hold; save '
            "that mask (the server has it at /api/v1/nodes/NODE/mask) and give it, or another, with --region."
        )
    regions = plan.regions or tuple(record.asked for record in earlier.regions)
    if str(RegionKind.PROPOSED) in regions:
        pictures, regions = replace(pictures, place="auto"), ()
    return _Plan(
        instructions=plan.instructions or earlier.instructions,
        model=plan.model or earlier.model,
        loras=plan.loras or tuple(parse_lora(text) for text in earlier.loras),
        settings=plan.settings.resolve(earlier.settings),
        regions=regions,
        masks=tuple(record.mask_sha256 for record in earlier.regions),
        pictures=pictures,
        seen=tuple(record.sha256 for record in earlier.references),
    )


def _checked(plan: _Plan) -> _Plan:
    pictures = plan.pictures
    if not plan.instructions and not pictures.any:
        raise SettingsError('There is no instruction; say what to do, such as "make the sofa green".')
    instructions = plan.instructions or ("",)
    if not pictures.any and not all(instruction.strip() for instruction in instructions):
        raise SettingsError('An instruction is empty; say what to do, such as "make the sofa green".')
    if pictures.place and plan.regions:
        raise SettingsError("A region is given and is to be proposed; leave --region or --place out.")
    model = plan.model or pictures.default_model(regional=bool(plan.regions))
    return replace(plan, instructions=instructions, model=model)


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
    from retouch.editing.load import check_open, checkpoint_of, load_editor

    adapter, scale = plan.pictures.adapter or (None, 1.0)

    @cache
    def editor() -> "Editor | PipelineEditor":
        return load_editor(
            plan.model or options.DEFAULT_MODEL,
            tokenizer=setup.tokenizer,
            loras=plan.loras,
            device=setup.device,
            precision=setup.precision,
            backend=setup.backend,
            ip_adapter=adapter,
            ip_adapter_scale=scale,
            memory=setup.memory,
            quantise=setup.quantise,
            side=setup.size,
        )

    references = plan.pictures.within(plan.pictures.read(setup.words), source, setup.words)
    if plan.seen and plan.seen != tuple(each.sha256 for each in references):
        warn("The references are not those of the result that is repeated; this one will differ.")

    def own() -> "Checkpoint":
        check_open(plan.model or options.DEFAULT_MODEL)
        return checkpoint_of(editor())

    where = _where(plan, source, setup, references, own)
    with progress("editing") as update:
        result = editor().edit(
            source,
            where.instructions,
            settings=plan.settings,
            region=where.sources or None,
            references=references,
            count=len(paths),
            on_progress=lambda event: update(event.done, event.total),
        )
    for warning in result.warnings:
        warn(warning)
    written = [
        _written(plan, source, where, _One(result, number, path, references), name=editor().name, overlay=show_region)
        for number, path in enumerate(paths)
    ]
    warn_of_other_masks(written[0].provenance.regions, plan.masks)
    return written


def _where(
    plan: _Plan,
    source: "LoadedImage",
    setup: _Setup,
    references: "Sequence[Reference]",
    own: "Callable[[], Checkpoint]",
) -> Places:
    """Where each instruction acts: as the regions say, or where a place is proposed for the references."""
    from retouch.core.region_request import PROPOSED

    if plan.pictures.place is not None:
        finder = plan.pictures.placed(plan.pictures.own(references), seed=plan.settings.seed or 0, device=setup.device)
        count = len(plan.instructions)
        return Places(instructions=plan.instructions, asked=(PROPOSED,) * count, sources=(finder,) * count)
    asked = read_regions(plan.regions, len(plan.instructions), plan.settings.region)
    return places(plan.instructions, asked, source, setup.words, own=own)


@dataclass(frozen=True)
class _One:
    """One of the results, its place on disk and the references it was made with."""

    result: "EditResult"
    number: int
    path: Path
    references: "Sequence[Reference]"


def _written(plan: _Plan, source: "LoadedImage", where: Places, one: _One, *, name: str, overlay: bool) -> _Written:
    from retouch.core.provenance import Provenance, write_png

    result, number = one.result, one.number
    image = result.images[0][number]
    regions = result.regions[0][number] if result.regions else ()
    adapter = plan.pictures.adapter
    provenance = Provenance(
        model=options.model_name(name),
        instructions=result.instructions,
        settings=replace(result.settings, seed=result.seeds[number]),
        source_sha256=source.sha256,
        source_name=source.name,
        loras=tuple(lora.label for lora in plan.loras),
        regions=records(where.asked, regions),
        references=reference_records(one.references),
        ip_adapter="" if adapter is None else f"{options.model_name(adapter[0])}:{adapter[1]:g}",
    )
    write_png(one.path, image, provenance)
    shown = write_overlay(one.path, source, regions) if overlay and regions else None
    return _Written(path=one.path, size=image.size, provenance=provenance, overlay=shown)


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
            **({"references": [asdict(each) for each in first.references]} if first.references else {}),
            "settings": settings,
            "source": {"name": first.source_name, "sha256": first.source_sha256},
        }
    )


def _output(result: _Written) -> dict[str, object]:
    overlay = {} if result.overlay is None else {"region": str(result.overlay)}
    return {"path": str(result.path), "seed": result.provenance.settings.seed, **overlay}
