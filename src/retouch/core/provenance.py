"""Where a result came from, written into its PNG and read back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from retouch import __version__
from retouch.core.errors import ImageError, SettingsError
from retouch.core.files import atomic_write
from retouch.core.images import png_bytes
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings

KEY = "retouch"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class RegionRecord:
    """Where one instruction was let act.

    `asked` as `parse_region` reads it, of a mask its file's name alone; `found` how the region came about, in words;
    `mask_sha256` the hex digest of the mask as it was used, grown or shrunk but not feathered.
    """

    asked: str
    found: str
    mask_sha256: str


@dataclass(frozen=True, kw_only=True)
class ReferenceRecord:
    """A picture of an object that an edit was given: its file's name, the hex digest of its bytes, its weight.

    `region` is how the part of the picture that it was for came about, in words; "" for all of it.
    """

    name: str
    sha256: str
    weight: float
    region: str = ""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """All that is needed to make a result again.

    `model` as it was asked for (`pocket`, a folder's name, a hub id); `instructions` in the order
    applied; `settings` fully resolved, with this very result's seed; `source_sha256` the hex digest
    of the source's bytes and `source_name` its file name, never its folder, both empty where there was none;
    `loras` as NAME:SCALE, without folders; `regions` one for each instruction, or none where there was no region;
    `references` the pictures of an object that it was given, `ip_adapter` as SOURCE:SCALE what read them, if one did.
    """

    model: str
    instructions: tuple[str, ...]
    settings: EditSettings
    source_sha256: str
    source_name: str
    loras: tuple[str, ...] = ()
    regions: tuple[RegionRecord, ...] = ()
    references: tuple[ReferenceRecord, ...] = ()
    ip_adapter: str = ""
    version: str = __version__


def write_png(path: str | Path, image: Image.Image, provenance: Provenance) -> Path:
    """Write `image` with its provenance, whole or not at all; raises OutputError."""
    return atomic_write(path, png_with_provenance(image, provenance))


def png_with_provenance(image: Image.Image, provenance: Provenance) -> bytes:
    """The PNG encoding of `image` with two text chunks: `parameters`, as other tools read it, and ours."""
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", _parameters(provenance, image.size))
    text.add_text(KEY, json.dumps({"format": FORMAT, **asdict(provenance)}, sort_keys=True))
    return png_bytes(image, text=text)


def read_provenance(path: str | Path) -> Provenance:
    """The provenance in a PNG that Retouch wrote; raises ImageError for any other file."""
    written = _text_chunk(Path(path))
    try:
        values = json.loads(written)
        if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
            raise ValueError("a format this version does not know")
        return _from_json(values)
    except (ValueError, TypeError, KeyError, SettingsError) as problem:
        raise ImageError(f'The settings stored in "{path}" cannot be read ({problem}).') from problem


def _text_chunk(path: Path) -> str:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            written = getattr(image, "text", {}).get(KEY)
    except FileNotFoundError as problem:
        raise ImageError(f'There is no file "{path}"; check the path.') from problem
    except Exception as problem:
        raise ImageError(f'"{path}" is not a PNG that can be read; give a result of Retouch.') from problem
    if not isinstance(written, str):
        raise ImageError(f'"{path}" carries no settings; give a PNG that Retouch wrote.')
    return written


def _from_json(values: Mapping[str, object]) -> Provenance:
    settings, instructions = values.get("settings"), values.get("instructions")
    loras = values.get("loras", [])
    if not isinstance(loras, list):
        raise ValueError("loras are no list")
    if not isinstance(settings, dict) or not isinstance(instructions, list):
        raise ValueError("settings or instructions are missing")
    texts = {name: _text(values, name) for name in ("model", "source_sha256", "source_name", "version")}
    return Provenance(
        instructions=tuple(str(instruction) for instruction in instructions),
        loras=tuple(str(lora) for lora in loras),
        settings=settings_from_json(settings),
        regions=_regions(values.get("regions", [])),
        references=_references(values.get("references", [])),
        ip_adapter=str(values.get("ip_adapter", "")),
        **texts,
    )


def settings_from_json(values: Mapping[str, object]) -> EditSettings:
    """Read what `asdict` and JSON made of settings; raises SettingsError, or TypeError for a name it does not know."""
    region = values.get("region")
    if isinstance(region, dict):
        values = {**values, "region": RegionSettings(**_with_tuple(region, "blend"))}
    reference = values.get("reference")
    if isinstance(reference, dict):
        values = {**values, "reference": ReferenceSettings(**reference)}
    return EditSettings(**_with_tuple(values, "guidance_interval"))


def _with_tuple(values: Mapping[str, object], name: str) -> dict[str, Any]:
    pair = values.get(name)
    return {**values, name: tuple(pair)} if isinstance(pair, list) else {**values}


def _regions(values: object) -> tuple[RegionRecord, ...]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError("regions are no list of objects")
    names = ("asked", "found", "mask_sha256")
    return tuple(RegionRecord(**{name: _text(value, name) for name in names}) for value in values)


def _references(values: object) -> tuple[ReferenceRecord, ...]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError("references are no list of objects")
    return tuple(
        ReferenceRecord(
            name=_text(value, "name"),
            sha256=_text(value, "sha256"),
            weight=float(value["weight"]),
            region=str(value.get("region", "")),
        )
        for value in values
    )


def _text(values: Mapping[str, object], name: str) -> str:
    value = values[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def _parameters(provenance: Provenance, size: tuple[int, int]) -> str:
    settings = provenance.settings
    facts: dict[str, object] = {
        "Steps": settings.steps,
        "Sampler": settings.scheduler,
        "CFG scale": settings.text_guidance,
        "Image CFG scale": settings.image_guidance,
        "Seed": settings.seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model": provenance.model,
        "Region": "; ".join(region.asked for region in provenance.regions) or None,
        "References": "; ".join(reference.name for reference in provenance.references) or None,
        "LoRA": " ".join(provenance.loras) or None,
        "Version": f"retouch {provenance.version}",
    }
    lines = ["; ".join(provenance.instructions)]
    if settings.negative:
        lines.append(f"Negative prompt: {settings.negative}")
    lines.append(", ".join(f"{name}: {value}" for name, value in facts.items() if value is not None))
    return "\n".join(lines)
