"""What a user may set for an edit that is given pictures of an object."""

from dataclasses import dataclass, fields, replace

from retouch.core.errors import SettingsError

MAXIMUM_WORDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ReferenceSettings:
    """How an edit follows its references; None means the general default.

    detail: of a model that reads details, how much they count beside the reference as a whole, m in 0…1; 0.8 (Subject
        Inpainting's).
    words: how much the words of the instruction count beside the references, in 0…2; 1.

    Raises SettingsError.
    """

    detail: float | None = None
    words: float | None = None

    def __post_init__(self) -> None:
        for name, value, high in (("detail", self.detail, 1.0), ("words", self.words, MAXIMUM_WORDS)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
                raise SettingsError(f"{name} is {value!r}; expected a number from 0 to {high:g}.")

    def over(self, others: "ReferenceSettings") -> "ReferenceSettings":
        """These settings with every None taken from others."""
        missing = (entry.name for entry in fields(self) if getattr(self, entry.name) is None)
        return replace(self, **{name: getattr(others, name) for name in missing})

    def resolve(self) -> "ReferenceSettings":
        """These settings with nothing left open."""
        return self.over(GENERAL_REFERENCE_DEFAULTS)


GENERAL_REFERENCE_DEFAULTS = ReferenceSettings(detail=0.8, words=1.0)
