"""References on the command line: texts to pictures of an object, to the model that reads them, to the record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from retouch.cli.output import warn
from retouch.cli.regions import region_of_reference
from retouch.core.errors import ModelError, SettingsError
from retouch.core.reference_settings import ReferenceSettings

if TYPE_CHECKING:
    from retouch.cli.regions import Words
    from retouch.core.images import LoadedImage
    from retouch.core.provenance import ReferenceRecord
    from retouch.core.reference import Reference
    from retouch.editing.protocol import RegionFinder
    from retouch.grounding.references import Background
    from retouch.grounding.segmenter import Segmenter

PLACES = ("auto",)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of an object as the options name them.

    texts: FILE or FILE:WEIGHT each.
    background: what becomes of what stands about the object in opaque ones.
    phrase: what the object is called, where that helps to cut it out.
    place: "auto" has a region proposed.
    ip_adapter: SOURCE or SOURCE:SCALE of what lets the model read them.
    subject: the name or folder of a taught subject, which has pictures of its own.
    regions: for each of the texts the part of the edited picture it is for, or none.
    """

    texts: tuple[str, ...] = ()
    background: str = "auto"
    phrase: str | None = None
    place: str | None = None
    ip_adapter: str | None = None
    subject: str | None = None
    allow_private: bool = False
    regions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.place is not None and self.place not in PLACES:
            raise SettingsError(f'--place is "{self.place}"; expected auto, or give the region with --region.')
        _background(self.background)
        if self.subject and self.ip_adapter:
            raise SettingsError("A taught subject is a model of its own; leave --ip-adapter out.")
        if not self.texts and (self.ip_adapter or self.phrase or (self.place and not self.subject)):
            raise SettingsError("There is no picture of an object; give one with --reference.")
        if self.regions and len(self.regions) != len(self.texts):
            raise SettingsError(
                f"There are {len(self.regions)} reference regions for {len(self.texts)} references; give "
                "--reference-region once for each --reference, in their order, or whole for one that is for all."
            )
        if self.regions and not self.ip_adapter:
            raise SettingsError(
                "A reference has a region of its own, which an IP-Adapter alone can heed; give one with --ip-adapter, "
                "or say with --region where all of them go."
            )

    @property
    def any(self) -> bool:
        """Whether there is a picture of an object."""
        return bool(self.texts or self.subject)

    def default_model(self, *, regional: bool) -> str:
        """The model that reads them where none is named."""
        from retouch.models.pocket import EXEMPLAR_MEMBER, INSERT_MEMBER, POCKET

        if self.subject:
            from retouch.models.sources import HUB_ID
            from retouch.models.subject import find_subject

            found = find_subject(self.subject)
            if not Path(found).is_dir() and HUB_ID.fullmatch(found) is None:
                raise ModelError(
                    f"There is no taught subject '{self.subject}'; teach it by `retouch train subject --name "
                    f"{self.subject}`, or give the folder of one."
                )
            return found
        if not self.texts or self.ip_adapter:
            return POCKET
        return f"{POCKET}/{EXEMPLAR_MEMBER if regional or self.place else INSERT_MEMBER}"

    def read(self, words: "Words") -> "tuple[Reference, ...]":
        """The references, cut out where they are to be; raises ImageError, SettingsError and NotFoundError."""
        from retouch.core.reference import load_reference

        found: list[Reference] = []
        for text in self.texts:
            place, weight = _weighted(text)
            found.append(load_reference(place, weight=weight, allow_private=self.allow_private))
        if all(each.alpha is not None for each in found) or (self.background == "keep" and self.phrase is None):
            return tuple(found)
        segmenter = words.finder().segmenter
        return tuple(self._cut_out(each, segmenter) for each in found)

    def within(
        self, references: "Sequence[Reference]", source: "LoadedImage", words: "Words"
    ) -> "tuple[Reference, ...]":
        """The references, each with the part of the source it is for; raises as `region_of_reference` does."""
        if not self.regions:
            return tuple(references)
        found = [region_of_reference(text, source, words) for text in self.regions]
        return tuple(replace(each, region=region) for each, region in zip(references, found, strict=True))

    def own(self, references: "Sequence[Reference]") -> "Sequence[Reference]":
        """The references, or the subject's own where none were given; raises ModelError."""
        from retouch.models.subject import find_subject, load_subject

        return references or (load_subject(find_subject(self.subject)).references if self.subject else ())

    def placed(self, references: "Sequence[Reference]", *, seed: int, device: str) -> "RegionFinder":
        """What proposes a region for them; raises ModelError."""
        from retouch.editing.device import choose_device
        from retouch.editing.placement import region_by_placement
        from retouch.models.placement import load_placement

        return region_by_placement(load_placement(device=str(choose_device(device))), references, seed=seed)

    @cached_property
    def adapter(self) -> tuple[str, float] | None:
        """The IP-Adapter and its scale."""
        return None if self.ip_adapter is None else _weighted(self.ip_adapter)

    def _cut_out(self, reference: "Reference", segmenter: "Segmenter") -> "Reference":
        from retouch.grounding.references import without_background

        background = _background(self.background)
        found = without_background(reference, segmenter, background=background, phrase=self.phrase)
        if found.alpha is None:
            warn(f'No object stands out in "{reference.name}"; all of it is taken. Give it transparency to say what.')
        return found


def reference_settings(*, detail: float | None, words: float | None) -> ReferenceSettings | None:
    """The settings that the options make, None where all are left open; raises SettingsError."""
    settings = ReferenceSettings(detail=detail, words=words)
    return None if settings == ReferenceSettings() else settings


def reference_records(references: "Sequence[Reference]") -> "tuple[ReferenceRecord, ...]":
    """What is written of them into a result."""
    from retouch.core.provenance import ReferenceRecord

    return tuple(
        ReferenceRecord(
            name=each.name,
            sha256=each.sha256,
            weight=each.weight,
            region="" if each.region is None else each.region.origin,
        )
        for each in references
    )


def _weighted(text: str) -> tuple[str, float]:
    """PLACE or PLACE:NUMBER, the number 1 where there is none; places have colons of their own."""
    place, colon, last = text.rpartition(":")
    try:
        return (place, float(last)) if colon and not Path(text).exists() else (text, 1.0)
    except ValueError:
        if Path(place).is_file():
            raise SettingsError(f'"{last}" after "{place}" is no number; give a weight, such as {place}:0.5.') from None
        return text, 1.0


def _background(name: str) -> "Background":
    from retouch.grounding.references import Background

    for known in get_args(Background):
        if name == known:
            return known
    raise SettingsError(f'--background is "{name}"; expected {", ".join(get_args(Background))}.')
