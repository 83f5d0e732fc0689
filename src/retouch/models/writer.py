"""Causal language models that complete prompts: load one from a folder or the hub, and sample from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
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
from retouch.models.own_code import refuse_own_code
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
    if place.is_dir():
        refuse_own_code(place, name)
    model: Any
    try:
        with quiet_libraries():
            model = AutoModelForCausalLM.from_pretrained(
                where, dtype=dtype, use_safetensors=True, trust_remote_code=False
            )
            tokenizer: Any = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a chat model answered, without the marks of its template, and the tokens it read and drew."""

    text: str
    prompt_tokens: int
    new_tokens: int


@torch.no_grad()
def converse(writer: Writer, messages: Sequence[Mapping[str, str]], *, seed: int, sampling: Sampling) -> Answer:
    """Answer a conversation of messages with `role` and `content`, by the tokenizer's chat template.

    The same arguments give the same answer. Raises ModelError where there is no template, where it takes no such
    conversation, or where the conversation leaves no room for an answer.
    """
    ids = _conversation(writer, [dict(message) for message in messages]).to(writer.model.device)
    longest = getattr(writer.model.config, "max_position_embeddings", None)
    if longest is not None and ids.shape[1] >= longest:
        raise ModelError(
            f"'{writer.source}' reads {longest} tokens and was given {ids.shape[1]}; choose a model that reads more."
        )
    room = sampling.max_new_tokens if longest is None else min(sampling.max_new_tokens, longest - ids.shape[1])
    with torch.random.fork_rng(devices=[ids.device] if ids.device.type == "cuda" else []), quiet_libraries():
        torch.manual_seed(seed)
        drawn = _generate(writer, ids, torch.ones_like(ids), None, replace(sampling, max_new_tokens=room))[0]
    text = writer.tokenizer.decode(drawn, skip_special_tokens=True)
    return Answer(text=str(text), prompt_tokens=ids.shape[1], new_tokens=len(drawn))


def _conversation(writer: Writer, messages: list[dict[str, str]]) -> Tensor:
    """Token ids, (1, N), up to where the answer begins."""
    tokenizer: Any = writer.tokenizer
    if not tokenizer.chat_template:
        raise ModelError(f"'{writer.source}' has no chat template; choose a model that was made for conversations.")
    try:
        try:
            return _templated(tokenizer, messages)
        except TemplateError:
            # Some models know no system messages; they are told the same by the user.
            return _templated(tokenizer, _without_system(messages))
    except (ValueError, TypeError, TemplateError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(
            f"The chat template of '{writer.source}' takes no such conversation ({reason}); choose another model."
        ) from error


def _templated(tokenizer: Any, messages: list[dict[str, str]]) -> Tensor:
    with quiet_libraries():
        encoded = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
    return encoded["input_ids"]


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    told = "".join(f"{message['content']}\n\n" for message in messages if message["role"] == "system")
    first, *others = [message for message in messages if message["role"] != "system"]
    return [{**first, "content": told + first["content"]}, *others]


def _generate(writer: Writer, ids: Tensor, mask: Tensor, stop: str | None, sampling: Sampling) -> Tensor:
    """Token ids, (B, N), drawn after the prompts'."""
    tokenizer, model = writer.tokenizer, writer.model
    # A text is looked for after every token, unless the model was made to end with it.
    sought = stop is not None and tokenizer.eos_token != stop
    stopping = {"stop_strings": [stop], "tokenizer": tokenizer} if sought else {}
    # Models made for conversations end their turns by marks of their own.
    ends = getattr(model.generation_config, "eos_token_id", None) if stop is None else None
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
        eos_token_id=ends if ends is not None else tokenizer.eos_token_id,
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
