"""Chat with a model on this machine: any causal language model in transformers layout with a chat template."""

from collections.abc import Sequence

from retouch.chat.protocol import Form, Message, Reply, as_mappings, with_words
from retouch.models.writer import Sampling, Writer, converse

CHATTING = Sampling(temperature=0.8, top_p=0.95, max_new_tokens=1024)
"""Ten lines of about sixty tokens, and some to spare."""


class LocalChat:
    """A `Chat` of a loaded language model; the form is told in words."""

    def __init__(self, writer: Writer, *, sampling: Sampling = CHATTING) -> None:
        self._writer, self._sampling = writer, sampling

    def answer(self, messages: Sequence[Message], *, form: Form, seed: int) -> Reply:
        """Answer a conversation. Raises ModelError where the model has no chat template or it does not fit."""
        told = as_mappings(with_words(messages, form))
        answer = converse(self._writer, told, seed=seed, sampling=self._sampling)
        return Reply(text=answer.text, prompt_tokens=answer.prompt_tokens, completion_tokens=answer.new_tokens)
