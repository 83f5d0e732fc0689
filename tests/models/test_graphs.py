"""CUDA graphs in the place of torch's layers: the same answers, whatever is asked, and torch's where graphs cannot."""

from typing import Any

import pytest
import torch
from tests.conftest import MakeCheckpoint
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from retouch.attention.control import adding
from retouch.attention.layers import cross_layers
from retouch.conditioning.image import decode_latents, encode_source
from retouch.conditioning.reuse import DeepFeatures
from retouch.models import graphs
from retouch.models.checkpoint import Checkpoint
from retouch.models.computed import computed
from retouch.models.forms import UNetForm, VAEForm
from retouch.models.graphs import GraphMachine, use_graphs

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CALLS = 4
"""The first is computed as usual, the second recorded, the others replayed."""


@pytest.fixture(autouse=True)
def whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions of float32 in float32, which cuDNN does not do by itself."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture
def plain(make_tiny: MakeCheckpoint) -> Checkpoint:
    return _placed(make_tiny())


@pytest.fixture
def fast(make_tiny: MakeCheckpoint) -> Checkpoint:
    checkpoint = _placed(make_tiny())
    use_graphs(checkpoint)
    return checkpoint


def _placed(checkpoint: Checkpoint) -> Checkpoint:
    for network in checkpoint.modules.values():
        network.to(DEVICE)
    return checkpoint


def _inputs(seed: int, rows: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn((rows, 8, height, width), generator=generator)
    return latents.to(DEVICE), torch.randn((rows, 16, 16), generator=generator).to(DEVICE)


def _call(checkpoint: Checkpoint, seed: int, rows: int = 3, height: int = 8, width: int = 8, **more: Any) -> Tensor:
    latents, context = _inputs(seed, rows, height, width)
    time = torch.tensor(981 - seed, device=DEVICE)
    with torch.no_grad():
        return checkpoint.unet(latents, time, encoder_hidden_states=context, return_dict=False, **more)[0]


def test_the_unet_answers_as_torch_does_call_after_call(fast: Checkpoint, plain: Checkpoint) -> None:
    for seed in range(CALLS):
        for rows, height, width in ((3, 8, 8), (1, 16, 8)):
            found, wanted = (_call(each, seed, rows, height, width) for each in (fast, plain))
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_an_answer_is_the_callers_to_keep(fast: Checkpoint) -> None:
    answers = [_call(fast, seed) for seed in range(CALLS)]
    again = [_call(fast, seed) for seed in range(CALLS)]
    for one, other in zip(answers, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_autoencoder_answers_as_torch_does(fast: Checkpoint, plain: Checkpoint) -> None:
    for seed in range(CALLS):
        pixels = torch.rand((2, 3, 64, 32), generator=torch.Generator().manual_seed(seed)) * 2 - 1
        latents = [encode_source(each, pixels) for each in (fast, plain)]
        torch.testing.assert_close(*latents, rtol=1e-3, atol=1e-3)
        decoded = [decode_latents(each.vae, latents[1]) for each in (fast, plain)]
        torch.testing.assert_close(*decoded, rtol=1e-3, atol=1e-3)


def test_deep_features_are_torchs(fast: Checkpoint, plain: Checkpoint) -> None:
    both = [DeepFeatures(each.unet, 3) for each in (fast, plain)]
    for seed in range(3 * CALLS):
        latents, context = _inputs(seed, 2, 8, 8)
        time = torch.tensor(900 - seed, device=DEVICE)
        with torch.no_grad():
            found, wanted = (each("rows", latents, time, encoder_hidden_states=context) for each in both)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_control_of_attention_is_torchs_to_the_bit(fast: Checkpoint, plain: Checkpoint) -> None:
    for seed in range(CALLS):
        _call(fast, seed)
    answers = []
    for checkpoint in (fast, plain):
        with adding(cross_layers(checkpoint.unet), lambda _: lambda _layer, hidden: hidden * 0.1):
            answers.append(_call(checkpoint, 1))
    assert torch.equal(*answers)
    assert not torch.equal(answers[0], _call(fast, 1))


def test_changed_weights_are_seen(fast: Checkpoint, plain: Checkpoint) -> None:
    for seed in range(CALLS):
        _call(fast, seed)
    for checkpoint in (fast, plain):
        with torch.no_grad():
            checkpoint.unet.conv_in.weight.mul_(1.5)
    assert torch.equal(_call(fast, 1), _call(plain, 1))


def _decoder(make_tiny: MakeCheckpoint) -> tuple[GraphMachine, tuple[Tensor, ...], Tensor]:
    """A compiled half of an autoencoder, five rows for it, and what torch answers."""
    form = VAEForm(_placed(make_tiny()).vae, "decoder")
    inputs = tuple(each.to(DEVICE) for each in form.example(5, 8, 8)[0])
    with torch.no_grad():
        wanted = form.by_torch((inputs, {}))[0]
    return GraphMachine(form, compiled=True), inputs, wanted


def test_compiled_layers_answer_as_they_are(make_tiny: MakeCheckpoint) -> None:
    """A half of the smallest autoencoder, since compiling takes its time; five rows are computed as six."""
    machine, inputs, wanted = _decoder(make_tiny)
    for _ in range(CALLS):
        torch.testing.assert_close(machine.infer(inputs, wanted=1)[0], wanted, rtol=1e-3, atol=1e-3)
    # The same layers, made for six rows: nothing is compiled anew.
    with torch.compiler.set_stance("fail_on_recompile"):
        assert len(machine.infer(tuple(each[[0, 1, 2, 3, 4, 0]] for each in inputs), wanted=1)[0]) == 6


def test_layers_that_cannot_be_compiled_are_computed_as_they_are(
    make_tiny: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_inputs: Tensor) -> Tensor:
        raise TorchDynamoException("there is no compiler")

    monkeypatch.setattr(graphs, "compile_layers", lambda _layers: failing)
    machine, inputs, wanted = _decoder(make_tiny)
    for _ in range(CALLS):
        torch.testing.assert_close(machine.infer(inputs, wanted=1)[0], wanted, rtol=1e-4, atol=1e-4)
    assert caplog.text.count("there is no compiler") == 1


def test_all_numbers_of_rows_can_be_compiled(make_tiny: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a compiler that only counts: torch stops after eight sizes where nobody asks for more."""
    compiled: list[int] = []

    def counting(module: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        compiled.append(len(inputs))
        return module.forward

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda layers, **options: real(layers, **{**options, "backend": counting}))
    form = VAEForm(_placed(make_tiny()).vae, "decoder")
    machine = GraphMachine(form, compiled=True)
    for rows in graphs.ROWS:
        machine.infer(tuple(each.to(DEVICE) for each in form.example(rows, 4, 4)[0]), wanted=1)
    assert len(compiled) == len(graphs.ROWS)


@on_gpu
def test_shapes_beyond_the_limit_take_turns(fast: Checkpoint, plain: Checkpoint) -> None:
    for rows in [*range(1, graphs.LIMIT + 3)] * 3:
        torch.testing.assert_close(_call(fast, rows, rows), _call(plain, rows, rows), rtol=1e-4, atol=1e-4)


@on_gpu
def test_what_cannot_be_recorded_is_computed_as_usual(plain: Checkpoint, caplog: pytest.LogCaptureFixture) -> None:
    form = UNetForm(plain.unet)
    machine = GraphMachine(form)
    arguments, named = form.example(2, 8, 8)
    call = (
        tuple(each.to(DEVICE) for each in arguments),
        {**named, "encoder_hidden_states": named["encoder_hidden_states"].to(DEVICE)},
    )
    inputs = form.inputs(call)
    assert inputs is not None
    layer = plain.unet.conv_in
    # Reading a number waits for the GPU, which a recording cannot.
    handle = layer.register_forward_hook(lambda *_: float(layer.weight.sum()) and None)
    with torch.no_grad():
        answers = [machine.infer(inputs, wanted=1)[0] for _ in range(CALLS)]
        handle.remove()
        wanted = form.by_torch(call)[0]
    for answer in answers:
        torch.testing.assert_close(answer, wanted, rtol=1e-4, atol=1e-4)
    assert "without a CUDA graph" in caplog.text


@on_gpu
def test_graphs_make_room_where_memory_runs_out(fast: Checkpoint, plain: Checkpoint) -> None:
    for seed in range(CALLS):
        _call(fast, seed)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    # A little more than is there now, most of it in the graphs' own memory.
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 4 * 2**20) / total)
    try:
        found = _call(fast, 1, 64, 32, 32)
    except torch.OutOfMemoryError:
        found = None
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert found is None or torch.allclose(found, _call(plain, 1, 64, 32, 32), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(_call(fast, 2), _call(plain, 2), rtol=1e-4, atol=1e-4)


def test_it_is_known_who_computes(fast: Checkpoint, plain: Checkpoint) -> None:
    found = computed(fast.unet)
    assert found is not None and found.by == "graphs" and computed(plain.unet) is None
