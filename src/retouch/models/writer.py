"""Causal language models that complete prompts: load one from a folder or the hub, and sample from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from retouch.core.errors import ModelError, SettingsError
from retouch.core.seeds import derive_seed
from retouch.models.pocket import POCKET, find_pocket
from retouch.models.quiet import quiet_libraries

MEMBER = "writer"
"""The pocket family's language model."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are drawn.

    `temperature` > 0; `top_p` in (0, 1] keeps the likeliest tokens that together reach it. The logit of a token
    loses `frequency_penalty` for each time it was drawn already; those of all tokens so far, the prompt's too,
    are divided (multiplied where negative) by `repetition_penalty`. Raises SettingsError.
    """

    temperature: float
    top_p: float
    max_new_tokens: int
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not self.repetition_penalty > 0:
            raise SettingsError(
                f"The temperature is {self.temperature} and the repetition penalty {self.repetition_penalty}; "
                "give numbers above 0."
            )
        if not 0 < self.top_p <= 1:
            raise SettingsError(f"top_p is {self.top_p}; give a share above 0 and at most 1.")
        if self.max_new_tokens < 1:
            raise SettingsError(f"max_new_tokens is {self.max_new_tokens}; give at least 1.")


BROOKS = Sampling(temperature=0.7, top_p=1.0, max_new_tokens=256, frequency_penalty=0.1)
"""As InstructPix2Pix sampled its fine-tuned GPT-3 (arXiv 2211.09800)."""
CONTI = Sampling(temperature=2.0, top_p=0.9, max_new_tokens=80, repetition_penalty=0.98)
"""As its rebuilding on gemma-2b samples."""
PRESETS: dict[str, Sampling] = {"brooks": BROOKS, "conti": CONTI}


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A causal language model with its tokenizer; `source` says where it came from."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: str


def load_writer(
    source: str | Path, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Writer:
    """Load the language model that `source` names: pocket, a folder in transformers layout, or a hub id.

    Raises ModelError where it is not there, cannot be downloaded, is pickled or is of another kind.
    """
    name = str(source)
    place = find_pocket(MEMBER) if name in (POCKET, f"{POCKET}/{MEMBER}") else Path(name).expanduser()
    where = place if place.is_dir() else name
    model: Any
    try:
        with quiet_libraries():
            model = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, use_safetensors=True)
            tokenizer: Any = AutoTokenizer.from_pretrained(where)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(_not_loaded(name, place, error)) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Writer(model=model.to(device).eval(), tokenizer=tokenizer, source=name)


def _not_loaded(name: str, place: Path, error: Exception) -> str:
    if place.is_dir():
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return (
            f"'{name}' cannot be opened as a causal language model ({reason}); "
            "give a folder with config.json, safetensors weights and a tokenizer."
        )
    return (
        f"The language model '{name}' is no folder, and it is neither on this machine nor to be had from the hub; "
        f"name a folder, connect once to download it, or use '{POCKET}/{MEMBER}'."
    )


@torch.no_grad()
def complete(
    writer: Writer, prompts: Sequence[str], *, stop: str, seed: int, sampling: Sampling = BROOKS, batch_size: int = 32
) -> list[str]:
    """Sample one completion for each prompt, in order: up to and with `stop`, or without it where none came.

    The same arguments give the same texts; another `batch_size` draws others.
    """
    device = writer.model.device
    texts: list[str] = []
    for start in range(0, len(prompts), batch_size):
        encoded = writer.tokenizer(
            list(prompts[start : start + batch_size]), padding=True, padding_side="left", return_tensors="pt"
        ).to(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), quiet_libraries():
            torch.manual_seed(derive_seed(seed, "writer", start))
            drawn = _generate(writer, encoded["input_ids"], encoded["attention_mask"], stop, sampling)
        decoded = writer.tokenizer.batch_decode(drawn, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        texts += ["".join(text.partition(stop)[:2]) for text in decoded]
    return texts


def _generate(writer: Writer, ids: Tensor, mask: Tensor, stop: str, sampling: Sampling) -> Tensor:
    """Token ids, (B, N), drawn after the prompts'."""
    tokenizer, model = writer.tokenizer, writer.model
    # A text is looked for after every token, unless the model was made to end with it.
    stopping = {} if tokenizer.eos_token == stop else {"stop_strings": [stop], "tokenizer": tokenizer}
    generate: Any = model.generate
    drawn = generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=True,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=0,
        max_new_tokens=sampling.max_new_tokens,
        repetition_penalty=sampling.repetition_penalty,
        logits_processor=LogitsProcessorList([_FrequencyPenalty(sampling.frequency_penalty, ids.shape[1])]),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **stopping,
    )
    return drawn[:, ids.shape[1] :]


class _FrequencyPenalty(LogitsProcessor):
    """Takes `strength` off a token's logit for each time it came after the prompt."""

    def __init__(self, strength: float, prompt_length: int) -> None:
        self._strength, self._start = strength, prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # type: ignore[override]
        drawn = input_ids[:, self._start :]
        return scores.scatter_add(1, drawn, torch.full_like(drawn, -self._strength, dtype=scores.dtype))
