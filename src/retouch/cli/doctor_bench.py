"""`retouch doctor --bench`: the backends beside each other on this machine, and which of them is chosen."""

from typing import TYPE_CHECKING

from retouch.cli.output import say, say_json, say_table, warn

if TYPE_CHECKING:
    from retouch.editing.measuring import Measured


def measure_backends(source: str, *, json: bool) -> None:
    """Time a step of a model with each backend and precision, print a table, and keep the choice for `auto`.

    Where it cannot be kept a warning says so, and where.
    """
    import torch

    from retouch.core.cache import cache_folder
    from retouch.editing.load import check_open
    from retouch.editing.measuring import BRANCHES, measure
    from retouch.models.openvino.library import is_installed

    check_open(source)
    if not torch.cuda.is_available() and not is_installed():
        warn("OpenVINO is not installed, so torch alone is measured; add it with: pip install 'retouch[openvino]'.")
    found = tuple(measure(source))
    kept = all(each.kept is not None for each in found)
    if not kept:
        warn(
            f"This could not be kept in {cache_folder()}, so `--backend auto` goes on as before; set RETOUCH_CACHE to "
            "a folder that can be written, and measure again."
        )
    if json:
        say_json([_facts(each) for each in found])
        return
    takes = "auto takes" if kept else "auto would take"
    say_table(("precision", "seconds of a step", takes, "why"), [_row(each) for each in found])
    auto = "; this is what `--backend auto` goes by from now on" if kept else ""
    say(f"A step of {BRANCHES} branches of '{source}'{auto}.")


def _facts(measured: "Measured") -> dict[str, object]:
    return {
        "precision": measured.precision,
        "seconds": dict(measured.seconds),
        "chosen": measured.chosen,
        "kept": measured.kept is not None,
    }


def _row(measured: "Measured") -> tuple[str, ...]:
    name = f"{measured.precision} (auto)" if measured.usual else measured.precision
    seconds = ", ".join(f"{backend} {taken:.4g}" for backend, taken in measured.seconds.items())
    return name, seconds, measured.chosen, _why(measured)


def _why(measured: "Measured") -> str:
    from retouch.editing.backend import ADVANTAGE

    if len(measured.seconds) == 1:
        return "there is nothing to compare it with"
    if measured.chosen == "torch":
        return f"no other is {ADVANTAGE:g} times as fast, which memory and start cost"
    return f"{measured.seconds['torch'] / measured.seconds[measured.chosen]:.2f} times as fast as torch"
