"""Make a reader of instructions by what a user names: pocket, noun chunks, or an agent."""

import random
from pathlib import Path

from retouch.chat.endpoint import Endpoint, EndpointChat, key_of
from retouch.chat.protocol import Chat
from retouch.core.errors import SettingsError
from retouch.grounding.agent import READER as AGENT
from retouch.grounding.agent import AgentReader
from retouch.grounding.noun_chunks import PIPELINE, load_noun_chunks
from retouch.grounding.noun_chunks import READER as NOUN_CHUNKS
from retouch.grounding.phrases import PhraseFinder
from retouch.grounding.pocket_parser import load_parser
from retouch.models.pocket import PARSER_MEMBER, POCKET

DEFAULT_READER = f"{POCKET}/{PARSER_MEMBER}"
FORMS = (
    f"'{POCKET}', a parser's folder, '{NOUN_CHUNKS}', '{NOUN_CHUNKS}:PIPELINE', '{AGENT}:MODEL@ADDRESS' or "
    f"'{AGENT}:MODEL'"
)


def find_reader(name: str = DEFAULT_READER, *, device: str = "cpu") -> PhraseFinder:
    """The reader that `name` names.

    Args:
        name: `pocket`, or the folder of a parser that was trained; `noun-chunks`, or `noun-chunks:` and a spaCy
            pipeline; `agent:` and a chat model's name, `@` and the address up to /v1 of the endpoint that has it; or
            `agent:` and a chat model's folder or hub id.
        device: where a chat model on this machine computes.

    Raises:
        SettingsError: there is no such reader.
        ModelError: it cannot be used.
        MissingExtraError: it needs a package that is not installed.
    """
    kind, _, rest = name.partition(":")
    if name in (POCKET, DEFAULT_READER) or (name and Path(name).expanduser().is_dir()):
        return load_parser(name)
    if kind == NOUN_CHUNKS:
        return load_noun_chunks(rest or PIPELINE)
    if kind == AGENT and rest:
        return _agent(rest, device)
    raise SettingsError(f"There is no reader '{name}'; give {FORMS}.")


def _agent(model: str, device: str) -> AgentReader:
    name, at, address = model.rpartition("@")
    if at and "://" in address:
        endpoint = Endpoint(url=address, model=name, key=key_of(address), temperature=0.0)
        return AgentReader(EndpointChat(endpoint, generator=random.Random(0)), name=name)
    folder = Path(model).expanduser()
    return AgentReader(_local(model, device), name=folder.resolve().name if folder.is_dir() else model)


def _local(source: str, device: str) -> Chat:
    from retouch.chat.local import LocalChat
    from retouch.models.writer import Sampling, load_writer

    careful = Sampling(temperature=0.2, top_p=0.9, max_new_tokens=512)
    return LocalChat(load_writer(source, device=device), sampling=careful)
