"""Read an instruction by asking a chat model, with examples, as LangDesign does."""

import json
import re
from collections.abc import Mapping, Sequence

from retouch.chat.protocol import Chat, Form, Message
from retouch.core.errors import ModelError
from retouch.grounding.phrases import ParsedStep, Scope

READER = "agent"
ATTEMPTS = 3
_KEYS = ("text", "scope", "phrases")

RULES = (
    "You read instructions for editing pictures and say where each edit acts.\n"
    "Split an instruction into its steps, in order; each step has a text that can be read alone.\n"
    'A step\'s scope is "object" where it changes, replaces or removes something that is in the picture already, '
    '"place" where something new comes to a place, and "whole" where all of the picture changes.\n'
    "The phrases name what to look for in the picture, in words of the instruction and never in others: the object as "
    "it is before the edit, or the place that the new thing comes to, with the words that tell it from others of its "
    "kind. A step about the whole picture has none."
)

FORM = Form(
    name="steps",
    schema={
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string"},
                        "scope": {"type": "string", "enum": [scope.value for scope in Scope]},
                        "phrases": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": list(_KEYS),
                    "additionalProperties": False,
                },
            }
        },
        "required": ["steps"],
        "additionalProperties": False,
    },
    words='Answer with one JSON object alone: {"steps": [{"text": …, "scope": "object", "place" or "whole", '
    '"phrases": […]}]}',
)

EXAMPLES: tuple[tuple[str, tuple[ParsedStep, ...]], ...] = (
    (
        "turn the left chair into a stool",
        (ParsedStep(text="turn the left chair into a stool", scope=Scope.OBJECT, phrases=("the left chair",)),),
    ),
    (
        "put a vase on the table and make the sofa green",
        (
            ParsedStep(text="put a vase on the table", scope=Scope.PLACE, phrases=("the table",)),
            ParsedStep(text="make the sofa green", scope=Scope.OBJECT, phrases=("the sofa",)),
        ),
    ),
    ("make it night", (ParsedStep(text="make it night", scope=Scope.WHOLE),)),
    (
        "get rid of the lamp next to the bed, then paint it like a watercolour",
        (
            ParsedStep(
                text="get rid of the lamp next to the bed", scope=Scope.OBJECT, phrases=("the lamp next to the bed",)
            ),
            ParsedStep(text="paint it like a watercolour", scope=Scope.WHOLE),
        ),
    ),
    (
        "add a dog",
        (ParsedStep(text="add a dog", scope=Scope.WHOLE),),
    ),
)
"""What the model is shown before it is asked."""

_DECODER = json.JSONDecoder()
_THOUGHT_END = "</think>"
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class AgentReader:
    """A `PhraseFinder` that asks a chat model; an answer that breaks the rules is sent back, up to `attempts` times."""

    def __init__(self, chat: Chat, *, name: str, attempts: int = ATTEMPTS) -> None:
        self._chat, self._name, self._attempts = chat, name, attempts

    @property
    def name(self) -> str:
        """The reader and its model."""
        return f"{READER}:{self._name}"

    def read(self, instruction: str) -> tuple[ParsedStep, ...]:
        """The steps of an instruction; raises ModelError where no answer keeps the rules."""
        text = " ".join(instruction.split())
        if not text:
            return ()
        messages = [*_opening(), Message(role="user", content=text)]
        fault = ""
        for attempt in range(self._attempts):
            answer = self._chat.answer(messages, form=FORM, seed=attempt).text
            steps = steps_of(answer, text)
            if not isinstance(steps, str):
                return steps
            fault = steps
            complaint = f"That cannot be used: {fault}. Answer again."
            messages += [Message(role="assistant", content=answer or "…"), Message(role="user", content=complaint)]
        raise ModelError(
            f"The agent '{self._name}' gave no usable reading of the instruction in {self._attempts} attempts "
            f"({fault}); choose another reader."
        )


def steps_of(answer: str, instruction: str) -> tuple[ParsedStep, ...] | str:
    """The steps that an answer tells of an instruction, or what is wrong with it."""
    value = _first_object(answer)
    listed = value.get("steps") if value is not None else None
    if not isinstance(listed, list) or not listed:
        return "it is no JSON object with a list of steps"
    steps: list[ParsedStep] = []
    for entry in listed:
        step = _step(entry, instruction)
        if isinstance(step, str):
            return step
        steps.append(step)
    return tuple(steps)


def _step(entry: object, instruction: str) -> ParsedStep | str:
    text, scope, phrases = (entry.get(key) for key in _KEYS) if isinstance(entry, Mapping) else (None, None, None)
    if not isinstance(text, str) or not text.strip():
        return "a step has no text"
    if scope not in list(Scope):
        return f"the scope of '{text}' is none of {', '.join(Scope)}"
    if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
        return f"the phrases of '{text}' are no list of texts"
    named = () if scope == Scope.WHOLE else tuple(" ".join(phrase.split()) for phrase in phrases)
    foreign = [phrase for phrase in named if not _within(phrase, instruction)]
    if foreign:
        return f"the phrase '{foreign[0]}' is not in the instruction, word for word"
    if scope == Scope.OBJECT and not named:
        return f"'{text}' acts on an object and names none"
    return ParsedStep(text=" ".join(text.split()), scope=Scope(scope), phrases=named)


def _within(phrase: str, instruction: str) -> bool:
    """Whether a phrase's words stand in the instruction in a row."""
    sought, words = (_WORD.findall(text.lower()) for text in (phrase, instruction))
    return bool(sought) and any(words[start : start + len(sought)] == sought for start in range(len(words)))


def _first_object(answer: str) -> Mapping[str, object] | None:
    # What a model thought before it answered is no part of the answer.
    answer = answer.rpartition(_THOUGHT_END)[2]
    start = answer.find("{")
    while start >= 0:
        try:
            value, _ = _DECODER.raw_decode(answer, start)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        start = answer.find("{", start + 1)
    return None


def _opening() -> list[Message]:
    """The rules, and the examples as a conversation."""
    messages = [Message(role="system", content=RULES)]
    for instruction, steps in EXAMPLES:
        messages += [
            Message(role="user", content=instruction),
            Message(role="assistant", content=json.dumps({"steps": _told(steps)})),
        ]
    return messages


def _told(steps: Sequence[ParsedStep]) -> list[dict[str, object]]:
    return [{"text": step.text, "scope": step.scope.value, "phrases": list(step.phrases)} for step in steps]
