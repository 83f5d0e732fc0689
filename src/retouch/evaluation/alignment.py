"""How near a model's tokens of an object's pictures are to those of words for the same object.

The check of "Visually guided insertion": the cosine of mapped image embeddings and text embeddings.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, product
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from retouch.conditioning.exemplar import reference_tokens
from retouch.conditioning.insert import insert_tokens
from retouch.conditioning.text import encode_text
from retouch.core.errors import DataError, ModelError
from retouch.core.files import atomic_write
from retouch.core.reference import Reference, load_reference
from retouch.evaluation.examples import shown_name
from retouch.evaluation.run import mask, picture
from retouch.models.exemplar import Exemplar
from retouch.models.insert import Insert
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import read_records
from retouch.scenes.language.words import with_article

ALIGNMENT_PROTOCOL = "alignment/cosine-of-means-over-tokens/a-colour-kind/v1"
_COLUMNS = ("object_mask", "segments", "reference_images", "object", "params")
_BATCH = 64

Mapper = Callable[[Sequence[Reference]], Tensor]
"""What a model makes of pictures of an object: tokens, (R, T, C)."""
Reader = Callable[[Sequence[str]], Tensor]
"""What the model's text encoder makes of B texts: (B, L, C)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedObject:
    """An object as words and as pictures."""

    colour: str
    kind: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, kw_only=True)
class AlignmentLine:
    """One way to map pictures: mean cosines to the texts for the same objects and to those for others.

    centred: whether the mean over all objects was taken off the mapped and the mean over all texts off the texts,
        which what all have in common then counts for nothing.
    nearest, colour, kind: the share of objects whose nearest text is their own, is of their colour, of their kind.
    """

    mapper: str
    centred: bool
    matching: float
    others: float
    nearest: float
    colour: float
    kind: float


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """The figures on `objects` objects among `texts` texts, all kinds in all colours that are present."""

    objects: int
    texts: int
    lines: tuple[AlignmentLine, ...]
    protocol: str = ALIGNMENT_PROTOCOL

    def markdown(self) -> str:
        """The lines as a table."""
        rows = [
            f"| {self.objects} objects among {self.texts} texts | same object | others | nearest is right | its colour "
            "| its kind |",
            "|---|---|---|---|---|---|",
        ]
        rows += [
            f"| {line.mapper}{', centred' if line.centred else ''} | {line.matching:.3f} | {line.others:.3f} "
            f"| {line.nearest:.1%} | {line.colour:.1%} | {line.kind:.1%} |"
            for line in self.lines
        ]
        return "\n".join([*rows, "", f"Cosines. Protocol: `{self.protocol}`."]) + "\n"


def named_objects(folder: Path, *, split: Split = "bench", limit: int | None = None) -> list[NamedObject]:
    """The first `limit` objects of a folder whose colour and kind are known and of which there are references.

    Raises DataError where there are fewer than two of different names.
    """
    found = list(islice(_named(folder, split), limit))
    if len({(each.colour, each.kind) for each in found}) < 2:
        raise DataError(
            f"{folder} holds {len(found)} objects of the split '{split}' with a known colour and references, too few "
            "of different names to compare; make more pairs with --references 2 there first."
        )
    return found


def insert_mapper(insert: Insert) -> Mapper:
    """The optimizer of an insertion model."""
    return lambda references: insert_tokens(insert, references)


def exemplar_mapper(exemplar: Exemplar) -> Mapper:
    """The mapper of an exemplar model, the references as wholes."""
    encoder = exemplar.encoder

    def mapped(references: Sequence[Reference]) -> Tensor:
        return reference_tokens(exemplar, encoder(torch.stack([encoder.framed(one.squared()) for one in references])))

    return mapped


def text_reader(insert: Insert) -> Reader:
    """The text encoder of an insertion model's editor."""
    return lambda texts: encode_text(insert.checkpoint, texts).features


@torch.no_grad()
def evaluate_alignment(
    mappers: Mapping[str, Mapper],
    reader: Reader,
    objects: Sequence[NamedObject],
    *,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Alignment:
    """Compare what every mapper makes of the objects with the texts; with `out` write report.md and report.json.

    Raises ModelError where a mapper's tokens are of another width than the texts'.
    """
    kinds, colours = (sorted({getattr(each, name) for each in objects}) for name in ("kind", "colour"))
    names = list(product(colours, kinds))
    texts = _texts(reader, [with_article(f"{colour} {kind}") for colour, kind in names])
    own = torch.tensor([names.index((each.colour, each.kind)) for each in objects])
    lines: list[AlignmentLine] = []
    total, done = len(mappers) * len(objects), 0
    for name, mapper in mappers.items():
        rows: list[Tensor] = []
        for each in objects:
            rows.append(mapper(each.references).float().cpu().mean(dim=(0, 1)))
            done += 1
            on_progress(done, total)
        mapped = torch.stack(rows)
        _check_width(name, mapped, texts)
        lines.append(_line(name, mapped, texts, own, names))
        lines.append(_line(name, mapped - mapped.mean(dim=0), texts - texts.mean(dim=0), own, names, centred=True))
    result = Alignment(objects=len(objects), texts=len(names), lines=tuple(lines))
    if out is not None:
        atomic_write(out / "report.json", json.dumps(asdict(result), indent=2).encode())
        atomic_write(out / "report.md", result.markdown().encode())
    return result


def _line(
    mapper: str,
    mapped: Tensor,
    texts: Tensor,
    own: Tensor,
    names: Sequence[tuple[str, str]],
    *,
    centred: bool = False,
) -> AlignmentLine:
    cosines = functional.normalize(mapped, dim=-1) @ functional.normalize(texts, dim=-1).T
    right = functional.one_hot(own, len(texts)).bool()
    nearest = [names[place] for place in cosines.argmax(dim=1).tolist()]
    true = [names[place] for place in own.tolist()]
    colour, kind = (
        sum(found[part] == wanted[part] for found, wanted in zip(nearest, true, strict=True)) / len(true)
        for part in (0, 1)
    )
    return AlignmentLine(
        mapper=mapper,
        centred=centred,
        matching=float(cosines[right].mean()),
        others=float(cosines[~right].mean()),
        nearest=sum(found == wanted for found, wanted in zip(nearest, true, strict=True)) / len(true),
        colour=colour,
        kind=kind,
    )


def _texts(reader: Reader, texts: Sequence[str]) -> Tensor:
    parts = [reader(texts[start : start + _BATCH]).float().cpu().mean(dim=1) for start in range(0, len(texts), _BATCH)]
    return torch.cat(parts)


def _check_width(name: str, mapped: Tensor, texts: Tensor) -> None:
    if mapped.shape[1] != texts.shape[1]:
        raise ModelError(
            f"'{name}' maps pictures to {mapped.shape[1]} features, the texts have {texts.shape[1]}; compare it with "
            "the editor it was trained over."
        )


def _named(folder: Path, split: Split) -> Iterator[NamedObject]:
    for record in read_records(folder, columns=_COLUMNS, split=split):
        name = _name(record) if record.reference_images else None
        if name is not None:
            colour, kind = name
            references = tuple(load_reference(data) for data in record.reference_images)
            yield NamedObject(colour=colour, kind=kind, references=references)


def _name(record: PairRecord) -> tuple[str, str] | None:
    """Colour and kind of the object of a record's references, None where nobody knows."""
    if record.kind == "remove" and record.object is not None and record.object_mask is not None:
        shown = shown_name(record, mask(record.object_mask, picture(record.source_image)))
        colour = shown.removesuffix(record.object).strip()
        return (colour, record.object) if colour else None
    if record.kind not in ("add", "replace", "recolour", "material"):
        return None
    colour, kind = record.params.get("colour"), record.object
    if record.kind == "replace":
        kind = record.params.get("to")
    return (colour, kind) if isinstance(colour, str) and isinstance(kind, str) else None
