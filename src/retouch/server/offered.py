"""The models that a server offers, and which of them makes an edit that names none."""

from collections.abc import Sequence
from pathlib import PurePath

from retouch.core.errors import SettingsError
from retouch.designs.request import Request
from retouch.models.pocket import DEFAULT_MEMBER, EXEMPLAR_MEMBER, INSERT_MEMBER, POCKET, find_pocket
from retouch.models.spec import SPEC_FILE, read_spec
from retouch.server.schemas import Model, Settings

INSERT, EXEMPLAR = f"{POCKET}/{INSERT_MEMBER}", f"{POCKET}/{EXEMPLAR_MEMBER}"
DEFAULT_MODELS = (POCKET, INSERT, EXEMPLAR)
BY_REFERENCE = (INSERT, EXEMPLAR)
"""Models that read pictures of an object and no words."""
_TITLES = {POCKET: "Pocket", INSERT: "Pocket, an object anywhere", EXEMPLAR: "Pocket, an object in a region"}


def usual_model(request: Request) -> str:
    """The pocket model for an edit: by words, or by its references, with a region or without."""
    regional = request.region is not None and (request.region.kind != "whole" or request.region.invert)
    return (EXEMPLAR if regional else INSERT) if request.references else POCKET


def offered_models(names: Sequence[str]) -> tuple[Model, ...]:
    """The models of these names as they are listed; the first that reads words is the default."""
    by_words = next((name for name in names if name not in BY_REFERENCE), names[0])
    return tuple(
        Model(
            name=name,
            title=_TITLES.get(name) or PurePath(name).name,
            reads_words=name not in BY_REFERENCE,
            reads_references=name in BY_REFERENCE,
            default=name == by_words,
            defaults=_defaults(name),
        )
        for name in names
    )


def choose_model(request: Request, names: Sequence[str]) -> str:
    """The model of these names that makes an edit which names none; raises SettingsError where none can."""
    usual = usual_model(request)
    by_words = [name for name in names if name not in BY_REFERENCE]
    if usual in names or (by_words and not request.references):
        return usual if usual in names else by_words[0]
    what = "pictures of an object" if request.references else "instructions"
    raise SettingsError(f"No model of this server reads {what}; name one of those it lists.")


def _defaults(name: str) -> Settings:
    """What a pocket model uses where a request leaves it open; of others only their worker knows."""
    family, _, member = name.partition("/")
    if family != POCKET:
        return Settings()
    folders = [find_pocket(each) for each in (member or DEFAULT_MEMBER, DEFAULT_MEMBER)]
    folder = next(folder for folder in folders if (folder / SPEC_FILE).is_file())
    known = read_spec(folder, "inpaint" if member == EXEMPLAR_MEMBER else "instruct").defaults
    return Settings(
        steps=known.steps,
        scheduler=known.scheduler,
        text_guidance=known.text_guidance,
        image_guidance=known.image_guidance,
    )
