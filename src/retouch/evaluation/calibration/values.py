"""What calibration speaks of: settings, what an edit scores under two objectives, and how a setting did."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from retouch.core.errors import SettingsError
from retouch.core.settings import EditSettings


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is looked for; `image_guidance` is None for models that have none."""

    text_guidance: float
    image_guidance: float | None
    steps: int

    def over(self, settings: EditSettings) -> EditSettings:
        """Those settings with these in them; raises SettingsError where one is out of range."""
        return replace(settings, text_guidance=self.text_guidance, image_guidance=self.image_guidance, steps=self.steps)

    @property
    def label(self) -> str:
        """Short, for tables and pictures."""
        image = "" if self.image_guidance is None else f" image {self.image_guidance:g}"
        return f"text {self.text_guidance:g}{image} steps {self.steps}"

    @property
    def flags(self) -> str:
        """The options that `retouch edit` takes them by."""
        image = "" if self.image_guidance is None else f" --image-guidance {self.image_guidance:g}"
        return f"--text-guidance {self.text_guidance:g}{image} --steps {self.steps}"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The values to try; empty means the model's own alone."""

    text_guidance: tuple[float, ...] = ()
    image_guidance: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()

    def settings(self, default: Setting) -> tuple[Setting, ...]:
        """Every combination, the default first, each once.

        Raises:
            SettingsError: a value is out of range, or an image guidance is asked for of a model that has none.
        """
        if self.image_guidance and default.image_guidance is None:
            raise SettingsError("This model has no image guidance; leave --image-guidance out.")
        images: Sequence[float | None] = self.image_guidance or (default.image_guidance,)
        made = [
            Setting(text_guidance=text, image_guidance=image, steps=steps)
            for text in self.text_guidance or (default.text_guidance,)
            for image in images
            for steps in self.steps or (default.steps,)
        ]
        for setting in made:
            setting.over(EditSettings())
        return tuple(dict.fromkeys((default, *made)))


@dataclass(frozen=True, kw_only=True)
class Score:
    """One edit: how well it went where the words went and how well it kept the rest; None where that is not asked."""

    follows: float | None
    keeps: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Point:
    """A setting in the mean over `cases` cases; `rounds` says how many rounds it was in."""

    setting: Setting
    cases: int
    rounds: int
    follows: float
    keeps: float
    seconds: float


def mean_point(setting: Setting, scores: Sequence[Score], *, rounds: int) -> Point:
    """The means of what was asked; 0 where nothing was."""
    follows = [score.follows for score in scores if score.follows is not None]
    keeps = [score.keeps for score in scores if score.keeps is not None]
    return Point(
        setting=setting,
        cases=len(scores),
        rounds=rounds,
        follows=fmean(follows) if follows else 0.0,
        keeps=fmean(keeps) if keeps else 0.0,
        seconds=fmean(score.seconds for score in scores),
    )


def default_setting(defaults: EditSettings) -> Setting:
    """A model's own; raises SettingsError where it states no steps or no text guidance."""
    if defaults.steps is None or defaults.text_guidance is None:
        raise SettingsError(
            "This model states no steps or no text guidance of its own; there is nothing to compare with."
        )
    return Setting(text_guidance=defaults.text_guidance, image_guidance=defaults.image_guidance, steps=defaults.steps)
