"""`retouch generate`: pictures from text, alone, held to the edges of a picture, or beside pictures of an object."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.edit import output_paths
from retouch.cli.networks import import_networks
from retouch.cli.output import progress, say, say_json, warn
from retouch.cli.references import Pictures, reference_records
from retouch.cli.regions import Words
from retouch.core.errors import SettingsError
from retouch.core.settings import EditSettings

if TYPE_CHECKING:
    from PIL.Image import Image

    from retouch.conditioning.control import PictureControl
    from retouch.core.images import LoadedImage
    from retouch.core.reference import Reference
    from retouch.models.checkpoint import Checkpoint
    from retouch.models.ip_adapter import ImagePrompt

TEXT_MODEL = "pocket/generate"
EDGE_MODEL = "pocket/controlnet"
_TOGETHER = 4

Text = Annotated[str, typer.Argument(metavar="TEXT", help="What the picture shows.", show_default=False)]
TextModel = Annotated[
    str, typer.Option("--model", "-m", help="A text-to-image model: pocket/generate, a folder, a file or a hub id.")
]
Edges = Annotated[
    str | None, typer.Option(help="A picture, or its web address, whose edges the results keep.", show_default=False)
]
ControlModel = Annotated[
    str, typer.Option("--control", help="The ControlNet for edges: pocket/controlnet or a folder.")
]
ControlScale = Annotated[float, typer.Option(help="How firmly the results keep to the edges; 0 is not at all.")]
Shown = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        metavar="FILE[:WEIGHT]",
        help="A picture of an object that --ip-adapter reads beside the text; repeat it for further ones. (weight: 1)",
        show_default=False,
    ),
]
ShownWhere = Annotated[
    list[str] | None,
    typer.Option(
        "--reference-region",
        metavar="REGION",
        help="The part of the result that a reference is for, in its pixels: box:x0,y0,x1,y1, a mask or whole, and "
        "with --edges a phrase or point:x,y of that picture; once for each --reference, in their order.",
        show_default=False,
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        "--ip-adapter",
        metavar="SOURCE[:SCALE]",
        help="What lets the model read references: a folder, a file, or a hub id with a file, such as "
        "h94/IP-Adapter:models/ip-adapter_sd15.safetensors. (scale: 1)",
    ),
]


def generate(
    *,
    text: Text,
    output: options.Output,
    model: TextModel = TEXT_MODEL,
    edges: Edges = None,
    control: ControlModel = EDGE_MODEL,
    control_scale: ControlScale = 1.0,
    reference: Shown = None,
    reference_region: ShownWhere = None,
    ip_adapter: Adapter = None,
    background: options.Background = "auto",
    reference_phrase: options.ReferencePhrase = None,
    tokenizer: options.Tokenizer = None,
    steps: options.Steps = None, scheduler: options.Scheduler = None,
    seed: options.Seed = None,
    count: options.Count = 1,
    text_guidance: options.TextGuidance = None,
    negative: options.Negative = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto", backend: options.Backend = "auto",
    allow_private: options.AllowPrivate = False,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Make pictures from text, of the model's own size.

    [bold]Examples[/bold]

    retouch generate "a bedroom with a blue bed and a wooden wardrobe" -o bedroom.png --count 4

    retouch generate "a living room with a red sofa" -o red.png --edges examples/living-room.png

    retouch generate "a room with a chair" -o chair.png -m runwayml/stable-diffusion-v1-5 --reference chair.png \\
        --ip-adapter h94/IP-Adapter:models/ip-adapter_sd15.safetensors:0.8
    """
    if not text.strip():
        raise SettingsError('The text is empty; say what to show, such as "a bedroom with a blue bed".')
    shown = Pictures(
        texts=tuple(reference or ()), background=background, phrase=reference_phrase, ip_adapter=ip_adapter,
        allow_private=allow_private, regions=tuple(reference_region or ()),
    )  # fmt: skip
    if shown.texts and shown.adapter is None:
        raise SettingsError("A text-to-image model reads words alone; say with --ip-adapter what reads the references.")
    paths = output_paths(output, count)
    settings = EditSettings(steps=steps, scheduler=scheduler, text_guidance=text_guidance, negative=negative, seed=seed)
    held = None if edges is None else _held(edges, control, control_scale, allow_private=allow_private)
    words = Words(device=device)
    import_networks(model, control, shown.ip_adapter)
    references = shown.read(words)
    checkpoint = _loaded(model, tokenizer=tokenizer, device=device, precision=precision, backend=backend)
    if shown.regions:
        references = shown.within(references, _canvas(checkpoint, held, shown.regions), words)
    beside = _Beside(references=references, adapter=shown.adapter)
    _warn_of_cuts(checkpoint, (text, negative or ""))
    written = []
    with progress("making pictures") as update:
        for result in _make(checkpoint, text, settings, paths, held=held, beside=beside):
            written.append(result)
            update(len(written), count)
    _report(written, json=json)


@dataclass(frozen=True, kw_only=True)
class _Edges:
    """The picture whose edges are kept, by which ControlNet, and how firmly."""

    picture: "LoadedImage"
    model: str
    scale: float

    def control(self, checkpoint: "Checkpoint") -> "PictureControl":
        """The edges at the model's size."""
        from retouch.conditioning.control import PictureControl, edge_picture
        from retouch.models.control import load_control

        network = load_control(self.model, dtype=checkpoint.dtype, device=checkpoint.device)
        return PictureControl(network=network, picture=edge_picture([self.fitted(checkpoint)]), scale=self.scale)

    def fitted(self, checkpoint: "Checkpoint") -> "Image":
        """The picture at the model's size, RGB."""
        side = checkpoint.spec.native_size
        return self.picture.pixels.convert("RGB").resize((side, side))


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """The pictures that are read beside the text, and by which IP-Adapter at which scale."""

    references: "Sequence[Reference]"
    adapter: tuple[str, float] | None

    @property
    def label(self) -> str:
        """How the adapter is recorded, without its folder; "" for none."""
        return "" if self.adapter is None else f"{options.model_name(self.adapter[0])}:{self.adapter[1]:g}"

    def prompts(self, checkpoint: "Checkpoint") -> "tuple[ImagePrompt, ...]":
        """What the model reads of them; nothing where none counts."""
        from retouch.conditioning.ip_adapter import image_prompt
        from retouch.core.fit import Fit
        from retouch.models.ip_adapter_load import load_ip_adapter

        counted = sorted((each for each in self.references if each.weight > 0), key=lambda each: each.sha256)
        if self.adapter is None or not counted:
            return ()
        source, scale = self.adapter
        adapter = load_ip_adapter(source, checkpoint.unet, dtype=checkpoint.dtype, device=checkpoint.device)
        side = checkpoint.spec.native_size
        fits = [Fit.into((side, side), (side, side))]
        return (image_prompt(adapter, [counted], scale=scale, fits=fits, factor=checkpoint.vae_factor),)


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A picture on disk, its seed and its size in pixels."""

    path: Path
    seed: int
    size: tuple[int, int]


def _held(edges: str, model: str, scale: float, *, allow_private: bool) -> _Edges:
    from retouch.core.images import load_image

    return _Edges(picture=load_image(edges, allow_private=allow_private), model=model, scale=scale)


def _loaded(model: str, *, tokenizer: str | None, device: str, precision: str, backend: str) -> "Checkpoint":
    from retouch.editing.backend import check_backend, use_backend
    from retouch.editing.device import choose_device, choose_precision, image_precision
    from retouch.editing.memory import memory_errors
    from retouch.models.load import load

    where = choose_device(check_backend(backend, device))
    dtype = choose_precision(precision, where)
    with memory_errors(f"loading '{model}'"):
        checkpoint = load(
            model, tokenizer=tokenizer, dtype=dtype, vae_dtype=image_precision(dtype, where), device=where
        )
        use_backend(checkpoint, backend)
    return checkpoint


def _canvas(checkpoint: "Checkpoint", held: _Edges | None, regions: Sequence[str]) -> "LoadedImage":
    """What regions of the result are told by: the picture of the edges at its size, or a blank one.

    Raises SettingsError where one is to be looked for and there is no picture.
    """
    from PIL import Image

    from retouch.core.images import load_image
    from retouch.core.region_request import RegionKind, parse_region

    if held is not None:
        return load_image(held.fitted(checkpoint))
    for text in regions:
        if parse_region(text).kind in (RegionKind.PHRASE, RegionKind.POINT):
            raise SettingsError(
                f'--reference-region is "{text}", but there is no picture yet to look in; give a box, a mask or whole, '
                "or a picture with --edges."
            )
    side = checkpoint.spec.native_size
    return load_image(Image.new("RGB", (side, side)))


def _make(
    checkpoint: "Checkpoint",
    text: str,
    settings: EditSettings,
    paths: Sequence[Path],
    *,
    held: _Edges | None,
    beside: _Beside,
) -> Iterator[_Written]:
    from retouch.core.provenance import Provenance, write_png
    from retouch.editing.backend import Watch
    from retouch.editing.generate import generate as generate_pictures
    from retouch.editing.memory import memory_errors

    control = None if held is None else held.control(checkpoint)
    pictures = beside.prompts(checkpoint)
    watch = Watch(checkpoint)
    settings = replace(settings.resolve(checkpoint.spec.defaults), image_guidance=None)
    for start in range(0, len(paths), _TOGETHER):
        part = paths[start : start + _TOGETHER]
        seeds = range((settings.seed or 0) + start, (settings.seed or 0) + start + len(part))
        with memory_errors(f"{len(part)} pictures with '{checkpoint.source}'"):
            made = generate_pictures(
                checkpoint, [text] * len(part), seeds=seeds, settings=settings, control=control,
                pictures=[_for_all(prompt, len(part)) for prompt in pictures],
            )  # fmt: skip
        for path, picture, seed in zip(part, made, seeds, strict=True):
            provenance = Provenance(
                model=options.model_name(checkpoint.source),
                instructions=(text,),
                settings=replace(settings, seed=seed),
                source_sha256=held.picture.sha256 if held else "",
                source_name=held.picture.name if held else "",
                references=reference_records(beside.references),
                ip_adapter=beside.label,
            )
            write_png(path, picture, provenance)
            yield _Written(path=path, seed=seed, size=picture.size)
    for warning in watch.warnings():
        warn(warning)


def _report(written: "Sequence[_Written]", *, json: bool) -> None:
    if json:
        say_json({"outputs": [{**asdict(result), "path": str(result.path)} for result in written]})
        return
    for result in written:
        width, height = result.size
        say(f"{result.path}  {width} x {height}, seed {result.seed}")


def _for_all(prompt: "ImagePrompt", count: int) -> "ImagePrompt":
    """One sample's prompt for `count` of them."""
    return replace(prompt, tokens=prompt.tokens.expand(count, -1, -1))


def _warn_of_cuts(checkpoint: "Checkpoint", texts: Sequence[str]) -> None:
    from retouch.conditioning.text import cut_text

    for cut in filter(None, (cut_text(checkpoint, text) for text in texts)):
        warn(f"The text is longer than the model reads; it did not see its end: '{cut}'.")
