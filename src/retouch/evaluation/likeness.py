"""The table of LangDesign: how far edited pictures keep to their sources, and go where the words went."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from retouch.core.images import load_image
from retouch.metrics.clip import Encoder, directional_similarity, patch_similarity
from retouch.records.pair import PairRecord

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """Means over one contestant's outputs, cosines in [−1, 1], `patches` in [0, 1].

    `image` is cos(source, output), `directional` cos(output − source, target caption − source caption), `text`
    cos(output, target caption), `patches` the likeness of source and output patch by patch. Null edits do not count.
    """

    contestant: str
    count: int
    image: float
    directional: float
    text: float
    patches: float
    protocol: str
    patch_protocol: str


def likenesses(
    records: Sequence[PairRecord], contestants: Iterable[str], pictures: Path, encoder: Encoder
) -> tuple[Likeness, ...]:
    """Measure the outputs that lie as `pictures`/contestant/id.png; contestants without one are left out."""
    edits = [record for record in records if record.source_caption != record.target_caption]
    found = []
    for name in contestants:
        answered = [record for record in edits if (pictures / name / f"{record.id}.png").is_file()]
        if answered:
            values = torch.cat(list(_values(answered, pictures / name, encoder))).double().mean(dim=0)
            image, directional, text, patches = map(float, values)
            found.append(
                Likeness(
                    contestant=name,
                    count=len(answered),
                    image=image,
                    directional=directional,
                    text=text,
                    patches=patches,
                    protocol=encoder.protocol,
                    patch_protocol=encoder.patch_protocol,
                )
            )
    return tuple(found)


def likeness_table(rows: Sequence[Likeness]) -> str:
    """The table, scaled as it was published: CLIP_dir as a cosine, all others times a hundred."""
    lines = ["| | edits | CLIP_im | CLIP_dir | CLIP_out | patches |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.contestant} | {row.count} | {100 * row.image:.2f} | {row.directional:.3f} | {100 * row.text:.2f} "
        f"| {100 * row.patches:.2f} |"
        for row in rows
    ]
    named = sorted({protocol for row in rows for protocol in (row.protocol, row.patch_protocol)})
    return "\n".join([*lines, "", f"Protocols: {', '.join(f'`{name}`' for name in named)}."]) + "\n"


def _values(records: Sequence[PairRecord], folder: Path, encoder: Encoder) -> Iterator[Tensor]:
    """The four figures of each record, (B, 4) a batch."""
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        pairs = [(load_image(record.source_image).pixels, _opened(folder / f"{record.id}.png")) for record in batch]
        seen = encoder.pictures([picture for pair in pairs for picture in pair]).unflatten(0, (-1, 2))
        captions = [text for record in batch for text in (record.source_caption, record.target_caption)]
        read = encoder.texts(captions).unflatten(0, (-1, 2))
        patches = torch.tensor([patch_similarity(encoder, *pair) for pair in pairs])
        image, text = (seen[:, 0] * seen[:, 1]).sum(dim=-1), (seen[:, 1] * read[:, 1]).sum(dim=-1)
        yield torch.stack([image, directional_similarity(seen, read), text, patches], dim=1)


def _opened(path: Path) -> Image.Image:
    return load_image(path).pixels
