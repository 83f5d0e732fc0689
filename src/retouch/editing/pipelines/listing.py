"""Families of pipelines for people: among the models that are listed, and as a table of what each can do."""

from collections.abc import Iterable, Sequence

from retouch.editing.pipelines.families import FAMILIES
from retouch.editing.pipelines.family import ModelFamily
from retouch.editing.pipelines.memory import gigabytes
from retouch.models.catalogue import CatalogueEntry

_COLUMNS = (
    "family", "classes", "text guidance", "image guidance", "negative text", "references", "regions", "sizes", "steps",
    "LoRA", "licence", "GB full / offload / sequential", "note",
)  # fmt: skip
_SIZES = {"area": "any shape", "listed": "17 shapes", "fixed": "any shape, 1024² alone"}


def with_families(entries: Iterable[CatalogueEntry]) -> tuple[CatalogueEntry, ...]:
    """Entries of a catalogue, those of known classes said to be what they are, and then the known models not there."""
    present = tuple(map(_told, entries))
    sources = {entry.source for entry in present}
    return present + tuple(
        CatalogueEntry(source=source, place="hub", kind=family.name, size_bytes=None, note=_note(family))
        for family in FAMILIES
        for source in family.models
        if source not in sources
    )


def family_table(families: Sequence[ModelFamily] = FAMILIES) -> str:
    """What each family can do, as a table in Markdown."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_row, families)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def memory_of(family: ModelFamily) -> str:
    """Gigabytes of weights in two bytes, by the memory modes full, offload and sequential."""
    return " / ".join(f"{gigabytes(family.billions, mode):.0f}" for mode in ("full", "offload", "sequential"))


def _told(entry: CatalogueEntry) -> CatalogueEntry:
    for family in FAMILIES:
        if entry.kind in {f"other ({name})" for name in family.classes}:
            return CatalogueEntry(
                source=entry.source,
                place=entry.place,
                kind=family.name,
                size_bytes=entry.size_bytes,
                note=_note(family),
            )
    return entry


def _note(family: ModelFamily) -> str:
    gated = ", gated" if family.gated else ""
    return f"{family.licence}{gated}; GB full/offload/sequential: {memory_of(family).replace(' ', '')}"


def _row(family: ModelFamily) -> tuple[str, ...]:
    steps = f"{family.defaults.steps}"
    if family.undistilled is not None:
        steps += f", undistilled {family.undistilled.steps}"
    return (
        family.name,
        ", ".join(f"`{name}`" for name in family.classes),
        _guidance(family.text_guidance, family.defaults.text_guidance),
        _guidance(family.image_guidance, family.defaults.image_guidance),
        "yes" if family.negative else "no",
        _references(family),
        "inpainted" if family.inpaint else "composited",
        _SIZES[family.sizes],
        steps,
        "yes" if family.lora else "no",
        f"{family.licence}{', gated' if family.gated else ''}",
        memory_of(family),
        family.notes,
    )


def _guidance(name: str | None, default: float | None) -> str:
    return "no" if name is None else f"`{name}`, {default:g}"


def _references(family: ModelFamily) -> str:
    if family.references == family.region_references:
        return str(family.references) if family.references else "no"
    return f"{family.references}, with a region {family.region_references}"
