"""What people ask for made complete: which model, which seeds, and whether what it names is there and fits."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from sqlalchemy.orm import Session

from retouch.core.seeds import MAXIMUM_SEED
from retouch.core.settings import MAXIMUM_TEXT
from retouch.designs.design import Design
from retouch.designs.request import Request, check_words
from retouch.designs.written import MAXIMUM_TITLE
from retouch.server import schemas
from retouch.server.answers import request_of
from retouch.server.offered import usual_model
from retouch.server.problems import conflict, invalid
from retouch.server.store import uploads
from retouch.server.store.tables import Picture

_DRAWN = 2**32
"""Seeds that are drawn are below it, so that people can read them to each other."""


def edits_of(ask: schemas.BranchAsk, models: Sequence[schemas.Model]) -> tuple[Request, ...]:
    """As many requests as were asked for, with the model chosen and seeds one after the other.

    Raises:
        SettingsError: a setting is out of its range, or the seeds are.
        Refusal: it asks for nothing, or for a model that is not offered (422).
    """
    request = request_of(ask)
    if not request.instruction.strip() and not request.references:
        invalid("The edit asks for nothing; say what to change, or show a picture of an object.", "nothing-asked")
    request = with_model(request, models)
    first = request.settings.seed
    first = secrets.randbelow(_DRAWN) if first is None else first
    if first + ask.count - 1 > MAXIMUM_SEED:
        invalid(f"The seeds would go beyond {MAXIMUM_SEED}; take a lower one.", "bad-settings")
    return tuple(request.with_seed(first + number) for number in range(ask.count))


def with_model(request: Request, models: Sequence[schemas.Model]) -> Request:
    """A request with a model that is offered: the one it names, else the default for such an edit.

    Raises Refusal (422) where it names one that is not offered, or none fits.
    """
    if request.model is not None:
        names = [model.name for model in models]
        if request.model not in names:
            known = ", ".join(names)
            invalid(f"There is no model {request.model!r:.80}; choose one of {known}.", "unknown-model")
        return request
    fitting = [model for model in models if (model.reads_references if request.references else model.reads_words)]
    if not fitting:
        invalid("No model of this server makes such an edit; choose another kind.", "unknown-model")
    first = next((model for model in fitting if model.default), fitting[0])
    usual = usual_model(request)
    return replace(request, model=usual if usual in [model.name for model in fitting] else first.name)


def check_fits(session: Session, owner: str, design: Design, parent: str, requests: Sequence[Request]) -> None:
    """Look whether requests can be made of a node: whether it has a picture, and what they name is there and fits.

    Raises Refusal: the node is not done (409), or an upload is missing or a mask of another size (422).
    """
    node = design[parent]
    if node.image is None:
        conflict(f"'{node.name}' has no picture yet; wait until it is done.", "no-picture")
    found = uploads.uploads_of(session, owner, (name for request in requests for name in request.uploads))
    picture = session.get(Picture, node.image)
    for request in requests:
        mask = request.region.upload if request.region is not None else None
        if mask is None or picture is None:
            continue
        size = (found[mask].width, found[mask].height)
        if size != (picture.width, picture.height):
            invalid(
                f"The mask is {size[0]} x {size[1]} pixels, the picture {picture.width} x {picture.height}; "
                "paint it on this picture.",
                "bad-image",
            )


def together(instructions: Sequence[str]) -> str:
    """Instructions that follow each other as one."""
    return " and ".join(text.strip().rstrip(".,;!") for text in instructions)


def title_of(title: str, *others: str | None) -> str:
    """The title that was given, else the first of the others that says something; of a file's name what people read.

    Raises SettingsError for what is no title.
    """
    check_words("The title", title, MAXIMUM_TITLE)
    names = (PurePath((other or "").replace("\\", "/")).stem for other in others)
    readable = (name.replace("_", " ").replace("\0", "").strip()[:MAXIMUM_TITLE] for name in names)
    return title.strip() or next((name for name in readable if name), "Untitled")


def instruction_of(text: str) -> str:
    """An instruction beside a lookup; raises SettingsError where it is none."""
    check_words("The instruction", text, MAXIMUM_TEXT)
    return text
