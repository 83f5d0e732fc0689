"""The seam to chat models: messages in, a text and the tokens it took out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, kw_only=True)
class Form:
    """What an answer should look like: a JSON schema for models held to one, and the same in words for the others."""

    name: str
    schema: Mapping[str, object]
    words: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model answered, and the tokens it read and wrote; None where it does not say."""

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chat(Protocol):
    """A chat model. A local one draws the same answer for the same messages and seed."""

    def answer(self, messages: Sequence[Message], *, form: Form, seed: int) -> Reply:
        """Answer a conversation, its last message being the user's.

        Raises ModelError where the model cannot be used, Cancelled where it was interrupted while it waited.
        """
        ...


def with_words(messages: Sequence[Message], form: Form) -> list[Message]:
    """The conversation with the form told in words, for models that are not held to a schema."""
    *earlier, last = messages
    return [*earlier, Message(role=last.role, content=f"{last.content}\n\n{form.words}")]


def as_mappings(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages as chat templates and endpoints take them."""
    return [{"role": message.role, "content": message.content} for message in messages]
