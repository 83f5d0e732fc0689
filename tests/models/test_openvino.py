"""OpenVINO beside torch on the same weights: equal answers, torch's own where somebody looks in, a cache that mends."""

import importlib.util
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import MakeCheckpoint
from torch import Tensor

from retouch.attention.control import adding
from retouch.attention.layers import cross_layers
from retouch.conditioning.image import decode_latents, encode_source
from retouch.core.errors import MissingExtraError, ModelError
from retouch.models.architecture import TINY, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.computed import Computed, computed
from retouch.models.computed_levels import ComputedLevels
from retouch.models.forms import ShortForm, UNetForm
from retouch.models.levels import TorchLevels
from retouch.models.openvino import attach, library
from retouch.models.openvino.attach import left_to_torch, use_openvino
from retouch.models.openvino.kept import NETWORK, kept_folder

CACHE = "RETOUCH_CACHE"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder that the tests of this file share, so that a network is traced once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv(CACHE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def fast(cache: Path, make_tiny: MakeCheckpoint) -> Checkpoint:
    """A tiny editor given to OpenVINO; leave it as it is."""
    checkpoint = make_tiny()
    use_openvino(checkpoint)
    return checkpoint


@pytest.fixture
def fresh(fast: Checkpoint, make_tiny: MakeCheckpoint) -> Checkpoint:
    """The same with networks of its own, from the cache."""
    checkpoint = make_tiny()
    use_openvino(checkpoint)
    return checkpoint


def call(checkpoint: Checkpoint, rows: int, height: int, width: int, **more: Any) -> Tensor:
    generator = torch.Generator().manual_seed(rows * 100 + height)
    latents = torch.randn((rows, 8, height, width), generator=generator).to(checkpoint.dtype)
    context = torch.randn((rows, 16, 16), generator=generator).to(checkpoint.dtype)
    with torch.no_grad():
        return checkpoint.unet(latents, torch.tensor(981), encoder_hidden_states=context, return_dict=False, **more)[0]


def apart(found: Tensor, wanted: Tensor) -> float:
    """The difference as a share of what is wanted, root mean square."""
    return float((found - wanted).float().square().mean().sqrt() / wanted.float().square().mean().sqrt())


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (2, 16, 24), (5, 4, 2)])
def test_the_unet_answers_as_torch_does_whatever_rows_and_sides(
    fast: Checkpoint, tiny_checkpoint: Checkpoint, shape: tuple[int, int, int]
) -> None:
    before = left_to_torch(fast)
    found = call(fast, *shape)
    assert left_to_torch(fast) == before
    assert apart(found, call(tiny_checkpoint, *shape)) < 1e-5


def test_the_autoencoder_answers_as_torch_does(fast: Checkpoint, tiny_checkpoint: Checkpoint) -> None:
    pixels = torch.randn((2, 3, 64, 96), generator=torch.Generator().manual_seed(0))
    latents, wanted = encode_source(fast, pixels), encode_source(tiny_checkpoint, pixels)
    assert apart(latents, wanted) < 1e-5
    assert apart(decode_latents(fast.vae, wanted), decode_latents(tiny_checkpoint.vae, wanted)) < 1e-5
    assert left_to_torch(fast) == 0


def test_bfloat16_is_as_near_to_float32_as_torch_is(
    cache: Path, make_tiny: MakeCheckpoint, tiny_checkpoint: Checkpoint
) -> None:
    half, plain = make_tiny(), make_tiny()
    for checkpoint in (half, plain):
        unet: Any = checkpoint.unet
        unet.to(torch.bfloat16)
    use_openvino(half)
    wanted = call(tiny_checkpoint, 2, 8, 8)
    found = call(half, 2, 8, 8)
    assert found.dtype == torch.bfloat16 and left_to_torch(half) == 0
    assert apart(found, wanted) < 2 * apart(call(plain, 2, 8, 8), wanted) + 1e-3
    arguments, context = at(2, 8, 8, torch.bfloat16)
    with torch.no_grad():
        answer, given = levels(half).whole(*arguments, encoder_hidden_states=context)
        short = levels(half).short(given, *arguments, encoder_hidden_states=context)
    assert answer.dtype == given.dtype == short.dtype == torch.bfloat16 and left_to_torch(half) == 0
    assert apart(short, answer) < 0.03


def test_sides_that_the_network_would_pad_are_torchs(fresh: Checkpoint, tiny_checkpoint: Checkpoint) -> None:
    found = call(fresh, 1, 7, 9)
    assert left_to_torch(fresh) == 1
    assert torch.equal(found, call(tiny_checkpoint, 1, 7, 9))


def test_a_control_of_attention_is_torchs_to_the_bit_and_only_while_it_is_there(
    fresh: Checkpoint, tiny_checkpoint: Checkpoint
) -> None:
    def held(checkpoint: Checkpoint) -> Tensor:
        with adding(cross_layers(checkpoint.unet), lambda _: lambda _layer, hidden: hidden * 0.1):
            return call(checkpoint, 2, 8, 8)

    assert torch.equal(held(fresh), held(tiny_checkpoint))
    assert left_to_torch(fresh) == 1
    call(fresh, 2, 8, 8)
    assert left_to_torch(fresh) == 1


def test_residuals_of_a_controlnet_are_torchs(fresh: Checkpoint, tiny_checkpoint: Checkpoint) -> None:
    middle = {"mid_block_additional_residual": torch.ones(2, 32, 4, 4)}
    down = [torch.zeros(2, width, side, side) for width, side in ((16, 8), (16, 8), (16, 4), (32, 4))]
    named = {**middle, "down_block_additional_residuals": down}
    assert torch.equal(call(fresh, 2, 8, 8, **named), call(tiny_checkpoint, 2, 8, 8, **named))
    assert left_to_torch(fresh) == 1


def test_changed_weights_are_seen(fresh: Checkpoint, make_tiny: MakeCheckpoint) -> None:
    plain = make_tiny()
    for checkpoint in (fresh, plain):
        with torch.no_grad():
            checkpoint.unet.conv_out.weight.mul_(2)
    assert torch.equal(call(fresh, 1, 8, 8), call(plain, 1, 8, 8))


def test_hooks_are_heard(fresh: Checkpoint) -> None:
    heard: list[Tensor] = []
    hook = fresh.unet.mid_block.register_forward_hook(lambda *event: heard.append(event[2]))
    call(fresh, 1, 8, 8)
    hook.remove()
    assert len(heard) == 1


def test_gradients_are_torchs(fresh: Checkpoint) -> None:
    latents = torch.randn(1, 8, 8, 8, requires_grad=True)
    context = torch.randn(1, 16, 16)
    answer = fresh.unet(latents, torch.tensor(3), encoder_hidden_states=context, return_dict=False)[0]
    answer.sum().backward()
    assert latents.grad is not None and left_to_torch(fresh) == 1


def test_a_copy_is_torchs_alone(fresh: Checkpoint, tiny_checkpoint: Checkpoint) -> None:
    copied = deepcopy(fresh.unet)
    assert computed(copied) is None and isinstance(computed(fresh.unet), Computed)
    with torch.no_grad():
        copied.conv_out.weight.zero_()
    assert apart(call(fresh, 1, 8, 8), call(tiny_checkpoint, 1, 8, 8)) < 1e-5


def test_what_is_kept_is_not_traced_again(
    fast: Checkpoint, make_tiny: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_form: Any) -> Any:
        raise AssertionError("traced again")

    monkeypatch.setattr(attach, "traced", refuse)
    use_openvino(make_tiny())
    with pytest.raises(AssertionError, match="traced again"):
        use_openvino(make_tiny(seed=1))


def levels(checkpoint: Checkpoint, layers: int = 2) -> ComputedLevels:
    fast = computed(checkpoint.unet)
    assert fast is not None
    return ComputedLevels(checkpoint.unet, fast, layers)


def at(rows: int, height: int, width: int, dtype: torch.dtype = torch.float32) -> tuple[tuple[Tensor, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(rows * 100 + height)
    latents = torch.randn((rows, 8, height, width), generator=generator).to(dtype)
    return (latents, torch.tensor(981)), torch.randn((rows, 16, 16), generator=generator).to(dtype)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 16, 24), (5, 4, 2)])
@torch.no_grad()
def test_levels_answer_as_torchs_do_whatever_rows_and_sides(
    fast: Checkpoint, tiny_checkpoint: Checkpoint, shape: tuple[int, int, int], layers: int
) -> None:
    arguments, context = at(*shape)
    found, wanted = levels(fast, layers), TorchLevels(tiny_checkpoint.unet, layers)
    whole, right = (each.whole(*arguments, encoder_hidden_states=context) for each in (found, wanted))
    assert torch.equal(right[0], call(tiny_checkpoint, *shape))
    assert apart(whole[0], right[0]) < 1e-5 and apart(whole[1], right[1]) < 1e-5
    # Other than what the coarser levels gave, so that it is seen to be read.
    given = right[1].flip(1)
    short, right_short = (each.short(given, *arguments, encoder_hidden_states=context) for each in (found, wanted))
    assert apart(short, right_short) < 1e-5 < apart(short, right[0])
    assert left_to_torch(fast) == 0


@torch.no_grad()
def test_what_the_finest_level_was_given_is_what_its_block_hears(tiny_checkpoint: Checkpoint) -> None:
    heard: list[Tensor] = []
    block = tiny_checkpoint.unet.up_blocks[-1]
    hook = block.register_forward_pre_hook(lambda *event: heard.append(event[2]["hidden_states"]), with_kwargs=True)
    try:
        call(tiny_checkpoint, 2, 8, 8)
        arguments, context = at(2, 8, 8)
        given = TorchLevels(tiny_checkpoint.unet, 2).whole(*arguments, encoder_hidden_states=context)[1]
    finally:
        hook.remove()
    assert len(heard) == 2 and torch.equal(given, heard[0])


@torch.no_grad()
def test_the_short_network_is_taken_in_when_it_is_needed_and_kept(
    make_tiny: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))
    checkpoint, (arguments, context) = make_tiny(), at(2, 8, 8)
    use_openvino(checkpoint)
    _, given = levels(checkpoint).whole(*arguments, encoder_hidden_states=context)
    assert not list(kept_folder().glob("unet-last-*"))
    short = levels(checkpoint).short(given, *arguments, encoder_hidden_states=context)
    assert (kept_folder() / attach._key(ShortForm(checkpoint.unet, 2), torch.float32) / NETWORK).is_file()

    def refuse(_form: Any) -> Any:
        raise AssertionError("traced again")

    monkeypatch.setattr(attach, "traced", refuse)
    other = make_tiny()
    use_openvino(other)
    assert torch.equal(levels(other).short(given, *arguments, encoder_hidden_states=context), short)
    assert left_to_torch(checkpoint) == left_to_torch(other) == 0


@torch.no_grad()
def test_levels_of_changed_weights_are_torchs(fresh: Checkpoint, make_tiny: MakeCheckpoint) -> None:
    plain, (arguments, context) = make_tiny(), at(2, 8, 8)
    for checkpoint in (fresh, plain):
        checkpoint.unet.conv_out.weight.mul_(2)
    answer, given = levels(fresh).whole(*arguments, encoder_hidden_states=context)
    right, right_given = TorchLevels(plain.unet, 2).whole(*arguments, encoder_hidden_states=context)
    assert torch.equal(answer, right) and torch.equal(given, right_given)
    short = levels(fresh).short(given, *arguments, encoder_hidden_states=context)
    assert torch.equal(short, TorchLevels(plain.unet, 2).short(given, *arguments, encoder_hidden_states=context))
    assert left_to_torch(fresh) == 2


@pytest.mark.parametrize("harm", ["truncated", "foreign", "emptied", "gone", "compiled"])
def test_damaged_files_are_made_anew(
    fast: Checkpoint, tiny_checkpoint: Checkpoint, make_tiny: MakeCheckpoint, harm: str
) -> None:
    checkpoint = make_tiny()
    place = kept_folder() / attach._key(UNetForm(checkpoint.unet), torch.float32)
    _harm(place, harm)
    use_openvino(checkpoint)
    assert apart(call(checkpoint, 2, 8, 8), call(tiny_checkpoint, 2, 8, 8)) < 1e-5
    assert (place / NETWORK).stat().st_size > 1000


def _harm(place: Path, harm: str) -> None:
    weights = place / "network.bin"
    match harm:
        case "truncated":
            weights.write_bytes(weights.read_bytes()[:-100])
        case "foreign":
            weights.write_bytes(bytes(weights.stat().st_size))
        case "emptied":
            (place / NETWORK).write_text("")
        case "gone":
            (place / "facts.json").unlink()
        case _:
            for blob in (place / "compiled").iterdir():
                blob.chmod(0o600)
                blob.write_bytes(blob.read_bytes()[:200])


def test_a_folder_that_cannot_be_written_is_done_without(
    make_tiny: MakeCheckpoint, tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(CACHE, str(tmp_path / "file"))
    checkpoint = make_tiny()
    use_openvino(checkpoint)
    assert apart(call(checkpoint, 2, 8, 8), call(tiny_checkpoint, 2, 8, 8)) < 1e-5


def test_a_disk_that_is_full_is_done_without(
    make_tiny: MakeCheckpoint, tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))
    checkpoint, (soft, hard) = make_tiny(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        use_openvino(checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert apart(call(checkpoint, 2, 8, 8), call(tiny_checkpoint, 2, 8, 8)) < 1e-5
    assert not [path for path in kept_folder().iterdir() if path.is_dir()]


def test_networks_of_five_levels_are_taken_in(cache: Path, tiny_tokenizer: Any) -> None:
    deep = replace(TINY, unet_widths=(16,) * 5, attention=(True,) * 4 + (False,), vae_widths=(8,) * 5)
    checkpoint, plain = random_checkpoint(deep, tiny_tokenizer), random_checkpoint(deep, tiny_tokenizer)
    use_openvino(checkpoint)
    assert apart(call(checkpoint, 1, 32, 16), call(plain, 1, 32, 16)) < 1e-5
    assert left_to_torch(checkpoint) == 0


def test_where_one_network_is_refused_all_stay_torchs(
    cache: Path, make_tiny: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(form: Any) -> Any:
        raise RuntimeError(f"no {form.name}")

    checkpoint = make_tiny()
    use_openvino(make_tiny())
    checkpoint.vae.decoder.conv_in.weight.data.mul_(2)
    monkeypatch.setattr(attach, "traced", refuse)
    with pytest.raises(ModelError, match=r"cannot take the vae-decoder.*no vae-decoder.*backend torch"):
        use_openvino(checkpoint)
    assert computed(checkpoint.unet) is None and computed(checkpoint.vae.encoder) is None


def test_a_network_that_answers_otherwise_is_refused(
    cache: Path, make_tiny: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = attach.traced
    other = make_tiny(seed=3)
    monkeypatch.setattr(attach, "traced", lambda form: right(UNetForm(other.unet)))
    with pytest.raises(ModelError, match="answers otherwise than torch"):
        use_openvino(make_tiny(seed=2))


def test_types_that_it_does_not_compute_in_are_refused(make_tiny: MakeCheckpoint) -> None:
    checkpoint = make_tiny()
    unet: Any = checkpoint.unet
    unet.to(torch.float64)
    with pytest.raises(ModelError, match="float64 on cpu"):
        use_openvino(checkpoint)


def test_a_missing_extra_is_named(make_tiny: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "is_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"retouch\[openvino\]"):
        use_openvino(make_tiny())


def test_openvino_tells_its_makers_nothing(tmp_path: Path) -> None:
    assert importlib.util.find_spec("openvino_telemetry") is not None
    script = (
        "import sys\nfrom retouch.models.openvino.library import library\n"
        "library('openvino.frontend.pytorch.ts_decoder')\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=120)
    assert not list(tmp_path.iterdir())


def test_a_signal_is_heard_after_networks_are_gone(tiny_folder: Path, tmp_path: Path) -> None:
    """Python's handlers run on the thread's stack for signals, which must outlive what OpenVINO made."""
    program = (
        "import gc, os, signal, sys\n"
        "from retouch.editing.editor import Editor\n"
        "def load():\n"
        "    return Editor.load(sys.argv[1], device='cpu', precision='float32', backend='openvino')\n"
        "editors = [load(), load()]\n"
        "while editors:\n    del editors[0]\n    gc.collect()\n"
        "signal.signal(signal.SIGINT, lambda *_: print('heard', flush=True))\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    command = [sys.executable, "-X", "faulthandler", "-c", program, str(tiny_folder)]
    environment = {**os.environ, "RETOUCH_CACHE": str(tmp_path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stdout) == (0, "heard\n"), ran.stderr
