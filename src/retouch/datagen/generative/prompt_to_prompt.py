"""Pairs by Prompt-to-Prompt, as LangDesign's were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from retouch.attention.cross_edit import CrossEdit
from retouch.attention.local_blend import LocalBlend
from retouch.attention.prompt_to_prompt import Edits, PromptToPrompt
from retouch.attention.refine import refinement
from retouch.attention.replace import replacement
from retouch.attention.words import Reader, time_gate
from retouch.conditioning.text import text_length
from retouch.core.seeds import derive_seed
from retouch.datagen.generative.objects import mentioned
from retouch.datagen.generative.sampling import Sampler
from retouch.datagen.generative.technique import Candidate, Pictures
from retouch.records.pair import JSON
from retouch.records.triple import Triple

Mode = Literal["replace", "refine"]

SPANS: Mapping[Mode, tuple[tuple[float, float], ...]] = {
    "replace": ((0.8, 0.4),),
    "refine": ((0.8, 0.4), (0.5, 0.2)),
}
"""To which share of the steps cross-attention and self-attention are edited; batches take them by turns."""
CANDIDATES_OF_OBJECT, CANDIDATES_OF_ROOM = 30, 50
"""LangDesign's numbers for captions of a single object and for others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptToPromptTechnique:
    """Words are replaced where both captions have as many, else the target's caption is refined.

    With `blend` the picture is kept where neither caption's own words are read.
    """

    sampler: Sampler
    batch: int = 8
    blend: bool = False

    @property
    def name(self) -> str:
        """The name of its engine."""
        return "prompt-to-prompt"

    def fingerprint(self) -> Mapping[str, JSON]:
        """Model, sampler and the shares of steps."""
        spans: Mapping[str, JSON] = {mode: [list(span) for span in spans] for mode, spans in SPANS.items()}
        return {**self.sampler.fingerprint(), "spans": spans, "batch": self.batch, "blend": self.blend}

    def usual_count(self, triple: Triple) -> int:
        """As published, by how many objects the source caption names."""
        return CANDIDATES_OF_OBJECT if len(mentioned(triple.source_caption)) <= 1 else CANDIDATES_OF_ROOM

    def draw(self, triple: Triple, seed: int, place: int) -> Candidate:
        """A seed, and the shares of its batch."""
        mode = _mode(triple)
        cross, own = SPANS[mode][place // self.batch % len(SPANS[mode])]
        params: Mapping[str, JSON] = {"mode": mode, "cross": cross, "self": own, "guidance": self.sampler.guidance}
        return Candidate(seed=derive_seed(seed, place), params=params)

    def make(self, triple: Triple, candidates: Sequence[Candidate]) -> list[Pictures]:
        """All in one batch under one control."""
        seeds = [candidate.seed for candidate in candidates]
        control = PromptToPrompt(self._edits(triple, candidates[0].params))
        return self.sampler.pairs(triple, seeds, [self.sampler.guidance] * len(seeds), control)

    def _edits(self, triple: Triple, params: Mapping[str, JSON]) -> Edits:
        checkpoint = self.sampler.checkpoint
        reader = Reader(tokenizer=checkpoint.tokenizer, length=text_length(checkpoint))
        source, target = triple.source_caption, triple.target_caption
        change = replacement if params["mode"] == "replace" else refinement
        cross: CrossEdit = change(reader, source, target)
        words = reader.changed(source, target)
        return Edits(
            cross=cross,
            gate=time_gate(reader, target, span=(0.0, cast("float", params["cross"]))),
            self_span=(0.0, cast("float", params["self"])),
            blend=LocalBlend(words) if self.blend and any(words) else None,
        )


def _mode(triple: Triple) -> Mode:
    same = len(triple.source_caption.split()) == len(triple.target_caption.split())
    return "replace" if same else "refine"
