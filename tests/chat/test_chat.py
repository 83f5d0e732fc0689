"""The contract of chat models, kept by an endpoint and by a local model; and an endpoint's bad days."""

import json
import random
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.chat.server import ChatServer, Say, serving

from retouch.chat.endpoint import Endpoint, EndpointChat, key_of
from retouch.chat.patience import Patience, asked_wait
from retouch.chat.protocol import Chat, Message
from retouch.core.errors import Cancelled, ModelError, SettingsError
from retouch.datagen.agents.prompts import FORM
from retouch.datagen.domains import load_domain

CONVERSATION = [Message(role="system", content="You write."), Message(role="user", content="Write a line.")]
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<me>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE


@pytest.fixture(scope="module")
def chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with a chat template, in transformers layout."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from retouch.models.fresh_writer import WriterShape, fresh_writer

    shape = WriterShape(vocabulary=300, width=16, inner=16, layers=1, heads=2)
    tokenizer: Any = fresh_writer(["Write a line about a red sofa."], marks=("<end>",), shape=shape, seed=0).tokenizer
    tokenizer.chat_template = TEMPLATE
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("chat")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def local(folder: Path, tokens: int = 24) -> Chat:
    from dataclasses import replace

    from retouch.chat.local import CHATTING, LocalChat
    from retouch.models.writer import load_writer

    return LocalChat(load_writer(folder), sampling=replace(CHATTING, max_new_tokens=tokens))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(load_domain("street-food")) as chat:
        yield chat


class Waits:
    """Pauses that take no time, and what was said about them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.notes: list[str] = []


def endpoint(url: str, waits: Waits | None = None, *, key: str | None = None, attempts: int = 4, seconds: float = 10):
    waits = waits or Waits()
    return EndpointChat(
        Endpoint(url=url, model="small", key=key, seconds=seconds),
        generator=random.Random(0),
        patience=Patience(attempts=attempts, first=1.0, longest=8.0),
        pause=waits.seconds.append,
        on_wait=waits.notes.append,
    )


@pytest.fixture(params=["endpoint", "local"])
def chat(request: pytest.FixtureRequest, server: ChatServer, chat_folder: Path) -> Chat:
    return endpoint(server.url) if request.param == "endpoint" else local(chat_folder)


def test_a_chat_answers_and_counts_its_tokens(chat: Chat) -> None:
    reply = chat.answer(CONVERSATION, form=FORM, seed=3)
    assert reply.text
    assert reply.prompt_tokens is not None and reply.prompt_tokens > 10
    assert reply.completion_tokens is not None and reply.completion_tokens > 0
    assert chat.answer(CONVERSATION, form=FORM, seed=3) == reply


def test_a_local_model_is_told_the_form_and_draws_by_the_seed(chat_folder: Path) -> None:
    one, other = (local(chat_folder).answer(CONVERSATION, form=FORM, seed=seed) for seed in (1, 2))
    assert one.text != other.text
    assert 1 <= (one.completion_tokens or 0) <= 24
    told = sum(len(message.content) for message in CONVERSATION) + len(FORM.words)
    assert (one.prompt_tokens or 0) > told / 8


def test_a_template_without_system_messages_gets_them_from_the_user(chat_folder: Path) -> None:
    from retouch.models.writer import CONTI, converse, load_writer

    writer = load_writer(chat_folder)
    writer.tokenizer.chat_template = NO_SYSTEM
    messages = [{"role": message.role, "content": message.content} for message in CONVERSATION]
    assert converse(writer, messages, seed=0, sampling=CONTI).prompt_tokens > 10
    writer.tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(ModelError, match="takes no such conversation"):
        converse(writer, messages, seed=0, sampling=CONTI)
    writer.tokenizer.chat_template = None
    with pytest.raises(ModelError, match="no chat template"):
        converse(writer, messages, seed=0, sampling=CONTI)


def test_a_conversation_that_is_too_long_is_refused(chat_folder: Path) -> None:
    long = [Message(role="user", content="sofa " * 9000)]
    with pytest.raises(ModelError, match="reads 8192 tokens"):
        local(chat_folder).answer(long, form=FORM, seed=0)


def test_the_answer_is_held_to_the_schema(server: ChatServer) -> None:
    reply = endpoint(server.url).answer(CONVERSATION, form=FORM, seed=0)
    assert list(json.loads(reply.text)) == ["lines"]
    (request,) = server.requests
    assert request["model"] == "small"
    assert "temperature" not in request and "seed" not in request
    described = request["response_format"]
    assert isinstance(described, dict) and described["type"] == "json_schema"


def test_without_schemas_the_form_is_told_in_words(server: ChatServer) -> None:
    server.takes_schema = False
    chat = endpoint(server.url)
    for _ in range(2):
        assert chat.answer(CONVERSATION, form=FORM, seed=0).text.startswith('{"input"')
    assert ["response_format" in request for request in server.requests] == [True, False, False]
    messages = server.requests[-1]["messages"]
    assert isinstance(messages, list) and messages[-1]["content"].endswith(FORM.words)


def test_a_request_that_is_refused_either_way_is_an_error(server: ChatServer) -> None:
    refusal = Say(status=400, body=b'{"error": {"message": "the model sees the secret-key too"}}')
    server.script = [refusal, refusal]
    with pytest.raises(ModelError, match="refuses the request with status 400") as raised:
        endpoint(server.url, key="secret-key").answer(CONVERSATION, form=FORM, seed=0)
    assert "secret-key" not in str(raised.value)


@pytest.mark.parametrize(
    "bad",
    [
        Say(status=500, body=b"{}"),
        Say(status=503, body=b"<html>later</html>"),
        Say(status=429, body=b"{}"),
        Say(body=b"<html>a page</html>", headers=(("Content-Type", "text/html"),)),
        Say(body=b'{"id": "1", "choi'),
        Say(body=b'{"choices": []}'),
        Say(body=b'{"choices": 3}'),
        Say(body=b'{"choices": [{"index": 0}]}'),
        Say(body=b"[]"),
    ],
)
def test_a_bad_moment_is_waited_out(bad: Say, server: ChatServer) -> None:
    server.script = [bad, bad]
    waits = Waits()
    assert endpoint(server.url, waits).answer(CONVERSATION, form=FORM, seed=0).text
    assert len(server.requests) == 3
    first, second = waits.seconds
    assert 0.5 <= first <= 1 and 1 <= second <= 2
    assert all("asking again in" in note for note in waits.notes)
    again = Waits()
    server.script = [bad, bad]
    endpoint(server.url, again).answer(CONVERSATION, form=FORM, seed=0)
    assert again.seconds == waits.seconds


def test_an_answer_without_text_or_count_is_an_answer(server: ChatServer) -> None:
    server.script = [Say(text="words", usage=False), Say(body=b'{"choices": [{"message": {"content": null}}]}')]
    chat = endpoint(server.url)
    assert chat.answer(CONVERSATION, form=FORM, seed=0).prompt_tokens is None
    assert chat.answer(CONVERSATION, form=FORM, seed=0).text == ""


def test_what_the_server_asks_for_is_waited(server: ChatServer) -> None:
    waits = Waits()
    server.script = [Say(status=429, body=b"{}", headers=(("Retry-After", "7"),))]
    endpoint(server.url, waits).answer(CONVERSATION, form=FORM, seed=0)
    assert waits.seconds == [7.0]
    server.script = [Say(status=429, body=b"{}", headers=(("Retry-After", "86400"),))]
    with pytest.raises(ModelError, match="asks to wait 86400 s"):
        endpoint(server.url).answer(CONVERSATION, form=FORM, seed=0)


def test_a_slow_answer_is_asked_for_again(server: ChatServer) -> None:
    server.script = [Say(text="late", seconds=5)]
    waits = Waits()
    reply = endpoint(server.url, waits, seconds=0.5).answer(CONVERSATION, form=FORM, seed=0)
    assert reply.text != "late"
    assert "within 0.5 s" in waits.notes[0]


def test_patience_ends(server: ChatServer) -> None:
    server.script = [Say(status=500, body=b"{}")] * 9
    waits = Waits()
    with pytest.raises(ModelError, match="status 500, 4 times in a row"):
        endpoint(server.url, waits).answer(CONVERSATION, form=FORM, seed=0)
    assert len(server.requests) == 4 and len(waits.seconds) == 3


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelError, match="cannot be reached, 2 times in a row"):
        endpoint(f"http://127.0.0.1:{port}/v1", attempts=2).answer(CONVERSATION, form=FORM, seed=0)


@pytest.mark.parametrize(
    ("status", "key", "said"),
    [(401, None, "wants a key"), (403, "k-1", "refuses the key"), (404, None, "knows no chat completions")],
)
def test_refusals_say_what_to_do(status: int, key: str | None, said: str, server: ChatServer) -> None:
    server.script = [Say(status=status, body=b'{"error": {"message": "k-1"}}')]
    with pytest.raises(ModelError, match=said) as raised:
        endpoint(server.url, key=key).answer(CONVERSATION, form=FORM, seed=0)
    assert "k-1" not in str(raised.value)
    assert len(server.requests) == 1


def test_the_key_is_of_the_environment_alone(server: ChatServer) -> None:
    theirs = "https://api.openai.com/v1"
    assert key_of(theirs, {}) is None
    assert key_of(theirs, {"OPENAI_API_KEY": "b"}) == "b"
    assert key_of(theirs, {"OPENAI_API_KEY": "b", "RETOUCH_LLM_KEY": "a"}) == "a"
    assert key_of(server.url, {"OPENAI_API_KEY": "b"}) is None
    assert key_of("https://api.openai.com.evil.example/v1", {"OPENAI_API_KEY": "b"}) is None
    assert key_of(server.url, {"RETOUCH_LLM_KEY": "a"}) == "a"
    endpoint(server.url, key="a").answer(CONVERSATION, form=FORM, seed=0)
    assert server.keys == {"Bearer a"}
    assert "secret" not in repr(Endpoint(url=server.url, model="m", key="secret"))


def test_waiting_can_be_stopped(server: ChatServer) -> None:
    def stop(_seconds: float) -> None:
        raise Cancelled("Stopped.")

    server.script = [Say(status=500, body=b"{}")]
    chat = EndpointChat(Endpoint(url=server.url, model="m"), generator=random.Random(0), pause=stop)
    with pytest.raises(Cancelled):
        chat.answer(CONVERSATION, form=FORM, seed=0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Endpoint(url="localhost:8000", model="m"), "http or https"),
        (lambda: Endpoint(url="http://me:word@a/v1", model="m"), "holds a name or a password"),
        (lambda: Endpoint(url="http://a", model=" "), "give a name"),
        (lambda: Endpoint(url="http://a", model="m", seconds=0), "more than 0 s"),
        (lambda: Patience(attempts=0), "at least one attempt"),
        (lambda: Patience(first=9, longest=1), "waits that rise"),
    ],
)
def test_settings_are_checked(make: Callable[[], object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        make()


def test_waits_grow_to_a_limit() -> None:
    patience, draw = Patience(first=1, longest=10), random.Random(0)
    for failures in range(1, 12):
        top = min(10, 2 ** (failures - 1))
        assert top / 2 <= patience.wait(failures, draw) <= top


def test_a_wish_to_wait_is_a_number_or_a_date() -> None:
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert asked_wait(None) == asked_wait("soon") == asked_wait("-3") == 0
    assert asked_wait("1.5") == 1.5
    assert asked_wait("Thu, 01 Jan 2026 12:00:30 GMT", now) == 30
    assert asked_wait("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
