"""A form's network as OpenVINO has compiled it."""

from threading import Lock
from typing import Any

import torch
from torch import Tensor


class Compiled:
    """See `Machine`; one call at a time."""

    def __init__(self, network: Any) -> None:
        self._request = network.create_infer_request()
        self._lock = Lock()

    def infer(self, inputs: tuple[Tensor, ...], *, wanted: int) -> tuple[Tensor, ...]:
        """See `Machine`; the answers are float32, and those not wanted take no time here."""
        arrays = [each.detach().float().contiguous().numpy() for each in inputs]
        with self._lock:
            found = self._request.infer(arrays, share_outputs=True)
            return tuple(torch.from_numpy(found[number].copy()) for number in range(wanted))
