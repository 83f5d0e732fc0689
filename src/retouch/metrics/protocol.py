"""Ids of protocols: all that a metric's values depend on, made, checked and compared."""

from collections.abc import Mapping

from retouch.core.errors import DataError


def protocol_id(name: str, *, encoder: str, resize: str, pixels: str, scaling: str, version: int = 1) -> str:
    """The protocol's id, `<name>/<encoder>/<resize>/<range>/<scaling>/v<version>`; slashes in parts become `--`."""
    parts = (name, encoder, resize, pixels, scaling)
    return "/".join([*(part.replace("/", "--") for part in parts), f"v{version}"])


def check_protocol(protocol: str) -> str:
    """The id itself. Raises DataError where it is none that `protocol_id` makes."""
    parts = protocol.split("/")
    if len(parts) != 6 or not all(parts) or not (parts[-1][:1] == "v" and parts[-1][1:].isdecimal()):
        raise DataError(
            f"'{protocol}' is no protocol of a metric; expected name/encoder/resize/range/scaling/v1, as a metric's "
            "own 'protocol' says it."
        )
    return protocol


def same_protocols(ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    """See that figures may be set side by side: each column of both has the same protocol in both.

    Args:
        ours, theirs: protocols by the name of the column; columns that only one side has are not compared.

    Raises:
        DataError: protocols differ, or one is none; the message names the columns.
    """
    for protocol in (*ours.values(), *theirs.values()):
        check_protocol(protocol)
    differing = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    if differing:
        shown = "; ".join(f"{name}: '{ours[name]}' and '{theirs[name]}'" for name in differing)
        raise DataError(
            f"Figures of different protocols cannot be compared ({shown}); measure one side again under the other's."
        )
