"""What somebody chooses for a kind's training beside its usual settings: on the command line, or from Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from retouch.core.errors import SettingsError
from retouch.training.settings import Optimiser, Precision, Schedule, TrainSettings


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What somebody wants otherwise than usual; None keeps the usual. See `TrainSettings`."""

    steps: int | None = None
    batch_size: int | None = None
    accumulate: int | None = None
    learning_rate: float | None = None
    schedule: Schedule | None = None
    precision: Precision | None = None
    checkpointing: bool | None = None
    optimiser: Optimiser | None = None
    seed: int | None = None

    @classmethod
    def named(
        cls,
        *,
        schedule: str | None,
        precision: str | None,
        optimiser: str | None,
        batch_size: int | None,
        accumulate: int | None,
        learning_rate: float | None,
        checkpointing: bool | None,
        seed: int | None,
    ) -> "Choices":
        """Choices from names as they are typed. Raises SettingsError for a name that is unknown."""
        known = {"schedule": get_args(Schedule), "precision": get_args(Precision), "optimiser": get_args(Optimiser)}
        names: dict[str, Any] = {"schedule": schedule, "precision": precision, "optimiser": optimiser}
        for setting, name in names.items():
            if name is not None and name not in known[setting]:
                raise SettingsError(f"The {setting} is '{name}'; choose {', '.join(known[setting])}.")
        return cls(
            **names,
            batch_size=batch_size,
            accumulate=accumulate,
            learning_rate=learning_rate,
            checkpointing=checkpointing,
            seed=seed,
        )

    def applied(self, settings: TrainSettings) -> TrainSettings:
        """`settings` with the choices in their places."""
        made = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(settings, **{name: value for name, value in made.items() if value is not None})


Objective = Literal["guidance", "consistency"]
"""What a student is to learn of its teacher, see `kinds.distil`."""


@dataclass(frozen=True, kw_only=True)
class Student:
    """What somebody wants of a student: what it learns, its steps, and how its teacher is guided; None: as usual."""

    objective: Objective | None = None
    steps: int | None = None
    text_guidance: float | None = None
    image_guidance: float | None = None

    @classmethod
    def named(
        cls, objective: str | None, *, steps: int | None, text_guidance: float | None, image_guidance: float | None
    ) -> "Student":
        """From a name as it is typed. Raises SettingsError for one that is unknown."""
        for known in (None, *get_args(Objective)):
            if objective == known:
                return cls(objective=known, steps=steps, text_guidance=text_guidance, image_guidance=image_guidance)
        raise SettingsError(f"The objective is '{objective}'; choose {', '.join(get_args(Objective))}.")


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a kind is made from: record folders, a model to start from, rank of a LoRA, where the run lies.

    `size` is the longest side in pixels that pictures are trained at, None the base's own; without `cache`
    nothing is encoded ahead of the training. A subject is made from a folder of `pictures` instead, has a `name`, and
    `background` says what becomes of that of its pictures, see `without_background`. `student` is for the kind distil.
    """

    data: Sequence[Path]
    base: str
    out: Path
    lora: int | None = None
    size: int | None = None
    cache: bool = True
    pictures: Path | None = None
    name: str | None = None
    background: str = "auto"
    student: Student = field(default_factory=Student)

    def refuse(self, kind: str, *options: Literal["lora", "size", "cache"]) -> None:
        """Raise SettingsError where one of `options` was chosen, which `kind` does not have."""
        chosen = {
            "lora": (self.lora is not None, "cannot be trained as a LoRA; leave --lora out"),
            "size": (self.size is not None, "has no size of pictures to choose; leave --size out"),
            "cache": (not self.cache, "encodes nothing ahead; leave --no-cache out"),
        }
        for option in options:
            wanted, reason = chosen[option]
            if wanted:
                raise SettingsError(f"The kind '{kind}' {reason}.")
