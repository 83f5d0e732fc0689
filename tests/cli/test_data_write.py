"""`retouch data write` by agents and from the triples written by hand, and `retouch data domains`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chat.server import ChatServer, Say, serving
from tests.cli.conftest import Command, Ran

from retouch.datagen.domains import load_domain
from retouch.datagen.seeds import seed_triples


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(load_domain("interior")) as chat:
        yield chat


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETOUCH_LLM_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def expect_error(ran: Ran, code: int, said: str) -> None:
    assert ran.code == code, ran.err
    assert said in ran.err and ran.err.count("\n") == 1


def agent(server: ChatServer, out: Path) -> tuple[object, ...]:
    return (
        "data", "write", "--writer", "agent", "--domain", "interior", "--endpoint", server.url, "--model", "small",
        "--count", 30, "--out", out,
    )  # fmt: skip


def test_an_agent_writes_and_tells_what_it_took(command: Command, server: ChatServer, tmp_path: Path) -> None:
    ran = command(*agent(server, tmp_path / "a.jsonl"), "--json", "--price-in", 1, "--price-out", 10)
    assert ran.code == 0, ran.err
    facts = json.loads(ran.out)
    calls = facts["calls"]
    assert (facts["wanted"], facts["triples"]) == (30, 30)
    assert facts["tokens"] == {"in": 100 * calls, "out": 10 * calls}
    assert facts["cost"] == round(calls * 200 / 1e6, 6)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 30
    ran = command(*agent(server, tmp_path / "b.jsonl"))
    assert f"holds 30 triples of {calls} calls" in ran.out
    assert f"tokens: {100 * calls} read" in ran.out and "cost" not in ran.out
    server.script = [Say(text="", usage=False)]
    ran = command(*agent(server, tmp_path / "c.jsonl"), "--json", "--price-in", 1, "--price-out", 10)
    assert not {"tokens", "cost"} & set(json.loads(ran.out))


def test_an_endpoint_that_refuses_is_one_sentence(command: Command, server: ChatServer, tmp_path: Path) -> None:
    server.script = [Say(status=401, body=b"{}")]
    expect_error(command(*agent(server, tmp_path / "a.jsonl")), 4, "wants a key (status 401)")
    server.script = [Say(status=500, body=b"{}")]
    expect_error(command(*agent(server, tmp_path / "a.jsonl"), "--attempts", 1), 4, "1 times in a row")
    assert command(*agent(server, tmp_path / "a.jsonl")).code == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--writer", "rooms", "--domain", "interior"), 2, "--domain is of the writer agent and the writer is rooms"),
        (("--writer", "seeds", "--price-in", 1), 2, "--price-in is of the writer agent"),
        (("--writer", "agent"), 2, "needs a domain"),
        (("--writer", "agent", "--domain", "interior"), 2, "give --endpoint and --model, or --chat-model"),
        (("--writer", "agent", "--domain", "interior", "--endpoint", "http://a"), 2, "give --endpoint and --model"),
        (("--writer", "agent", "--domain", "interior", "--chat-model", "a", "--model", "b"), 2, "give --endpoint and"),
        (("--writer", "agent", "--domain", "moon", "--chat-model", "a"), 6, "neither in the package nor a file"),
        (("--writer", "agent", "--domain", "interior", "--chat-model", "no/model"), 4, "'no/model' is no folder"),
        (("--writer", "agent", "--domain", "interior", "--count", 0), 2, "at least 1"),
        (("--writer", "agent", "--domain", "interior", "--endpoint", "a", "--model", "b"), 2, "http or https"),
    ],
)
def test_options_that_do_not_fit_are_named(
    command: Command, tmp_path: Path, options: tuple[object, ...], code: int, said: str
) -> None:
    expect_error(command("data", "write", *options, "--out", tmp_path / "a.jsonl"), code, said)
    assert not list(tmp_path.iterdir())


def test_a_local_chat_model_that_knows_nothing_is_given_up(command: Command, tmp_path: Path) -> None:
    from retouch.models.fresh_writer import WriterShape, fresh_writer

    shape = WriterShape(vocabulary=300, width=16, inner=16, layers=2, heads=1, length=20_000)
    made = fresh_writer(["a red sofa"], marks=("<end>",), shape=shape, seed=0)
    made.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    made.model.save_pretrained(tmp_path / "model")
    made.tokenizer.save_pretrained(tmp_path / "model")
    options = ("--domain", "interior", "--chat-model", tmp_path / "model", "--temperature", 1.5)
    ran = command("data", "write", "--writer", "agent", *options, "--out", tmp_path / "a.jsonl")
    expect_error(ran, 6, "5 answers in a row have no good line")


def test_triples_written_by_hand_are_copied(command: Command, tmp_path: Path) -> None:
    ran = command("data", "write", "--writer", "seeds", "--out", tmp_path / "a.jsonl", "--json")
    assert json.loads(ran.out)["triples"] >= 400
    assert (tmp_path / "a.jsonl").read_bytes() == seed_triples().read_bytes()


def test_domains_are_listed_and_checked(command: Command, tmp_path: Path) -> None:
    assert {"interior", "street-food"} <= set(command("data", "domains").out.split())
    listed = json.loads(command("data", "domains", "--json").out)
    assert [each["name"] for each in listed] == ["interior", "street-food"]
    shown = command("data", "domains", "interior")
    assert "levels" in shown.out and "1: 0.4" in shown.out
    (tmp_path / "mine.yaml").write_text("name: mine\ncolours: [red]\n")
    expect_error(command("data", "domains", tmp_path / "mine.yaml"), 6, "mine.yaml, line 2: the key 'colours'")
