"""Options that several commands share, and the settings they make."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retouch.core.errors import SettingsError
from retouch.core.region_settings import RegionSettings, parse_blend
from retouch.core.settings import EditSettings

DEFAULT_MODEL = "pocket"

Picture = Annotated[str, typer.Argument(metavar="IMAGE", help="A PNG, JPEG or WEBP file, or its web address.")]
Instructions = Annotated[
    list[str] | None,
    typer.Argument(metavar="INSTRUCTION...", help="What to do; several are done in a row.", show_default=False),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.", show_default=False)]
Count = Annotated[int, typer.Option(help="How many results, each with the next seed, numbered -1, -2, ...")]
TextGuidance = Annotated[
    float | None, typer.Option(help="How strongly to follow the instruction. (default: the model's)")
]
ImageGuidance = Annotated[float | None, typer.Option(help="How closely to keep to the image. (default: the model's)")]
Like = Annotated[
    Path | None,
    typer.Option(help="A PNG that Retouch wrote: repeat its instructions, model and settings."),
]
AllowPrivate = Annotated[bool, typer.Option("--allow-private", help="Let a web address lead into the private network.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="pocket, a folder in diffusers layout, a .safetensors file, or a hub id. (default: pocket)",
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        help="For a .safetensors file: a folder with its vocabulary, or a model with the same. "
        "(default: 'tokenizer' beside the file, or CLIP's in the hub's cache)"
    ),
]
Loras = Annotated[
    list[str] | None,
    typer.Option(
        "--lora",
        metavar="FILE[:SCALE]",
        help="A LoRA to add to the model, a .safetensors file or its folder; repeat it for several. (scale: 1)",
        show_default=False,
    ),
]
Steps = Annotated[int | None, typer.Option(help="Denoising steps. (default: the model's)")]
Scheduler = Annotated[
    str | None,
    typer.Option(help="euler-ancestral, euler, ddim, dpm++, unipc, pndm or lcm. (default: the model's)"),
]
Seed = Annotated[int | None, typer.Option(help="The first result's seed. (default: 0)")]
Negative = Annotated[str | None, typer.Option(help="What the result should not look like.")]
NegativeImage = Annotated[
    str | None, typer.Option(help="The same for the branch that sees the image but not the instruction.")
]
Interval = Annotated[
    str | None,
    typer.Option("--guidance-interval", help="START,END: the part of the run, of 0 to 1, that is guided."),
]
Profile = Annotated[
    str | None,
    typer.Option(help="exact, balanced or fast: how much likeness to the exact result is given for speed."),
]
Reuse = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Compute the network's coarse levels every N-th step only. (default: the profile's)"
    ),
]
FineLayers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="How many of the network's last layers are computed in between with --reuse, of its finest level at most. "
        "(default: the profile's)",
    ),
]
KeepDetail = Annotated[
    bool | None,
    typer.Option(
        "--keep-detail/--no-keep-detail",
        help="Carry the picture's own detail over. (default: where it is larger than the model sees it)",
        show_default=False,
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="REGION",
        help="Where the edit may act: auto, lime (where the model itself takes it to be), whole, box:X0,Y0,X1,Y1, "
        "point:X,Y, a mask's file (white is edited), or a phrase; repeat it for one an instruction.",
        show_default=False,
    ),
]
Blend = Annotated[
    str | None,
    typer.Option(
        metavar="START:END",
        help="From which noise down to which the picture's own latents stand outside the region, in train timesteps "
        "or fractions. (default: 100:1)",
    ),
]
Grow = Annotated[int | None, typer.Option(metavar="PX", help="Grow the region by so many pixels. (default: 0)")]
Shrink = Annotated[int | None, typer.Option(metavar="PX", help="Shrink the region by so many pixels. (default: 0)")]
Feather = Annotated[
    int | None,
    typer.Option(metavar="PX", help="Pixels inside the region's edge that turn into the picture. (default: a few)"),
]
AttendInside = Annotated[
    bool | None,
    typer.Option(
        "--attend-inside/--no-attend-inside",
        help="Keep attention inside the region to the words of the edit. (default: off)",
        show_default=False,
    ),
]
Invert = Annotated[
    bool | None,
    typer.Option(
        "--invert/--no-invert",
        help="Take the picture's latents from DDIM inversion instead of adding noise. (default: off)",
        show_default=False,
    ),
]
ZoomIn = Annotated[
    bool | None,
    typer.Option("--zoom/--no-zoom", help="Edit a small region in an enlarged crop. (default: on)", show_default=False),
]
ShowRegion = Annotated[
    bool, typer.Option("--show-region", help="Write the picture with its region marked beside each result.")
]
SegmenterSource = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        help="pocket, clipseg, florence-2, grounded-sam, grounded-sam-2, sam3, a folder, a hub id, DETECTOR+SAM, or "
        "command:TEMPLATE. (default: pocket)",
    ),
]
Reader = Annotated[
    str | None,
    typer.Option(
        help="What reads an instruction: pocket, noun-chunks[:PIPELINE], agent:MODEL@ADDRESS, or agent:MODEL. "
        "(default: pocket)"
    ),
]
WhenMissing = Annotated[str, typer.Option(help="Where nothing is found: refuse, or take the whole picture.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Backend = Annotated[
    str,
    typer.Option(
        help="What computes the networks: torch, openvino (on the CPU), graphs or compiled (on an NVIDIA GPU), or "
        "auto, the one that `retouch doctor --bench` measured to be the fastest."
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        help="How a model's networks share the GPU: auto, full (all there), offload (one at a time) or, for large "
        "models, sequential (by layers)."
    ),
]
Quantise = Annotated[
    str | None, typer.Option(help="Keep a large model's weights in fewer bits: nf4 or int8, with bitsandbytes.")
]
Side = Annotated[
    int | None,
    typer.Option(
        "--size",
        help="For a model of many sizes: the side, in pixels, of the square as large as what it is shown. "
        "(default: the model's)",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]


def model_name(source: str) -> str:
    """What a result's provenance calls the model: a folder or file by its name alone, which hides this machine's."""
    path = Path(source).expanduser()
    return path.resolve().name if path.exists() else source


def interval(text: str | None) -> tuple[float, float] | None:
    """START,END as two fractions; raises SettingsError."""
    if text is None:
        return None
    values = numbers("--guidance-interval", text)
    if len(values) != 2:
        raise SettingsError(f'--guidance-interval is "{text}"; expected two fractions such as 0,0.8.')
    return values[0], values[1]


def numbers(name: str, text: str) -> tuple[float, ...]:
    """Numbers separated by commas; raises SettingsError."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as problem:
        raise SettingsError(f'{name} is "{text}"; expected numbers separated by commas.') from problem


def whole_numbers(name: str, text: str) -> tuple[int, ...]:
    """Whole numbers separated by commas; raises SettingsError."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as problem:
        raise SettingsError(f'{name} is "{text}"; expected whole numbers separated by commas.') from problem


References = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        metavar="FILE[:WEIGHT]",
        help="A picture of an object to put in, its transparency saying what of it is the object; repeat it for "
        "further views. Without a region it goes where it belongs. (weight: 1)",
        show_default=False,
    ),
]
ReferenceRegions = Annotated[
    list[str] | None,
    typer.Option(
        "--reference-region",
        metavar="REGION",
        help="The part of the picture that a reference is for: box:x0,y0,x1,y1, point:x,y, a mask's file, a phrase or "
        "whole; give it once for each --reference, in their order. Needs --ip-adapter.",
        show_default=False,
    ),
]
Detail = Annotated[
    float | None,
    typer.Option(help="How much the details of a reference count beside it as a whole, 0 to 1. (default: 0.8)"),
]
Subject = Annotated[
    str | None,
    typer.Option(help="A subject that was taught (`retouch train subject`), by its name or folder; needs a region."),
]
WordsWeight = Annotated[
    float | None, typer.Option("--words", help="How much words count beside a reference, 0 to 2. (default: 1)")
]
Background = Annotated[
    str, typer.Option(help="Of an opaque reference: remove, keep, or auto, which keeps it where no object is found.")
]
ReferencePhrase = Annotated[
    str | None, typer.Option("--reference-phrase", help='What to cut out of a reference: "the chair".')
]
PlaceBy = Annotated[
    str | None, typer.Option("--place", help="auto: have the region for the reference proposed from the picture.")
]
IPAdapter = Annotated[
    str | None,
    typer.Option(
        "--ip-adapter",
        metavar="SOURCE[:SCALE]",
        help="What lets a model that edits by instruction, or fills a region, read references too: a folder, a "
        "file, or a hub id with a file, such as h94/IP-Adapter:models/ip-adapter_sd15.safetensors. (scale: 1)",
    ),
]


def settings_facts(settings: EditSettings) -> dict[str, object]:
    """The settings under their own names, for people and programs."""
    return {
        "steps": settings.steps,
        "scheduler": settings.scheduler,
        "text_guidance": settings.text_guidance,
        "image_guidance": settings.image_guidance,
        "guidance_interval": settings.guidance_interval,
        "reuse": settings.reuse,
        "fine_layers": settings.fine_layers,
        "profile": settings.profile,
        "negative": settings.negative,
        "negative_image": settings.negative_image,
        "seed": settings.seed,
        "keep_detail": settings.keep_detail,
        **({} if settings.region is None else {"region": asdict(settings.region)}),
        **({} if settings.reference is None else {"reference": asdict(settings.reference)}),
    }


def region_settings(
    *,
    blend: str | None,
    grow: int | None,
    shrink: int | None,
    feather: int | None,
    attend_inside: bool | None,
    invert: bool | None,
    zoom: bool | None,
) -> RegionSettings | None:
    """The settings that the options make, None where all are left open; raises SettingsError."""
    if grow is not None and shrink is not None:
        raise SettingsError("A region cannot both grow and shrink; give --grow or --shrink.")
    settings = RegionSettings(
        grow=-shrink if shrink is not None else grow,
        feather=feather,
        blend=None if blend is None else parse_blend(blend),
        source=None if invert is None else ("invert" if invert else "renoise"),
        attend=None if attend_inside is None else ("avoid" if attend_inside else "off"),
        zoom=None if zoom is None else ("auto" if zoom else "off"),
    )
    return None if settings == RegionSettings() else settings
