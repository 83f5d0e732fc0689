"""A network as OpenVINO reads it."""

import warnings
from copy import deepcopy
from typing import Any

import torch

from retouch.models.forms import Form
from retouch.models.openvino.library import library
from retouch.models.rewritten import rewrite_for_openvino


@torch.no_grad()
def traced(form: Form) -> Any:
    """The network as OpenVINO reads it, its number of rows, height and width left open."""
    network = deepcopy(form.network).float()
    rewrite_for_openvino(network)
    shown = form.shown(network).eval()
    side = side_of(form)
    inputs = form.inputs(form.example(2, side, 2 * side))
    assert inputs is not None
    given = tuple(each.float() for each in inputs)
    with warnings.catch_warnings():
        # The sizes that torch warns of are those that `inputs` sees to.
        warnings.simplefilter("ignore")
        script = torch.jit.trace(shown, given, check_trace=False, strict=False)
    # What `openvino.convert_model` does takes ten times as long.
    frontend = library("openvino.frontend").FrontEndManager().load_by_framework("pytorch")
    # Named, since it has to live for as long as it is read.
    decoder = library("openvino.frontend.pytorch.ts_decoder").TorchScriptPythonDecoder(script, example_input=given)
    return frontend.convert(frontend.load(decoder))


def side_of(form: Form) -> int:
    """Cells along a side that are few, and that the network takes."""
    return max(8, form.step)
