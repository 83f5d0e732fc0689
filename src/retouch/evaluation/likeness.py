"""The table of LangDesign: how far edited pictures keep to their sources, and go where the words went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from retouch.evaluation.answers import Answer
from retouch.evaluation.measures import Column
from retouch.metrics.clip import Encoder, directional_similarity, patch_similarity

IMAGE, DIRECTIONAL, TEXT, PATCHES = "clip-im", "clip-dir", "clip-out", "patches"
TITLES: Mapping[str, str] = {IMAGE: "CLIP_im", DIRECTIONAL: "CLIP_dir", TEXT: "CLIP_out", PATCHES: "patches"}
"""The columns as they were published; "patches" stands where DINO does."""


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Likenesses:
    """Measures the four of an answer at once; see `Likeness`. Cases without captions that differ have none."""

    encoder: Encoder

    @property
    def columns(self) -> tuple[Column, ...]:
        """In the order in which they were published."""
        own, patches = self.encoder.protocol, self.encoder.patch_protocol
        told = ((IMAGE, own), (DIRECTIONAL, own), (TEXT, own), (PATCHES, patches))
        return tuple(Column(name=name, protocol=protocol, better="higher") for name, protocol in told)

    def measure(self, answers: Sequence[Answer]) -> Sequence[tuple[float | None, ...]]:
        """See `Measure`."""
        told = [place for place, answer in enumerate(answers) if _tells(answer)]
        found = dict(zip(told, self._values([answers[place] for place in told]), strict=True)) if told else {}
        return [found.get(place, (None,) * 4) for place in range(len(answers))]

    def _values(self, answers: Sequence[Answer]) -> list[tuple[float, ...]]:
        pairs = [(Image.fromarray(one.case.source), Image.fromarray(one.output)) for one in answers]
        seen = self.encoder.pictures([picture for pair in pairs for picture in pair]).unflatten(0, (-1, 2))
        captions = [text for one in answers for text in (one.case.source_caption, one.case.target_caption)]
        read = self.encoder.texts(captions).unflatten(0, (-1, 2))
        patches = torch.tensor([patch_similarity(self.encoder, *pair) for pair in pairs])
        image, text = (seen[:, 0] * seen[:, 1]).sum(dim=-1), (seen[:, 1] * read[:, 1]).sum(dim=-1)
        rows = torch.stack([image, directional_similarity(seen, read), text, patches], dim=1)
        return [tuple(map(float, row)) for row in rows]


def _tells(answer: Answer) -> bool:
    case = answer.case
    return bool(case.source_caption and case.target_caption) and case.source_caption != case.target_caption


def likeness_table(rows: Sequence[Likeness]) -> str:
    """The table, scaled as it was published: CLIP_dir as a cosine, all others times a hundred."""
    lines = [f"| | edits | {' | '.join(TITLES.values())} |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.contestant} | {row.count} | {100 * row.image:.2f} | {row.directional:.3f} | {100 * row.text:.2f} "
        f"| {100 * row.patches:.2f} |"
        for row in rows
    ]
    named = sorted({protocol for row in rows for protocol in (row.protocol, row.patch_protocol)})
    return "\n".join([*lines, "", f"Protocols: {', '.join(f'`{name}`' for name in named)}."]) + "\n"
