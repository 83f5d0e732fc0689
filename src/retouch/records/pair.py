"""One training or benchmark example: source, target, instruction and everything known about the edit."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from retouch.core.errors import DataError

JSON: TypeAlias = "str | int | float | bool | list[JSON] | Mapping[str, JSON] | None"
Split = Literal["train", "validation", "bench"]
SPLITS: tuple[Split, ...] = get_args(Split)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class PairRecord:
    """A source image, its edited target and the words between them; all images are PNG bytes.

    `mask` (one channel, 255 = changed region) and `object_mask` (one channel, 255 = where the edited object
    is in the source or in the target) have the size of the images. So has `segments` (one channel), which says
    what the source shows where: n ≥ 1 is thing n of `params["segments"]`, a list of mappings with a "kind" each,
    0 anything else. `params` is JSON and always holds `"kind"`, the kind of edit (`recolour`, `remove`, `look`,
    `garment_recolour`, ...), beside facts of that kind. `scores` maps a protocol's name to its value.

    Raises DataError where a field is empty, is not PNG, or cannot be written as JSON.
    """

    id: str
    source_image: bytes
    target_image: bytes
    edit_prompt: str
    source_caption: str
    target_caption: str
    engine: str
    seed: int
    params: Mapping[str, JSON]
    split: Split
    mask: bytes | None = None
    object_mask: bytes | None = None
    segments: bytes | None = None
    reference_images: tuple[bytes, ...] = ()
    object: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_words()
        self._check_images()
        self._check_params()

    @property
    def kind(self) -> str:
        """The kind of edit, `params["kind"]`."""
        return str(self.params["kind"])

    def _check_words(self) -> None:
        for name in ("id", "edit_prompt", "engine"):
            if not getattr(self, name).strip():
                raise DataError(f"A pair record has an empty {name}; every record needs one.")
        if self.split not in SPLITS:
            raise DataError(f"Record {self.id} names the split {self.split!r}; use one of {', '.join(SPLITS)}.")
        if not -(2**63) <= self.seed < 2**63:
            raise DataError(f"Record {self.id} has the seed {self.seed}; a seed must fit in 64 bits with sign.")

    def _check_images(self) -> None:
        named = {"source_image": self.source_image, "target_image": self.target_image}
        named |= {"mask": self.mask, "object_mask": self.object_mask, "segments": self.segments}
        named |= {f"reference_images[{index}]": png for index, png in enumerate(self.reference_images)}
        for name, png in named.items():
            if png is not None and not png.startswith(PNG_SIGNATURE):
                raise DataError(f"The {name} of record {self.id} is not PNG; encode it as PNG bytes first.")

    def _check_params(self) -> None:
        if not isinstance(self.params.get("kind"), str) or not self.params["kind"]:
            raise DataError(f"The params of record {self.id} lack 'kind'; name the kind of edit there.")
        for name, value in self.scores.items():
            if not math.isfinite(value):
                raise DataError(f"The score {name!r} of record {self.id} is {value}; scores must be finite numbers.")
        try:
            params_json(self.params)
        except (TypeError, ValueError) as error:
            raise DataError(f"The params of record {self.id} cannot be written as JSON ({error}).") from error


def params_json(params: Mapping[str, JSON]) -> str:
    """Write `params` as canonical JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
