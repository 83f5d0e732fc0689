"""Readers of instructions: noun chunks of a pipeline trained here, and a chat model behind an address."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chat.server import ChatServer, Say, serving

from retouch.core.errors import MissingExtraError, ModelError, SettingsError
from retouch.datagen.domains import load_domain
from retouch.grounding.agent import EXAMPLES, steps_of
from retouch.grounding.phrases import ParsedStep, PhraseFinder, Scope
from retouch.grounding.readers import find_reader

PARSED = (
    # word, part of speech, head, dependency
    ("make VERB 0 ROOT", "the DET 2 det", "sofa NOUN 0 dobj", "green ADJ 0 oprd"),
    ("put VERB 0 ROOT", "a DET 2 det", "vase NOUN 0 dobj", "on ADP 0 prep", "the DET 5 det", "table NOUN 3 pobj"),
    ("turn VERB 0 ROOT", "the DET 3 det", "left ADJ 3 amod", "chair NOUN 0 dobj"),
    ("remove VERB 0 ROOT", "it PRON 0 dobj"),
    ("make VERB 0 ROOT", "it PRON 0 nsubj", "brighter ADJ 0 ccomp"),
    ("remove VERB 0 ROOT", "the DET 3 det", "red ADJ 3 amod", "lamp NOUN 0 dobj"),
    ("put VERB 0 ROOT", "everything PRON 0 dobj", "on ADP 0 prep", "the DET 4 det", "sofa NOUN 2 pobj"),
    ("brighten VERB 0 ROOT",),
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spaCy pipeline with a tagger of parts of speech and a parser, trained on a few instructions, in a folder."""
    spacy = pytest.importorskip("spacy")
    from spacy.training import Example
    from spacy.util import fix_random_seed

    fix_random_seed(0)
    language = spacy.blank("en")
    language.add_pipe("morphologizer")
    language.add_pipe("parser", config={"min_action_freq": 1})
    examples = []
    for rows in PARSED:
        words, tags, heads, deps = zip(*(row.split() for row in rows), strict=True)
        text = language.make_doc(" ".join(words))
        told = {"words": words, "pos": tags, "heads": [int(head) for head in heads], "deps": deps}
        examples.append(Example.from_dict(text, told))
    optimizer = language.initialize(lambda: examples)
    for _ in range(60):
        language.update(examples, sgd=optimizer)
    folder = tmp_path_factory.mktemp("spacy") / "small"
    language.to_disk(folder)
    return folder


@pytest.mark.parametrize(
    ("instruction", "phrases"),
    [
        ("make the sofa green", ("the sofa",)),
        ("put a vase on the table", ("a vase", "the table")),
        ("turn  the left\nchair", ("the left chair",)),
        ("put everything on the sofa", ("the sofa",)),
        ("remove it", ()),
        ("make it brighter", ()),
        ("brighten", ()),
    ],
)
def test_noun_chunks(pipeline: Path, instruction: str, phrases: tuple[str, ...]) -> None:
    reader = find_reader(f"noun-chunks:{pipeline}")
    assert reader.name == "noun-chunks:small"
    (step,) = reader.read(instruction)
    assert step.text == " ".join(instruction.split())
    assert step.phrases == phrases
    assert step.scope is (Scope.OBJECT if phrases else Scope.WHOLE)


def test_pipelines_that_cannot_be_used(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    with pytest.raises(ModelError, match="no spaCy pipeline 'en_core_web_sm'; install one with"):
        find_reader("noun-chunks")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ModelError, match="'blank' finds no noun chunks"):
        find_reader(f"noun-chunks:{tmp_path / 'blank'}").read("make the sofa green")


def test_without_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'retouch\[grounding\]'"):
        find_reader("noun-chunks")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(load_domain("interior")) as chat:
        yield chat


def agent(server: ChatServer) -> PhraseFinder:
    return find_reader(f"agent:small/model@{server.url}")


def told(*steps: tuple[str, str, list[str]]) -> str:
    return json.dumps({"steps": [dict(zip(("text", "scope", "phrases"), step, strict=True)) for step in steps]})


VASE = "Put a vase on the table, then make the sofa green"
GOOD = told(("Put a vase on the table", "place", ["the table"]), ("make the sofa green", "object", ["The sofa"]))


def test_an_agent_splits_an_instruction(server: ChatServer) -> None:
    server.script = [Say(text=f"<think>{{}}</think>Here it is:\n```json\n{GOOD}\n```")]
    reader = agent(server)
    assert reader.name == "agent:small/model"
    assert reader.read(VASE) == (
        ParsedStep(text="Put a vase on the table", scope=Scope.PLACE, phrases=("the table",)),
        ParsedStep(text="make the sofa green", scope=Scope.OBJECT, phrases=("The sofa",)),
    )
    (request,) = server.requests
    messages = request["messages"]
    assert isinstance(messages, list) and len(messages) == 2 + 2 * len(EXAMPLES)
    assert messages[-1]["content"] == VASE
    assert request["temperature"] == 0
    assert agent(server).read("  ") == ()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("I cannot do that.", "no JSON object with a list of steps"),
        ('{"steps": []}', "no JSON object with a list of steps"),
        ('{"steps": [3]}', "a step has no text"),
        (told((" ", "object", ["the sofa"])), "a step has no text"),
        (told(("go", "everywhere", ["the sofa"])), "the scope of 'go' is none of object, place, whole"),
        ('{"steps": [{"text": "go", "scope": "object", "phrases": "the sofa"}]}', "no list of texts"),
        (told(("go", "object", ["the couch"])), "'the couch' is not in the instruction, word for word"),
        (told(("go", "object", ["so"])), "'so' is not in the instruction"),
        (told(("go", "object", ["…"])), "'…' is not in the instruction"),
        (told(("go", "object", [])), "acts on an object and names none"),
    ],
)
def test_a_bad_answer_is_sent_back(server: ChatServer, bad: str, complaint: str) -> None:
    server.script = [Say(text=bad), Say(text=GOOD)]
    assert len(agent(server).read(VASE)) == 2
    messages = server.requests[1]["messages"]
    assert isinstance(messages, list)
    assert messages[-2] == {"role": "assistant", "content": bad}
    assert complaint in messages[-1]["content"]


def test_an_agent_that_never_answers_well(server: ChatServer) -> None:
    server.script = [Say(text="no")] * 3
    with pytest.raises(ModelError, match="no usable reading of the instruction in 3 attempts"):
        agent(server).read(VASE)
    assert len(server.requests) == 3


def test_the_examples_keep_the_rules() -> None:
    for instruction, steps in EXAMPLES:
        answer = told(*((step.text, step.scope.value, list(step.phrases)) for step in steps))
        assert steps_of(answer, instruction) == steps


def test_a_step_about_the_whole_picture_names_nothing() -> None:
    steps = steps_of(told(("make it night", "whole", ["the sky"])), "make it night")
    assert steps == (ParsedStep(text="make it night", scope=Scope.WHOLE),)


def test_a_model_on_this_machine_is_an_agent_too() -> None:
    with pytest.raises(ModelError, match="neither on this machine nor to be had from the hub"):
        find_reader("agent:somebody/some-model")


@pytest.mark.parametrize("name", ["", "oracle", "agent", "agent:", "pockets"])
def test_readers_that_are_none(name: str) -> None:
    with pytest.raises(SettingsError, match="There is no reader"):
        find_reader(name)
