"""The folder of answers worth keeping from one run to the next."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of answers worth keeping: `RETOUCH_CACHE`, or `~/.cache/retouch`."""
    return Path(os.environ.get("RETOUCH_CACHE") or Path.home() / ".cache" / "retouch")
