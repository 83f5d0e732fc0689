"""`retouch doctor --bench`: torch and OpenVINO beside each other on this machine, and which of them is chosen."""

from typing import TYPE_CHECKING

from retouch.cli.output import say, say_json, say_table, warn

if TYPE_CHECKING:
    from retouch.editing.measuring import Measured

COLUMNS = ("precision", "torch, s", "openvino, s", "times as fast", "auto takes", "why")


def measure_backends(source: str, *, json: bool) -> None:
    """Time a step of a model with each backend and precision, print a table, and keep the choice for `auto`."""
    from retouch.editing.load import check_open
    from retouch.editing.measuring import BRANCHES, measure
    from retouch.models.openvino.library import is_installed

    check_open(source)
    if not is_installed():
        warn("OpenVINO is not installed, so torch alone is measured; add it with: pip install 'retouch[openvino]'.")
    found = tuple(measure(source))
    if json:
        say_json(
            [{"precision": each.precision, "seconds": dict(each.seconds), "chosen": each.chosen} for each in found]
        )
        return
    say_table(COLUMNS, [_row(each) for each in found])
    say(f"A step of {BRANCHES} branches of '{source}'; this is what `--backend auto` goes by from now on.")


def _row(measured: "Measured") -> tuple[str, ...]:
    torch_seconds, openvino_seconds = (measured.seconds.get(name) for name in ("torch", "openvino"))
    name = f"{measured.precision} (auto)" if measured.usual else measured.precision
    if torch_seconds is None or openvino_seconds is None:
        return name, f"{torch_seconds or 0:.3f}", "-", "-", measured.chosen, "there is no OpenVINO to compare it with"
    ratio = torch_seconds / openvino_seconds
    return name, f"{torch_seconds:.3f}", f"{openvino_seconds:.3f}", f"{ratio:.2f}", measured.chosen, _why(ratio)


def _why(ratio: float) -> str:
    from retouch.editing.backend import ADVANTAGE

    if ratio >= ADVANTAGE:
        return "OpenVINO is the faster"
    return f"OpenVINO is not {ADVANTAGE:g} times as fast, which its memory and start cost"
