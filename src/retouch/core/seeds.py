"""Seeds derived from one seed and a path of names, stable across processes, platforms and releases."""

import hashlib
import json

MAXIMUM_SEED = 2**63 - 1


def derive_seed(seed: int, *names: str | int) -> int:
    """The seed of one named part of a run, in [0, 2**63).

    The same arguments always give the same seed; `1` and `"1"` are different names. Two parts with
    different names are as good as independent, so adding a part never shifts another one's numbers.
    """
    path = json.dumps([seed, *names], separators=(",", ":")).encode()
    return int.from_bytes(hashlib.sha256(path).digest()[:8], "big") >> 1
