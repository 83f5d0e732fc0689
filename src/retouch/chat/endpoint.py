"""Chat with a model behind an address that speaks OpenAI's chat completions: a service, or a server of one's own."""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from retouch.chat.patience import Patience, asked_wait
from retouch.chat.protocol import Form, Message, Reply, as_mappings, with_words
from retouch.core.errors import MissingExtraError, ModelError, SettingsError

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

KEY_VARIABLE = "RETOUCH_LLM_KEY"
OPENAI_KEY_VARIABLE = "OPENAI_API_KEY"
OPENAI_HOST = "api.openai.com"
EXAMPLE = "http://localhost:8000/v1"
MAXIMUM_ASKED_WAIT = 300.0
"""Seconds that a server may ask to wait; for more the run ends, to be gone on with later."""
_BUSY = (408, 409, 425, 429)
_UNPROCESSED = (400, 422)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a chat model is asked: `url` up to /v1, the model's name, and the seconds one answer may take.

    `key` is the password; None where the server wants none. `temperature` None leaves it to the server.
    Raises SettingsError.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    seconds: float = 120.0
    temperature: float | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"The endpoint is '{self.url}'; give an http or https address such as {EXAMPLE}.")
        if parts.username or parts.password:
            raise SettingsError(
                f"The endpoint's address holds a name or a password; leave it out, and set {KEY_VARIABLE}."
            )
        if not self.model.strip() or not self.seconds > 0:
            raise SettingsError(
                f"The endpoint's model is '{self.model}' and an answer may take {self.seconds:g} s; "
                "give a name and more than 0 s."
            )


def key_of(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The key for an endpoint that the environment holds, or None.

    That of OpenAI itself goes to OpenAI alone; any other endpoint has `KEY_VARIABLE`.
    """
    names = (KEY_VARIABLE, *((OPENAI_KEY_VARIABLE,) if urlsplit(url).hostname == OPENAI_HOST else ()))
    return next((environment[name] for name in names if environment.get(name)), None)


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """Why there is no answer yet, and the seconds that the server wants to be left alone."""

    reason: str
    asked_wait: float = 0.0


class EndpointChat:
    """A `Chat` over HTTP that asks again after 429, 5xx, timeouts and broken connections.

    The answer is held to the form's JSON schema, until the endpoint refuses one by 400 or 422: from then on the
    form is told in words. `generator` draws the waits, `pause` waits, and `on_wait` is told why and how long.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        generator: random.Random,
        patience: Patience | None = None,
        pause: Callable[[float], None] = time.sleep,
        on_wait: Callable[[str], None] = lambda _note: None,
    ) -> None:
        self._endpoint, self._patience, self._generator = endpoint, patience or Patience(), generator
        self._pause, self._on_wait = pause, on_wait
        self._client = _client(endpoint)
        self._takes_schema = True

    def answer(self, messages: Sequence[Message], *, form: Form, seed: int) -> Reply:
        """Answer a conversation; what is drawn is the server's affair, so that `seed` is not used."""
        del seed
        failures = 0
        while True:
            reply = self._ask(messages, form)
            if isinstance(reply, Reply):
                return reply
            failures += 1
            self._wait(reply, failures)

    def _wait(self, failure: _Failure, failures: int) -> None:
        where = f"The endpoint {self._endpoint.url}"
        if failures >= self._patience.attempts:
            raise ModelError(
                f"{where} {failure.reason}, {failures} times in a row; "
                "check its address and its state, then run the same command to go on."
            )
        if failure.asked_wait > MAXIMUM_ASKED_WAIT:
            raise ModelError(
                f"{where} {failure.reason} and asks to wait {failure.asked_wait:.0f} s; "
                "run the same command after that to go on."
            )
        seconds = max(self._patience.wait(failures, self._generator), failure.asked_wait)
        self._on_wait(f"{where} {failure.reason}; asking again in {seconds:.1f} s")
        self._pause(seconds)

    def _ask(self, messages: Sequence[Message], form: Form) -> Reply | _Failure:
        import openai

        try:
            return _reply(self._complete(messages, form))
        except openai.APITimeoutError:
            return _Failure(reason=f"gave no answer within {self._endpoint.seconds:g} s")
        except openai.APIConnectionError:
            return _Failure(reason="cannot be reached")
        except openai.APIStatusError as error:
            if error.status_code in _BUSY or error.status_code >= 500:
                wait = asked_wait(error.response.headers.get("retry-after"))
                return _Failure(reason=f"answers with status {error.status_code}", asked_wait=wait)
            if self._takes_schema and error.status_code in _UNPROCESSED:
                self._takes_schema = False
                return self._ask(messages, form)
            raise ModelError(_refusal(self._endpoint, error)) from error
        except (openai.APIError, ValueError):
            return _Failure(reason="answers something else than a chat completion")

    def _complete(self, messages: Sequence[Message], form: Form) -> object:
        told = messages if self._takes_schema else with_words(messages, form)
        options: dict[str, Any] = {}
        if self._takes_schema:
            described = {"name": form.name, "strict": True, "schema": dict(form.schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": described}
        if self._endpoint.temperature is not None:
            options["temperature"] = self._endpoint.temperature
        create: Any = self._client.chat.completions.create
        return create(model=self._endpoint.model, messages=as_mappings(told), **options)


def _client(endpoint: Endpoint) -> "OpenAI":
    try:
        from openai import OpenAI
    except ImportError as error:
        raise MissingExtraError(
            "Asking an endpoint needs openai, which is not installed: run pip install 'retouch[agents]'."
        ) from error
    # The client wants a key where a server may want none; what is tried again, and when, is decided here.
    return OpenAI(base_url=endpoint.url, api_key=endpoint.key or "none", timeout=endpoint.seconds, max_retries=0)


def _reply(completion: object) -> Reply | _Failure:
    choices = getattr(completion, "choices", None)
    message = getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
    if message is None:
        return _Failure(reason="answers something else than a chat completion")
    usage, text = getattr(completion, "usage", None), getattr(message, "content", None)
    return Reply(
        text=text if isinstance(text, str) else "",
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _count(usage: object, name: str) -> int | None:
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and value >= 0 else None


def _refusal(endpoint: Endpoint, error: "APIStatusError") -> str:
    where, status = f"The endpoint {endpoint.url}", error.status_code
    if status in (401, 403):
        held = "refuses the key" if endpoint.key else "wants a key"
        return f"{where} {held} (status {status}); set {KEY_VARIABLE} to one that it takes."
    if status == 404:
        return (
            f"{where} knows no chat completions of the model '{endpoint.model}' (status 404); "
            "check the model's name, and that the address ends where /chat/completions would follow, often in /v1."
        )
    said = " ".join(str(error.message).split())[:200]
    if endpoint.key:
        said = said.replace(endpoint.key, "…")
    return f"{where} refuses the request with status {status} ({said}); check the model's name and what it takes."
