"""How near a model that reads pictures in the place of words brings pictures of an object to the words for it."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from retouch.conditioning.insert import insert_tokens, of_one_length
from retouch.conditioning.text import encode_text
from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.core.reference import Reference, load_reference
from retouch.evaluation.examples import removed_colour
from retouch.metrics.clip import Encoder
from retouch.metrics.retrieval import TOP_ONE_PROTOCOL, top_one
from retouch.models.identity import identity
from retouch.models.insert import Insert
from retouch.records.pair import Split
from retouch.records.shards import read_records
from retouch.scenes.language.words import with_article

ALIGNMENT_PROTOCOL = "alignment/add-a-colour-kind/cosine/v2"
_COLUMNS = ("object_mask", "segments", "reference_images", "object", "params")
_SHOWN = ("add", "remove", "replace", "recolour")
"""Kinds of edit whose records say colour and kind of the references' object."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownObject:
    """An object as its record names it, and pictures of it."""

    kind: str
    colour: str
    references: tuple[Reference, ...]

    @property
    def name(self) -> str:
        """The object in words, with its article."""
        return with_article(f"{self.colour} {self.kind}")


@dataclass(frozen=True, kw_only=True)
class AlignmentLine:
    """Of one way to compare: cosines with the own words and the others', and how often the most similar words fit.

    found: the share of objects whose own words are the most similar of all; kind, colour: whose most similar words
        name the right kind, the right colour.
    """

    compared: str
    own: float
    others: float
    found: float
    kind: float
    colour: float


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """The lines over so many objects, told apart by so many different words, and what the figures depend on."""

    lines: tuple[AlignmentLine, ...]
    objects: int
    words: int
    model: str
    split: str
    protocols: tuple[str, ...]

    def markdown(self) -> str:
        """Return the figures as a table."""
        rows = [
            f"| {self.model}, {self.objects} objects of the split {self.split} | cosine with the own words "
            f"| with other objects' | own words first of {self.words} | kind right | colour right |",
            "|---|---|---|---|---|---|",
        ]
        rows += [
            f"| {line.compared} | {line.own:.3f} | {line.others:.3f} | {line.found:.1%} | {line.kind:.1%} "
            f"| {line.colour:.1%} |"
            for line in self.lines
        ]
        return "\n".join(rows) + "\n"


def shown_objects(folder: Path, *, split: Split = "bench", limit: int | None = None) -> list[ShownObject]:
    """The first `limit` objects of which a folder has references and whose colour it tells; each counts once.

    Raises DataError where there are fewer than two.
    """
    found = list(islice(_objects(folder, split), limit))
    if len(found) < 2:
        raise DataError(
            f"{folder} tells the colour of {len(found)} objects of the split '{split}' with references, too few to "
            "compare; make pairs with --references 2 there first."
        )
    return found


def evaluate_alignment(
    insert: Insert,
    encoder: Encoder,
    objects: Sequence[ShownObject],
    *,
    split: Split = "bench",
    out: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Alignment:
    """Compare what a model makes of references with what its editor reads of "add a red chair", for each object.

    The tokens are compared by their means and one by one; beside them, for what mapping has to bridge, `encoder`'s own
    embeddings of the pictures and the words. With `out` write report.md and report.json.
    """
    pictures, images = [], []
    for done, each in enumerate(objects, start=1):
        pictures.append(insert_tokens(insert, each.references))
        images.append(encoder.pictures([reference.squared() for reference in each.references]).mean(dim=0))
        on_progress(done, len(objects))
    words = encode_text(insert.checkpoint, [f"add {each.name}" for each in objects]).features
    contexts = of_one_length({"pictures": torch.cat(pictures), "words": words})
    mapped, read = contexts["pictures"].float(), contexts["words"].float()
    captions = encoder.texts([each.name for each in objects])
    lines = (
        _line("CLIP's embeddings, not mapped", torch.stack(images), captions, objects),
        _line("mean of the mapped tokens", mapped.mean(dim=1), read.mean(dim=1), objects),
        _line("mapped tokens one by one", mapped.flatten(1), read.flatten(1), objects),
    )
    called = identity(insert.source, insert.optimizer.state_dict().values())
    result = Alignment(
        lines=lines,
        objects=len(objects),
        words=len({each.name for each in objects}),
        model=insert.source,
        split=split,
        protocols=(f"{ALIGNMENT_PROTOCOL}/{called}", TOP_ONE_PROTOCOL, encoder.protocol),
    )
    if out is not None:
        atomic_write(out / "report.json", json.dumps(asdict(result), indent=2).encode())
        atomic_write(out / "report.md", result.markdown().encode())
    return result


def _line(compared: str, seen: Tensor, read: Tensor, objects: Sequence[ShownObject]) -> AlignmentLine:
    similarities = functional.normalize(seen, dim=1) @ functional.normalize(read, dim=1).T
    names = [each.name for each in objects]
    same = torch.tensor([[one == other for other in names] for one in names])
    if bool(same.all()):
        raise DataError(f"All objects are called '{names[0]}'; give records that show different ones.")
    nearest = [objects[place] for place in similarities.argmax(dim=1).tolist()]
    pairs = list(zip(nearest, objects, strict=True))
    return AlignmentLine(
        compared=compared,
        own=float(similarities.diagonal().mean()),
        others=float(similarities[~same].mean()),
        found=top_one(similarities, names)[0],
        kind=sum(found.kind == each.kind for found, each in pairs) / len(objects),
        colour=sum(found.colour == each.colour for found, each in pairs) / len(objects),
    )


def _objects(folder: Path, split: Split) -> Iterator[ShownObject]:
    seen: set[bytes] = set()
    for record in read_records(folder, columns=_COLUMNS, split=split):
        if record.kind not in _SHOWN or not record.reference_images or record.reference_images[0] in seen:
            continue
        seen.add(record.reference_images[0])
        colour = removed_colour(record) if record.kind == "remove" else record.params.get("colour")
        # What is replaced gives the record its object; the references show what comes in its place.
        kind = record.params.get("to") if record.kind == "replace" else record.object
        if isinstance(kind, str) and kind and isinstance(colour, str):
            references = tuple(load_reference(data) for data in record.reference_images)
            yield ShownObject(kind=kind, colour=colour, references=references)
