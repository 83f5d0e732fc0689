"""The writer agent of `retouch data write`: a chat model behind an endpoint or on this machine."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retouch.cli.interrupt import patient_interrupt
from retouch.cli.options import model_name
from retouch.cli.output import progress, say, warn
from retouch.core.errors import Cancelled, SettingsError
from retouch.core.files import check_writable
from retouch.core.seeds import derive_seed

if TYPE_CHECKING:
    from retouch.chat.protocol import Chat

_GLANCE = 0.2


@dataclass(frozen=True, kw_only=True)
class AgentOptions:
    """What is asked of the agent on the command line; None where nothing was said."""

    domain: str | None
    endpoint: str | None
    model: str | None
    chat_model: str | None
    price_in: float | None
    price_out: float | None
    temperature: float | None
    timeout: float | None
    attempts: int | None

    @classmethod
    def of(cls, *, domain: str, endpoint: str | None, model: str | None, chat_model: str | None) -> "AgentOptions":
        """Those that say whom to ask about what, all others left open."""
        others = dict.fromkeys(("price_in", "price_out", "temperature", "timeout"))
        return cls(domain=domain, endpoint=endpoint, model=model, chat_model=chat_model, attempts=None, **others)

    @property
    def model_name(self) -> str | None:
        """The chat model that is asked, None where none is."""
        return self.model or self.chat_model

    def refuse(self, writer: str) -> None:
        """Raise SettingsError where something is said that only the writer agent heeds."""
        said = [name for name, value in vars(self).items() if value is not None]
        if said:
            raise SettingsError(
                f"--{said[0].replace('_', '-')} is of the writer agent and the writer is {writer}; "
                "add --writer agent, or leave it out."
            )


def write_by_agent(out: Path, options: AgentOptions, *, count: int, seed: int, device: str) -> dict[str, Any]:
    """Write the triples and return what came of it, for people and programs."""
    from retouch.datagen.agents.writer import AgentWriter
    from retouch.datagen.domains import load_domain

    if options.domain is None:
        raise SettingsError("The writer agent needs a domain; name one with --domain (see `retouch data domains`).")
    domain = load_domain(options.domain)
    check_writable(out)
    note = "stopping after this call; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("writing triples") as update:
        chat, settings = _chat(options, seed=seed, device=device, cancelled=cancelled)
        writer = AgentWriter(domain=domain, chat=chat, seed=seed)
        made = writer.write_file(out, count, settings=settings, on_progress=update, cancelled=cancelled)
    facts: dict[str, Any] = {
        "file": str(out), "wanted": made.wanted, "triples": made.triples, "calls": made.calls,
        "rejected": dict(made.rejected),
    }  # fmt: skip
    if made.tokens is not None:
        facts["tokens"] = {"in": made.tokens[0], "out": made.tokens[1]}
    cost = made.cost(options.price_in, options.price_out)
    return facts if cost is None else {**facts, "cost": round(cost, 6)}


def say_agent(facts: dict[str, Any]) -> None:
    """Tell what only an agent has: a shortfall, and what it took."""
    if facts["triples"] < facts["wanted"]:
        warn(f"{facts['wanted']} triples were wanted; too many lines were rejected.")
    if "tokens" in facts:
        cost = f", cost {facts['cost']:.4f}" if "cost" in facts else ""
        say(f"tokens: {facts['tokens']['in']} read, {facts['tokens']['out']} written{cost}")


def _chat(
    options: AgentOptions, *, seed: int, device: str, cancelled: Callable[[], bool]
) -> tuple["Chat", dict[str, object]]:
    """The chat model, and the settings that change its answers."""
    endpoint, local = options.endpoint, options.chat_model
    if (endpoint is None) == (local is None) or (endpoint is None) != (options.model is None):
        raise SettingsError("The writer agent asks one chat model; give --endpoint and --model, or --chat-model.")
    settings: dict[str, object] = {"model": options.model or model_name(str(local)), "temperature": options.temperature}
    if local is not None:
        return _local_chat(local, options, device), settings
    return _endpoint_chat(str(endpoint), str(options.model), options, seed=seed, cancelled=cancelled), settings


def _local_chat(source: str, options: AgentOptions, device: str) -> "Chat":
    from dataclasses import replace

    from retouch.chat.local import CHATTING, LocalChat
    from retouch.models.writer import load_writer

    heat = CHATTING.temperature if options.temperature is None else options.temperature
    sampling = replace(CHATTING, temperature=heat)
    return LocalChat(load_writer(source, device=device), sampling=sampling)


def _endpoint_chat(url: str, model: str, options: AgentOptions, *, seed: int, cancelled: Callable[[], bool]) -> "Chat":
    from retouch.chat.endpoint import Endpoint, EndpointChat, key_of
    from retouch.chat.patience import Patience

    endpoint = Endpoint(
        url=url,
        model=model,
        key=key_of(url),
        seconds=120.0 if options.timeout is None else options.timeout,
        temperature=options.temperature,
    )
    patience = Patience() if options.attempts is None else Patience(attempts=options.attempts)
    return EndpointChat(
        endpoint,
        generator=random.Random(derive_seed(seed, "waits")),
        patience=patience,
        pause=lambda seconds: _pause(seconds, cancelled),
        on_wait=warn,
    )


def _pause(seconds: float, cancelled: Callable[[], bool]) -> None:
    """Wait, unless somebody wants to stop. Raises Cancelled."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancelled():
            raise Cancelled("Stopped while waiting for the endpoint; run the same command again to go on.")
        time.sleep(min(left, _GLANCE))
