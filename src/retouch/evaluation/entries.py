"""What `--model` may name: a model, a plain pipeline of diffusers, or a baseline; and what each is called."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retouch.core.errors import SettingsError
from retouch.evaluation.sdedit import STRENGTH, check_strength

Kind = Literal["model", "diffusers", "baseline"]
MODEL: Kind = "model"
PLAIN: Kind = "diffusers"
BASELINE: Kind = "baseline"
BASELINES = ("source", "target", "round-trip", "untrained", "sdedit")
_WITH_MODEL = ("round-trip", "untrained")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One of them: `source` is the model's or the baseline's name, `argument` what follows a baseline's."""

    kind: Kind
    source: str
    argument: str = ""


def strength_of(entry: Entry) -> float:
    """The strength of SDEdit; raises SettingsError where it is no number in its range."""
    try:
        strength = float(entry.argument) if entry.argument else STRENGTH
    except ValueError as error:
        raise SettingsError(f"'{entry.argument}' is no strength of SDEdit; give a number above 0.") from error
    check_strength(strength)
    return strength


def entry_of(spec: str) -> Entry:
    """Read what `--model` names. Raises SettingsError for a baseline that there is not."""
    kind, colon, rest = spec.partition(":")
    if colon and kind == PLAIN:
        if not rest:
            raise SettingsError("'diffusers:' names no pipeline; give a folder or a hub id behind it.")
        return Entry(kind=PLAIN, source=rest)
    if not (colon and kind == BASELINE):
        if not spec.strip():
            raise SettingsError("The model's name is empty; give pocket, a folder or a hub id.")
        return Entry(kind=MODEL, source=spec)
    name, _, argument = rest.partition(":")
    if name not in BASELINES or (argument and name not in (*_WITH_MODEL, "sdedit")):
        raise SettingsError(f"The baseline '{rest}' is unknown; choose {', '.join(BASELINES)}.")
    entry = Entry(kind=BASELINE, source=name, argument=argument)
    if name == "sdedit":
        strength_of(entry)
    return entry


def distinct_names(specs: Sequence[str]) -> list[str]:
    """What each is called: a folder by its name, with those above it where two would be called the same.

    Raises SettingsError where one is named twice.
    """
    if len(set(specs)) < len(specs):
        twice = next(spec for spec, count in Counter(specs).items() if count > 1)
        raise SettingsError(f"'{twice}' takes part twice; name it once.")
    paths = [_path(spec) for spec in specs]
    names = [_name(spec, path, 1) for spec, path in zip(specs, paths, strict=True)]
    for depth in range(2, 12):
        counts = Counter(names)
        if max(counts.values(), default=1) == 1:
            break
        names = [
            _name(spec, path, depth) if counts[name] > 1 else name
            for spec, path, name in zip(specs, paths, names, strict=True)
        ]
    return names


def _path(spec: str) -> Path | None:
    entry = entry_of(spec)
    path = Path(entry.source).expanduser()
    return path.resolve() if entry.kind != BASELINE and path.exists() else None


def _name(spec: str, path: Path | None, depth: int) -> str:
    if path is None:
        return spec.removeprefix(f"{BASELINE}:")
    shown = "/".join(path.parts[-depth:])
    return f"{PLAIN}:{shown}" if spec.startswith(f"{PLAIN}:") else shown
