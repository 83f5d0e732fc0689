"""Words and the tokens they become: which places of a text's features belong to which word."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from retouch.core.errors import SettingsError

Places = tuple[int, ...]
"""Places among the tokens of a text, its opening mark being place 0."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A tokenizer and how many tokens the text encoder reads, both marks included."""

    tokenizer: CLIPTokenizer
    length: int

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, its two marks included, cut to the length and not padded."""
        return list(self.tokenizer(text, truncation=True, max_length=self.length)["input_ids"])

    def words(self, text: str) -> list[tuple[str, Places]]:
        """The words of a text, parted by spaces, and where their tokens stand; () for one that was cut off."""
        encoded = self.tokenizer(text, truncation=True, max_length=self.length, return_offsets_mapping=True)
        starts = [start for start, _ in encoded["offset_mapping"]][1:-1]
        return [
            (word.group(), tuple(1 + place for place, start in enumerate(starts) if word.start() <= start < word.end()))
            for word in re.finditer(r"\S+", text)
        ]

    def places(self, text: str, word: str) -> Places:
        """Where a word stands in a text, each time that it does.

        Raises:
            SettingsError: it does not.
        """
        words = self.words(text)
        found = [place for other, places in words if bare(other) == bare(word) for place in places]
        if not found:
            raise SettingsError(f"The text '{text}' has no word '{word}'; name one of its words.")
        return tuple(found)

    def changed(self, source: str, target: str) -> tuple[Places, Places]:
        """Where in each of two texts the words stand that the other text has not."""
        told = [self.words(text) for text in (source, target)]
        known = [{bare(word) for word, _ in words} for words in told]
        first, second = (
            tuple(place for word, places in words if bare(word) not in others for place in places)
            for words, others in zip(told, reversed(known), strict=True)
        )
        return first, second


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeGate:
    """From and to which fraction of the steps each token is under control, `starts` and `ends` (L,)."""

    starts: Tensor
    ends: Tensor

    def at(self, index: int, total: int) -> Tensor:
        """1 for the tokens under control in step `index` of `total`, else 0, (L,) float32.

        As in the published code fractions are of `total` + 1, so that an end of 1 reaches the last step.
        """
        moments = total + 1
        return (((self.starts * moments).long() <= index) & (index < (self.ends * moments).long())).float()


def time_gate(
    reader: Reader, text: str, *, span: tuple[float, float], words: Mapping[str, tuple[float, float]] | None = None
) -> TimeGate:
    """`span` for all tokens of `text` and the padding, but for the `words` that have their own.

    Raises:
        SettingsError: a span is not 0 <= start <= end <= 1, or the text lacks a word.
    """
    spans = torch.tensor(check_span(span), dtype=torch.float64).repeat(reader.length, 1)
    for word, own in (words or {}).items():
        spans[list(reader.places(text, word))] = torch.tensor(check_span(own), dtype=torch.float64)
    return TimeGate(starts=spans[:, 0], ends=spans[:, 1])


def check_span(span: tuple[float, float]) -> tuple[float, float]:
    """The span, if it is one. Raises SettingsError where it is not 0 <= start <= end <= 1."""
    start, end = span
    if not 0 <= start <= end <= 1:
        raise SettingsError(f"The span of steps is {start} to {end}; give fractions with 0 <= start <= end <= 1.")
    return span


def bare(word: str) -> str:
    """A word in small letters without the marks about it."""
    return word.lower().strip(".,;:!?\"'()")
