"""The split that a command names."""

from typing import TYPE_CHECKING, cast

from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.records.pair import Split


def named_split(name: str) -> "Split":
    """The split called `name`; raises SettingsError where there is none."""
    from retouch.records.pair import SPLITS

    if name not in SPLITS:
        raise SettingsError(f"The split '{name}' is unknown; choose one of {', '.join(SPLITS)}.")
    return cast("Split", name)
