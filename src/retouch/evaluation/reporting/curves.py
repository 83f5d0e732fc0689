"""The two published figures: what is kept against what is changed over image guidance, and each figure over it."""

from collections.abc import Sequence

from retouch.evaluation.likeness import DIRECTIONAL, IMAGE
from retouch.evaluation.measures import Column
from retouch.evaluation.reporting.analysis import Analysis
from retouch.evaluation.reporting.plots import COLOURS, Line, Point
from retouch.evaluation.results import Entrant

SWEPT = ("image_guidance", "text_guidance")
"""Settings that a figure may run over, the published one first."""
GREY = COLOURS - 1
SYMBOLS = {"image_guidance": "s_I", "text_guidance": "s_T"}


def trade_offs(analysis: Analysis) -> list[Line]:
    """A line a model: to the right CLIP_dir, upwards CLIP_im (InstructPix2Pix, arXiv 2211.09800, figure 8).

    Models with one setting, and baselines, are points. Empty where no model was swept over.
    """
    if swept(analysis) is None:
        return []
    lines = []
    for group, colour in _coloured(analysis):
        points = tuple(
            Point(x=across.value, y=up.value, label=_label(entrant, group))
            for entrant in _ordered(group)
            if (across := analysis.means.get((entrant.name, DIRECTIONAL)))
            and (up := analysis.means.get((entrant.name, IMAGE)))
        )
        if points:
            lines.append(Line(name=_called(group), points=points, colour=colour))
    return lines


def sweeps(analysis: Analysis, column: Column) -> list[Line]:
    """A line a model that was swept over: the setting to the right, the column's mean with its interval upwards."""
    lines = []
    for group, colour in _coloured(analysis):
        name = _values(group)
        points = tuple(
            Point(x=_setting(entrant, name), y=found.value, low=found.low, high=found.high)
            for entrant in (_ordered(group) if name else ())
            if name and (found := analysis.means.get((entrant.name, column.name)))
        )
        if points:
            lines.append(Line(name=_called(group), points=points, colour=colour))
    return lines


def swept(analysis: Analysis) -> str | None:
    """The symbol of what was swept over."""
    names = [name for group in _groups(analysis) if (name := _values(group))]
    return SYMBOLS[names[0]] if names else None


def _coloured(analysis: Analysis) -> list[tuple[list[Entrant], int]]:
    """The groups, each with the colour that it has in all figures; baselines are grey."""
    found, models = [], 0
    for group in _groups(analysis):
        found.append((group, GREY if group[0].baseline else models + models // GREY))
        models += not group[0].baseline
    return found


def _groups(analysis: Analysis) -> list[list[Entrant]]:
    """The contestants of each line, which vary in one setting; those of several are lines by all else."""
    groups: dict[tuple[str, str], list[Entrant]] = {}
    for entrant in analysis.results.entrants:
        if entrant.line is None:
            groups[entrant.name, ""] = [entrant]
            continue
        varied = _varied(analysis, entrant.line)
        rest = [
            f"{SYMBOLS[name]}={_setting(entrant, name):g}" for name in SWEPT if name in varied and name != varied[0]
        ]
        groups.setdefault((entrant.line, " ".join(rest)), []).append(entrant)
    return list(groups.values())


def _varied(analysis: Analysis, line: str) -> list[str]:
    members = [entrant for entrant in analysis.results.entrants if entrant.line == line]
    return [name for name in SWEPT if len({_setting(entrant, name) for entrant in members}) > 1]


def _values(group: Sequence[Entrant]) -> str | None:
    """The setting that varies in a group, None where none does."""
    return next((name for name in SWEPT if len({_setting(entrant, name) for entrant in group}) > 1), None)


def _called(group: Sequence[Entrant]) -> str:
    first, name = group[0], _values(group)
    if first.line is None or name is None:
        return first.name
    return " ".join(part for part in first.name.split(" ") if not part.startswith(f"{SYMBOLS[name]}="))


def _label(entrant: Entrant, group: Sequence[Entrant]) -> str:
    name = _values(group)
    return "" if name is None else f"{_setting(entrant, name):g}"


def _ordered(group: Sequence[Entrant]) -> list[Entrant]:
    name = _values(group)
    return list(group) if name is None else sorted(group, key=lambda entrant: _setting(entrant, name))


def _setting(entrant: Entrant, name: str | None) -> float:
    value = entrant.settings.get(_own(entrant, name or ""))
    return float(value) if isinstance(value, int | float) else 0.0


def _own(entrant: Entrant, name: str) -> str:
    """What a plain pipeline calls the setting."""
    plain = {"image_guidance": "image_guidance_scale", "text_guidance": "guidance_scale"}
    return name if name in entrant.settings else plain.get(name, name)
