"""What an agent is told: the domain, the rules, examples of its subject, and what the lines of this call are about."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from retouch.chat.protocol import Form, Message
from retouch.datagen.agents.lines import LINE_KEYS, LIST_KEY
from retouch.datagen.domain import Domain, Place, Thing
from retouch.records.triple import Triple

LINES = 10
"""Lines a call."""
SUGGESTED = 8
"""Objects that a call about a place is given to choose from, beyond those a caption names."""
WORDS_OF_A_KIND = 8

_RULES = (
    '"input" is the caption of a picture, "edit" an instruction, "output" the caption of the edited picture.',
    "Exactly one feature changes between input and output: an object, one of its looks, the place, or a look of the "
    "whole; every other word stays as it is.",
    'Something is removed only where the input names it: "remove", "take away", "get rid of".',
    'Something is added only where the input states its absence, as "without a ..." or "no ..."; the output names it '
    "instead.",
    "A replacement names what goes and what comes; a change of look names the object and the new look.",
    "An edit names no object that neither the input nor the output names, not even to say where something goes.",
    "The output never equals the input, and tells what the edit asks for and nothing else.",
    "Vary the kinds of edit, the wording of the instructions and the captions; no line comes twice.",
    "Use only the words given below for places, objects and looks.",
)

FORM = Form(
    name="triples",
    schema={
        "type": "object",
        "properties": {
            LIST_KEY: {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {key: {"type": "string"} for key in LINE_KEYS},
                    "required": list(LINE_KEYS),
                    "additionalProperties": False,
                },
            }
        },
        "required": [LIST_KEY],
        "additionalProperties": False,
    },
    words="Answer with one JSON object a line, each with the texts input, edit and output, and with nothing else.",
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call: lines about an object alone, or about a place with so many `objects`."""

    subject: Place | Thing
    objects: int


def tasks_of(domain: Domain, objects: int) -> list[Task]:
    """The subjects of a level, those that have examples to show."""
    subjects: Sequence[Place | Thing] = domain.objects if objects == 1 else domain.places
    return [Task(subject=subject, objects=objects) for subject in subjects if subject.examples]


def messages_of(domain: Domain, task: Task, generator: random.Random) -> list[Message]:
    """The conversation that asks for lines; `generator` draws the words that are suggested."""
    rules = "\n".join(f"- {rule}" for rule in (*_RULES, *domain.rules))
    told = f"You write training data for an image editor, about {domain.description}.\n\nRules:\n{rules}"
    examples = "\n".join(map(_line, task.subject.examples))
    asked = (
        f"Examples about {task.subject.name}:\n{examples}\n\n{_subject(domain, task, generator)}\n\n"
        f"{_looks(domain, task, generator)}\n\nWrite {LINES} new lines."
    )
    return [Message(role="system", content=told), Message(role="user", content=asked)]


def _subject(domain: Domain, task: Task, generator: random.Random) -> str:
    if isinstance(task.subject, Thing):
        names = " or ".join((task.subject.name, *task.subject.also))
        others = _drawn([thing.name for thing in domain.objects if thing is not task.subject], SUGGESTED, generator)
        return f"Subject: {names}, alone, without a place. To replace it or to be added: {', '.join(others)}."
    things = [thing.name for thing in domain.things_of(task.subject)]
    offered = _drawn(things, task.objects + SUGGESTED, generator)
    names = " or ".join((task.subject.name, *task.subject.also))
    return f"Place: {names}. Each input names {task.objects} of these objects: {', '.join(offered)}."


def _looks(domain: Domain, task: Task, generator: random.Random) -> str:
    kinds = list(domain.attributes)
    if isinstance(task.subject, Thing):
        kinds = [kind for kind in kinds if kind in task.subject.looks]
    lines = [f"{kind}: {', '.join(_drawn(domain.attributes[kind], WORDS_OF_A_KIND, generator))}" for kind in kinds]
    return "\n".join(["Looks:", *lines]) if lines else "Looks: none."


def _drawn(words: Sequence[str], count: int, generator: random.Random) -> list[str]:
    return generator.sample(list(words), min(count, len(words)))


def _line(example: Triple) -> str:
    texts = (example.source_caption, example.instruction, example.target_caption)
    return json.dumps(dict(zip(LINE_KEYS, texts, strict=True)), ensure_ascii=False)
