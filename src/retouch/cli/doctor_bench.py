"""`retouch doctor --bench`: torch and OpenVINO beside each other on this machine, and which of them is chosen."""

from retouch.cli.output import say, say_json
from retouch.core.errors import SettingsError


def measure_backends(source: str, *, json: bool) -> None:
    """Time a step of a model with each backend and precision, print a table, and keep the choice for `auto`."""
    from retouch.editing.load import check_open
    from retouch.editing.measuring import BRANCHES, Measured, measure
    from retouch.models.openvino.library import is_installed

    try:
        check_open(source)
    except Exception as problem:
        raise SettingsError(f"'{source}' is not measured: torch alone computes it; name a model of the loop.") from problem
    say(f"A step of {BRANCHES} branches of '{source}', in seconds; the first time its networks are traced, minutes of")
