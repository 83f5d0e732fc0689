"""Agents end to end against a server on the loopback device: any domain, bad answers, interruption, and a kill."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.chat.server import ChatServer, Say, good_lines, serving

from retouch.chat.endpoint import Endpoint, EndpointChat
from retouch.chat.patience import Patience
from retouch.chat.protocol import Form, Message, Reply
from retouch.core.errors import Cancelled, DataError, ModelError, SettingsError
from retouch.datagen.agents.reading import lexicon
from retouch.datagen.agents.rules import fault_of
from retouch.datagen.agents.writer import AgentSummary, AgentWriter
from retouch.datagen.domain import Domain, Level
from retouch.datagen.domains import load_domain
from retouch.records.triple import load_triples

STREET_FOOD = load_domain("street-food")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(STREET_FOOD) as chat:
        yield chat


def writer(server: ChatServer, domain: Domain = STREET_FOOD, *, attempts: int = 4, seed: int = 0) -> AgentWriter:
    chat = EndpointChat(
        Endpoint(url=server.url, model="small", seconds=10),
        generator=random.Random(0),
        patience=Patience(attempts=attempts),
        pause=lambda _seconds: None,
    )
    return AgentWriter(domain=domain, chat=chat, seed=seed)


def write(server: ChatServer, out: Path, count: int = 60, **changes: object) -> AgentSummary:
    return writer(server).write_file(out, count, settings={"model": "small"}, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["street-food", "interior"])
def test_a_domain_is_written_about_from_single_objects_to_places(name: str, tmp_path: Path) -> None:
    domain = load_domain(name)
    told: list[tuple[int, int]] = []
    with serving(domain) as server:
        made = writer(server, domain).write_file(
            tmp_path / "a.jsonl", 60, settings={}, on_progress=lambda done, total: told.append((done, total))
        )
    triples = list(load_triples(made.file))
    assert made.triples == 60 == len(triples) == len(set(triples))
    assert made.calls == len(server.requests) == len(told)
    assert told[-1] == (60, 60)
    assert made.tokens == (100 * made.calls, 10 * made.calls)
    known = lexicon(domain)
    assert {fault_of(triple, known) for triple in triples} == {None}
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    prompts = [str(request["messages"]) for request in server.requests]
    alone = [number for number, prompt in enumerate(prompts) if "alone, without a place" in prompt]
    assert alone == list(range(len(alone))) and 0 < len(alone) < len(prompts)
    assert name == "interior" or not any(re.search(r"\brooms?\b", prompt) for prompt in prompts)
    assert all(domain.description in prompt and domain.rules[0] in prompt for prompt in prompts)


def test_agents_see_examples_of_their_own_subject(server: ChatServer, tmp_path: Path) -> None:
    write(server, tmp_path / "a.jsonl", count=100)
    subjects = [*STREET_FOOD.objects, *STREET_FOOD.places]
    for request in server.requests:
        messages = request["messages"]
        assert isinstance(messages, list)
        asked = messages[-1]["content"]
        named = [each for each in subjects if asked.startswith(f"Examples about {each.name}:")]
        assert len(named) == 1
        assert all(example.instruction in asked for example in named[0].examples)


def test_what_is_no_good_is_left_out_and_counted(server: ChatServer, tmp_path: Path) -> None:
    lines = good_lines(STREET_FOOD, b"some")
    broken = [
        {**lines[0], "output": lines[0]["input"]},
        {**lines[1], "edit": "paint the clouds"},
        {"caption": "a red cart", "edit": "add a sign", "output": "a red cart and a sign"},
        {"input": "a red cart"},
    ]
    server.script = [
        Say(text="I am a teapot."),
        Say(text=f"Sure!\n{json.dumps(lines[0])}\nand {json.dumps(lines[0])}\n" + '{"input": "a red'),
        Say(text="\n".join(map(json.dumps, broken))),
    ]
    made = write(server, tmp_path / "a.jsonl")
    assert made.triples == 60
    expected = {"not JSON": 2, "unchanged": 1, "disagrees": 1, "unstated": 1, "keys": 1}
    # Sound answers too may say again what was said.
    assert {reason: number for reason, number in made.rejected.items() if reason != "double"} == expected
    assert made.rejected["double"] >= 1


def test_bad_moments_change_nothing(server: ChatServer, tmp_path: Path) -> None:
    write(server, tmp_path / "whole.jsonl")
    server.script = [Say(status=429, body=b"{}", headers=(("Retry-After", "2"),)), Say(status=500, body=b"{}")]
    write(server, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_an_interrupted_run_goes_on_to_the_same_file(server: ChatServer, tmp_path: Path) -> None:
    whole = write(server, tmp_path / "whole.jsonl")
    answers = iter([False, False, True])
    with pytest.raises(Cancelled, match="Stopped after 2 calls"):
        write(server, tmp_path / "parts.jsonl", cancelled=lambda: next(answers))
    server.script = [Say(status=500, body=b"{}")] * 4
    with pytest.raises(ModelError, match="run the same command to go on"):
        write(server, tmp_path / "parts.jsonl")
    before = len(server.requests)
    parts = write(server, tmp_path / "parts.jsonl")
    assert len(server.requests) - before == whole.calls - 2
    assert replace(parts, file=whole.file) == whole
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_answers_to_other_settings_are_not_taken(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        write(server, tmp_path / "a.jsonl", cancelled=lambda: True)
    with pytest.raises(DataError, match="other captions or settings"):
        write(server, tmp_path / "a.jsonl", count=61)
    kept = tmp_path / "a.jsonl.answers"
    kept.write_text(kept.read_text() + '{"text": 3}\n')
    with pytest.raises(DataError, match="another form"):
        write(server, tmp_path / "a.jsonl")


def test_a_useless_model_is_given_up(server: ChatServer, tmp_path: Path) -> None:
    server.script = [Say(text="No.")] * 20
    with pytest.raises(DataError, match=r"5 answers in a row have no good line \(the last: 1 not JSON\)"):
        write(server, tmp_path / "a.jsonl")
    assert len(server.requests) == 5


class Miser:
    """A chat that has one good line in all, and none other than that."""

    def answer(self, messages: Sequence[Message], *, form: Form, seed: int) -> Reply:
        return Reply(
            text=json.dumps(
                {"input": f"a red cart {seed}", "edit": "paint the cart blue", "output": f"a blue cart {seed}"}
            )
        )


def test_calls_are_bounded_and_a_shortfall_is_told(tmp_path: Path) -> None:
    made = AgentWriter(domain=STREET_FOOD, chat=Miser()).write_file(tmp_path / "a.jsonl", 40, settings={})
    assert made.calls == made.triples == 4 * (2 + 2 + 1)
    assert made.wanted == 40 and made.tokens is None and made.cost(1, 1) is None


def test_a_cost_is_told_where_tokens_and_prices_are_known(tmp_path: Path) -> None:
    made = AgentSummary(file=tmp_path, wanted=1, triples=1, calls=1, rejected={}, tokens=(2_000_000, 500_000))
    assert made.cost(0.5, 2.0) == 2.0
    assert made.cost(0.5, None) is None


def test_what_cannot_be_written_is_refused(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="0 triples"):
        write(server, tmp_path / "a.jsonl", count=0)
    bare = replace(STREET_FOOD, places=[replace(place, examples=()) for place in STREET_FOOD.places])
    with pytest.raises(SettingsError, match="level of 2 objects and no examples"):
        writer(server, bare)
    writer(server, replace(bare, levels=[Level(objects=1, share=1.0)]))


def test_a_kill_in_the_middle_repeats_nothing(server: ChatServer, tmp_path: Path) -> None:
    """SIGKILL while the fourth call is in the air; the same command then ends with the undisturbed run's file."""
    options = ("--endpoint", server.url, "--model", "small", "--count", "60", "--domain", "street-food", "--json")

    def command(out: Path) -> list[str]:
        return [sys.executable, "-m", "retouch", "data", "write", "--writer", "agent", *options, "--out", str(out)]

    source = Path(__file__).parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source), "RETOUCH_LLM_KEY": "k-7"}
    server.held_at = 4
    child = subprocess.Popen(command(tmp_path / "parts.jsonl"), env=environment)
    try:
        assert server.held.wait(120)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert len((tmp_path / "parts.jsonl.answers").read_text().splitlines()) == 4
    assert not (tmp_path / "parts.jsonl").exists()
    with serving(STREET_FOOD) as calm:
        options = (*options[:1], calm.url, *options[2:])
        done = subprocess.run(command(tmp_path / "parts.jsonl"), env=environment, capture_output=True, check=True)
        facts = json.loads(done.stdout)
        assert facts["calls"] == len(calm.requests) + 3
        assert facts["tokens"] == {"in": 100 * facts["calls"], "out": 10 * facts["calls"]}
        assert calm.keys == {"Bearer k-7"}
        write(calm, tmp_path / "whole.jsonl")
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
