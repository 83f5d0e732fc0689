"""Places in the work at which a test kills the process, to see that nothing is lost there."""

import os
import signal
from pathlib import Path

KILL_AT = "RETOUCH_KILL_AT"
"""The environment variable that names a label."""
KILL_ONCE = "RETOUCH_KILL_ONCE"
"""The environment variable that may name a file: who removes it is killed, and nobody after."""

WORKER_LABELS = (
    "worker-began",
    "after-claim",
    "at-step",
    "after-preview",
    "after-edit",
    "after-picture",
    "before-finish",
    "inside-finish",
    "after-finish",
)
SERVER_LABELS = ("inside-upload", "inside-project", "before-branch", "inside-branch", "after-branch")
LABELS = WORKER_LABELS + SERVER_LABELS


def reached(label: str) -> None:
    """End this process at once, as a failing machine would, where the environment names the label; else nothing."""
    if os.environ.get(KILL_AT) != label:
        return
    once = os.environ.get(KILL_ONCE)
    if once is not None:
        try:
            Path(once).unlink()
        except FileNotFoundError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
