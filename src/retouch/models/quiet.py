"""Silence for the progress bars and notices that the libraries print while they load."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet_libraries(*, errors: bool = True) -> Iterator[None]:
    """Only errors of diffusers and transformers are shown inside; their settings come back on leaving.

    Without `errors` not even those, for who says them in a sentence.
    """
    levels = [(library, library.get_verbosity()) for library in (diffusers_logging, transformers_logging)]
    bars = [library for library in (diffusers_logging, transformers_logging) if library.is_progress_bar_enabled()]
    for library, _ in levels:
        library.set_verbosity(logging.ERROR if errors else logging.CRITICAL)
    for library in bars:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in levels:
            library.set_verbosity(level)
        for library in bars:
            library.enable_progress_bar()
