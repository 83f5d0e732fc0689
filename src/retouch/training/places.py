"""Where in the picture an edit is, in words: "at the top left"."""

from torch import Tensor

LARGEST_SHARE = 0.5
"""Of the picture: an edit that changes more is nowhere in particular."""

_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")


def placed(instruction: str, changed: Tensor) -> str:
    """Return an instruction that says where it applies, from the changed shares of cells, (h, w) in 1/255.

    It stays as it is where all, nothing or too much changes, or where it names a place already.
    """
    location = location_of(changed)
    if location is None or any(word in instruction.lower() for word in ("left", "right", " at ")):
        return instruction
    bare = instruction.rstrip(" .!?")
    return f"{bare} at {location}{instruction[len(bare) :]}"


def location_of(changed: Tensor) -> str | None:
    """Return which ninth of the picture the middle of the change lies in, or None where it is nowhere in particular."""
    shares = changed.float() / 255
    total = float(shares.sum())
    if not 0 < total <= LARGEST_SHARE * shares.numel():
        return None
    height, width = shares.shape
    row = float((shares.sum(dim=1) * (shares.new_tensor(range(height)) + 0.5)).sum()) / total / height
    column = float((shares.sum(dim=0) * (shares.new_tensor(range(width)) + 0.5)).sum()) / total / width
    words = f"{_ROWS[int(row * 3)]} {_COLUMNS[int(column * 3)]}".strip()
    return f"the {words or 'center'}"
