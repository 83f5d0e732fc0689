"""Pairs by attention swap, as InstructPix2Pix's were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

from retouch.attention.swap import AttentionSwap
from retouch.core.seeds import derive_seed
from retouch.datagen.generative.sampling import Sampler
from retouch.datagen.generative.technique import Candidate, Pictures
from retouch.records.pair import JSON
from retouch.records.triple import Triple

SHARES = (0.1, 0.9)
"""From and to which share of the steps attention is swapped (InstructPix2Pix's code)."""
MOST_GUIDANCE = 2.0
"""Guidance is drawn from once to this many times the model's own: 7.5 to 15 for Stable Diffusion, as published."""
CANDIDATES = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class SwapTechnique:
    """Source and target from the same noise; p ~ U(0.1, 0.9) and the guidance are drawn for each pair."""

    sampler: Sampler
    batch: int = 8

    @property
    def name(self) -> str:
        """The name of its engine."""
        return "attention-swap"

    def fingerprint(self) -> Mapping[str, JSON]:
        """Model, sampler and the ranges that are drawn from."""
        return {
            **self.sampler.fingerprint(),
            "shares": list(SHARES),
            "guidance": [self.sampler.guidance, MOST_GUIDANCE * self.sampler.guidance],
            "batch": self.batch,
        }

    def usual_count(self, triple: Triple) -> int:  # noqa: ARG002
        """As published."""
        return CANDIDATES

    def draw(self, triple: Triple, seed: int, place: int) -> Candidate:  # noqa: ARG002
        """A seed, a share and a guidance."""
        own = derive_seed(seed, place)
        generator = Random(own)
        share = generator.uniform(*SHARES)
        return Candidate(
            seed=own, params={"p": share, "guidance": self.sampler.guidance * generator.uniform(1, MOST_GUIDANCE)}
        )

    def make(self, triple: Triple, candidates: Sequence[Candidate]) -> list[Pictures]:
        """All in one batch, each with its own share and guidance."""
        shares, scales = (
            [cast("float", candidate.params[name]) for candidate in candidates] for name in ("p", "guidance")
        )
        return self.sampler.pairs(triple, [candidate.seed for candidate in candidates], scales, AttentionSwap(shares))
