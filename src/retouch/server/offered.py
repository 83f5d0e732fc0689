"""The models that a server offers, and which of them makes an edit that names none."""

from collections.abc import Sequence

from retouch.core.errors import SettingsError
from retouch.designs.request import Request
from retouch.models.pocket import EXEMPLAR_MEMBER, INSERT_MEMBER, POCKET

INSERT, EXEMPLAR = f"{POCKET}/{INSERT_MEMBER}", f"{POCKET}/{EXEMPLAR_MEMBER}"
DEFAULT_MODELS = (POCKET, INSERT, EXEMPLAR)
BY_REFERENCE = (INSERT, EXEMPLAR)
"""Models that read pictures of an object and no words."""


def choose_model(request: Request, offered: Sequence[str]) -> str:
    """The model that makes an edit: as it says, else by words, or by its references with a region or without.

    Raises SettingsError where none of those that are offered can.
    """
    if request.model:
        if request.model not in offered:
            raise SettingsError(f"The model '{request.model}' is not one this server offers; choose one it lists.")
        return request.model
    regional = request.region is not None and (request.region.kind != "whole" or request.region.invert)
    wanted = [EXEMPLAR if regional else INSERT] if request.references else [n for n in offered if n not in BY_REFERENCE]
    found = next((name for name in wanted if name in offered), None)
    if found is None:
        what = "pictures of an object" if request.references else "instructions"
        raise SettingsError(f"No model of this server reads {what}; name one of those it lists.")
    return found
