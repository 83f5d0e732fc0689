"""What a family can do of what is asked: the rest is refused, or said as a warning, and never swallowed."""

from retouch.core.errors import ModelError, SettingsError
from retouch.core.reference_settings import GENERAL_REFERENCE_DEFAULTS, ReferenceSettings
from retouch.core.region import Region
from retouch.core.region_settings import GENERAL_REGION_DEFAULTS, RegionSettings
from retouch.core.settings import GENERAL_DEFAULTS, EditSettings
from retouch.editing.pipelines.engine import PipelineEngine, check_shape
from retouch.editing.pipelines.family import ModelFamily
from retouch.editing.protocol import RegionSource
from retouch.editing.request import Prepared

_OF_THE_LOOP = ("blend", "source", "widenings", "attend", "attend_weight")
"""What of `RegionSettings` the in-house loop alone can do."""


def check_settings(family: ModelFamily, settings: EditSettings) -> None:
    """Refuse what a family has no argument for; raises SettingsError, which says what it has."""
    absent: dict[str, object] = {
        "scheduler": settings.scheduler,
        "guidance_interval": _changed(settings.guidance_interval, GENERAL_DEFAULTS.guidance_interval),
        "negative_image": settings.negative_image or None,
        "reuse": _changed(settings.reuse, GENERAL_DEFAULTS.reuse),
        "fine_layers": _changed(settings.fine_layers, GENERAL_DEFAULTS.fine_layers),
        "profile": _changed(settings.profile, "exact"),
    }
    if family.image_guidance is None:
        absent["image_guidance"] = settings.image_guidance
    if family.text_guidance is None:
        absent["text_guidance"] = settings.text_guidance
    if not family.negative:
        absent["negative"] = settings.negative or None
    for name, value in absent.items():
        if value is not None:
            raise SettingsError(f"{family.name} has no {name}, which is {value!r}; leave it out. {_takes(family)}")
    _check_parts(family, settings.region, settings.reference)


def check_references(family: ModelFamily, prepared: Prepared) -> None:
    """Refuse references that a family does not take, or does not weigh; raises ModelError and SettingsError."""
    most = max(family.references, family.region_references if prepared.regions else 0)
    count = len(prepared.references)
    if count > most:
        where = " with a region" if family.region_references > family.references else ""
        able = max(family.references, family.region_references)
        takes = f"takes {able} at the most{where}" if able else "takes none"
        raise ModelError(f"There are {count} references, but {family.name} {takes}; leave them out.")
    for each in prepared.references:
        check_shape(family, each.picture.size)
        if each.weight != 1.0 or each.region is not None:
            raise SettingsError(
                f"'{each.name}' has a weight or a region of its own, but {family.name} has neither; leave them out."
            )


def warnings_of(engine: PipelineEngine, asked: EditSettings, prepared: Prepared, *, distilled: bool) -> tuple[str, ...]:
    """What a caller should know of a request: guidance that is ignored, and regions that are composited."""
    family, said = engine.family, list[str]()
    given = asked.text_guidance
    if distilled and given is not None and given != family.defaults.text_guidance:
        said.append(f"'{engine.name}' is distilled, so it ignores text_guidance, which is {given:g}.")
    if family.image_guidance is not None and _inactive(prepared.settings):
        said.append(
            f"{family.name} leaves all guidance out unless text_guidance is above 1 and image_guidance at least 1."
        )
    held = [each for each in prepared.regions if each is not None and not _is_plain(each)]
    if held and not engine.inpaints(len(prepared.references)):
        why = f"with {len(prepared.references)} references " if family.inpaint and prepared.references else ""
        said.append(
            f"{family.name} cannot keep to a region {why}itself; it edits the whole picture, "
            "and what lies outside is put back."
        )
    return tuple(said)


def _is_plain(region: RegionSource) -> bool:
    """Whether a region is known to be nothing or everything."""
    return isinstance(region, Region) and (region.is_empty or region.is_full)


def _inactive(settings: EditSettings) -> bool:
    return (settings.text_guidance or 0.0) <= 1.0 or (settings.image_guidance or 0.0) < 1.0


def _changed(value: object, general: object) -> object:
    return None if value == general else value


def _check_parts(family: ModelFamily, region: RegionSettings | None, reference: ReferenceSettings | None) -> None:
    for name in _OF_THE_LOOP if region is not None else ():
        value = _changed(getattr(region, name), getattr(GENERAL_REGION_DEFAULTS, name))
        if value is not None:
            raise SettingsError(
                f"{family.name} has no {name} of regions, which is {value!r}; grow, feather and zoom are what it has."
            )
    for name in ("detail", "words") if reference is not None else ():
        value = _changed(getattr(reference, name), getattr(GENERAL_REFERENCE_DEFAULTS, name))
        if value is not None:
            raise SettingsError(f"{family.name} has no {name} of references, which is {value!r}; leave it out.")


def _takes(family: ModelFamily) -> str:
    names = {
        "text_guidance": family.text_guidance,
        "image_guidance": family.image_guidance,
        "negative": family.negative or None,
    }
    return "It takes steps, seed, keep_detail" + "".join(f", {name}" for name, value in names.items() if value) + "."
