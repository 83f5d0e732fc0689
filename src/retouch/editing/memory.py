"""One clear error for every way in which memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from retouch.core.errors import ModelError


@contextmanager
def memory_errors(what: str) -> Iterator[None]:
    """Raise ModelError, saying that `what` needs too much, where torch or Python runs out of memory."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(what) from error
    except RuntimeError as error:
        # The CPU allocator has no error class of its own.
        if "allocate memory" not in str(error):
            raise
        raise _out_of_memory(what) from error


def _out_of_memory(what: str) -> ModelError:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return ModelError(
        f"There is not enough memory for {what}; ask for fewer results at once, precision bfloat16, "
        "on a GPU the memory mode offload, a smaller model, or the device cpu."
    )
