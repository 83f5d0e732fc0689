"""Pairs by ControlNet: the target is held to the source's edges, more and more firmly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from diffusers.models.controlnets.controlnet import ControlNetModel

from retouch.conditioning.control import PictureControl, edge_picture
from retouch.core.edges import HIGH, LOW
from retouch.core.seeds import derive_seed
from retouch.datagen.generative.sampling import Sampler
from retouch.datagen.generative.technique import Candidate, Pictures
from retouch.records.pair import JSON
from retouch.records.triple import Triple

SCALES = (0.15, 0.18, 0.2, 0.25, 0.3)
"""How firmly the targets of one source are held to its edges (the rebuilt InstructPix2Pix's notebook)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlNetTechnique:
    """A source from its caption, and from the same noise a target at each of `SCALES`; `control` is its name."""

    sampler: Sampler
    network: ControlNetModel
    control: str

    @property
    def name(self) -> str:
        """The name of its engine."""
        return "controlnet"

    @property
    def batch(self) -> int:
        """The targets of one source."""
        return len(SCALES)

    def fingerprint(self) -> Mapping[str, JSON]:
        """Model, sampler, ControlNet, scales and the thresholds of edges."""
        return {
            **self.sampler.fingerprint(),
            "control": self.control,
            "scales": list(SCALES),
            "edges": [LOW, HIGH],
        }

    def usual_count(self, triple: Triple) -> int:  # noqa: ARG002
        """One source, as published."""
        return len(SCALES)

    def draw(self, triple: Triple, seed: int, place: int) -> Candidate:  # noqa: ARG002
        """The seed of its source, and a scale."""
        source, scale = divmod(place, len(SCALES))
        params: Mapping[str, JSON] = {"control_scale": SCALES[scale], "guidance": self.sampler.guidance}
        return Candidate(seed=derive_seed(seed, source), params=params)

    def make(self, triple: Triple, candidates: Sequence[Candidate]) -> list[Pictures]:
        """The source of the candidates' common seed, then all its targets in one batch."""
        (seed,) = {candidate.seed for candidate in candidates}
        (source,) = self.sampler.pictures([triple.source_caption], [seed])
        scales = tuple(cast("float", candidate.params["control_scale"]) for candidate in candidates)
        held = PictureControl(network=self.network, picture=edge_picture([source] * len(scales)), scale=scales)
        texts = [triple.target_caption] * len(scales)
        targets = self.sampler.pictures(texts, [seed] * len(scales), control=held)
        return [(source, target) for target in targets]
