"""Memory that each kind of training takes at the size of Stable Diffusion 1.5, as Markdown.

    python bench/memory.py                  # computed: no weights, no GPU, some minutes
    python bench/memory.py --device cuda    # and measured: one real step of each case that fits

Computed means: the real networks as fake tensors, which have shapes and no content; one forward and backward pass
under a mode that counts every storage while it lives; and what the optimiser adds, by its own rules. Normalisations
give float32 under half precision, as they do on GPUs, and attention keeps what fused kernels keep. Not counted are what
no tensor holds: CUDA's context, workspaces of convolutions, and gaps in the allocator.
"""

import argparse
import gc
import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import ControlNetModel
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import CLIPTextConfig, CLIPTextModel

from retouch.models.architecture import STABLE_DIFFUSION_1, Architecture, random_checkpoint
from retouch.models.checkpoint import Checkpoint, TextTower
from retouch.models.tokenizer import train_tokenizer
from retouch.training.lora import add_lora
from retouch.training.optimiser import autocast, recompute_activations
from retouch.training.settings import Precision

GIGABYTE = 2**30
LIMIT = 24
SIZES, BATCHES = (256, 512), (1, 4)
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
RANK = 8


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to train: which kind, at which side in pixels, how many pictures at once, and how."""

    kind: str
    size: int
    batch: int
    precision: Precision
    checkpointing: bool


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Networks on the device, by name, and the loss of `batch` pictures of `size` pixels."""

    networks: Mapping[str, nn.Module]
    loss: Callable[[int, int], Tensor]

    @property
    def trained(self) -> list[nn.Parameter]:
        """What the optimiser moves."""
        return [value for value in _parameters(self.networks) if value.requires_grad]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes: all weights, the trained ones, and the highest that a step adds to the weights until its update."""

    weights: int
    trained: int
    step: int

    def total(self, *, eight_bit: bool, average: bool) -> int:
        """The peak in bytes with AdamW's moments in 32 or in 8 bits, and the average on the device or elsewhere.

        Gradients and moments are at their fullest at the update, where AdamW takes one more copy for its square
        roots and its 8-bit form (blocks of 256 with a float32 each) takes none.
        """
        moments = 2 * self.trained // 4 * (1 + 4 / 256) if eight_bit else 2 * self.trained
        update = self.trained * (1 if eight_bit else 2)
        kept = self.weights + moments + (self.trained if average else 0)
        return int(kept + max(self.step, update))


class LiveBytes(TorchDispatchMode):
    """Counts the storages that live at the same time, from those made within; `peak` is the most."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._seen: dict[int, object] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and note the storages of what it returns."""
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self.note(value)
        return result

    def ignore(self, tensors: Sequence[Tensor]) -> None:
        """Leave out what lives already."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            self._seen[storage._cdata] = storage

    def note(self, tensor: Tensor) -> None:
        """Count a tensor's storage once, for as long as it lives."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen[key] = weakref.finalize(storage, self._freed, key, size)
        self.live += size
        self.peak = max(self.peak, self.live)

    def _freed(self, key: int, size: int) -> None:
        del self._seen[key]
        self.live -= size


def step_bytes(subject: Subject, size: int, batch: int, precision: Precision) -> int:
    """The most that one forward and backward pass adds to the weights, in bytes, gradients among it."""
    for parameter in subject.trained:
        parameter.grad = None
    counter = LiveBytes()
    counter.ignore(_parameters(subject.networks))
    with counter:
        with autocast(precision, torch.device("cpu")):
            total = subject.loss(size, batch)
        total.backward()
    return counter.peak


def computed(cases: Sequence[Case], shape: Architecture = STABLE_DIFFUSION_1) -> Iterator[tuple[Case, Memory]]:
    """Compute each case on fake networks of a shape."""
    for (kind, checkpointing), group in itertools.groupby(cases, key=lambda case: (case.kind, case.checkpointing)):
        with torch.device("meta"):
            subject = make_subject(kind, shape, checkpointing=checkpointing)
        mode = FakeTensorMode()
        _pretend(subject.networks, mode)
        with mode:
            weights = _bytes(_parameters(subject.networks))
            for case in group:
                step = step_bytes(subject, case.size, case.batch, case.precision)
                yield case, Memory(weights=weights, trained=_bytes(subject.trained), step=step)


def _pretend(networks: Mapping[str, nn.Module], mode: FakeTensorMode) -> None:
    """Let weights on the meta device pass for weights on the CPU, whose kernels keep what those of a GPU keep.

    Normalisations get float32, as autocast gives them on GPUs but not on CPUs.
    """
    for module in (module for network in networks.values() for module in network.modules()):
        if isinstance(module, nn.GroupNorm | nn.LayerNorm):
            module.register_forward_pre_hook(lambda _module, inputs: (inputs[0].float(), *inputs[1:]))
        for name, value in module._parameters.items():
            if value is not None:
                fake = FakeTensor(mode, value.detach(), torch.device("cpu"))
                module._parameters[name] = nn.Parameter(fake, requires_grad=value.requires_grad)
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = FakeTensor(mode, value, torch.device("cpu"))


def measured(case: Case) -> int | None:
    """The peak of two real steps with AdamW and the average on the GPU, in bytes; None where memory runs out."""
    device = torch.device("cuda")
    gc.collect()
    torch.cuda.empty_cache()
    try:
        with device:
            subject = make_subject(case.kind, STABLE_DIFFUSION_1, checkpointing=case.checkpointing)
        optimiser = torch.optim.AdamW(subject.trained, lr=1e-5)
        average = [parameter.detach().clone() for parameter in subject.trained]
        torch.cuda.reset_peak_memory_stats()
        for _ in range(2):
            with autocast(case.precision, device):
                total = subject.loss(case.size, case.batch)
            total.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            torch._foreach_lerp_(average, [parameter.detach() for parameter in subject.trained], 0.01)
    except torch.OutOfMemoryError:
        return None
    return torch.cuda.max_memory_allocated()


def make_subject(kind: str, shape: Architecture, *, checkpointing: bool) -> Subject:
    """Networks of a kind, trained and frozen as its usual settings do, and its loss on pictures of noise."""
    checkpoint = _checkpoint(shape, "instruct" if kind.startswith("instruct") else "generate")
    networks = dict(checkpoint.modules)
    if kind == "instruct LoRA":
        add_lora(checkpoint.unet, rank=RANK, first_convolution=False)
    elif kind == "controlnet":
        networks["controlnet"] = ControlNetModel.from_unet(checkpoint.unet).requires_grad_(True)
    elif kind == "vae":
        networks = {"vae": checkpoint.vae}
        checkpoint.vae.decoder.requires_grad_(True)
        checkpoint.vae.post_quant_conv.requires_grad_(True)  # pyright: ignore[reportOptionalMemberAccess]
    else:
        checkpoint.unet.requires_grad_(True)
    for network in networks.values():
        network.train()
    if checkpointing:
        # A frozen network whose activations lead to trained weights keeps them too.
        recompute_activations(networks.values())
    return Subject(networks=networks, loss=_loss(kind, networks))


def _loss(kind: str, networks: Mapping[str, Any]) -> Callable[[int, int], Tensor]:
    def vae(size: int, batch: int) -> Tensor:
        device = networks["vae"].device
        pictures = torch.randn(batch, 3, size, size, device=device)
        with torch.no_grad():
            latents = networks["vae"].encode(pictures, return_dict=False)[0].mode()
        output = networks["vae"].decode(latents, return_dict=False)[0].float()
        return functional.l1_loss(output, pictures) + functional.mse_loss(output, pictures)

    def denoiser(size: int, batch: int) -> Tensor:
        unet, side = networks["unet"], size // 8
        device = unet.device
        cells = torch.randn(batch, unet.config["in_channels"], side, side, device=device)
        times = torch.zeros(batch, dtype=torch.long, device=device)
        ids = torch.zeros(batch, networks["text_encoder"].config.max_position_embeddings, dtype=torch.long)
        with torch.no_grad():
            context = networks["text_encoder"](ids.to(device)).last_hidden_state
        extra: dict[str, Any] = {}
        if "controlnet" in networks:
            picture = torch.randn(batch, 3, size, size, device=device)
            down, middle = networks["controlnet"](cells, times, context, picture, return_dict=False)
            extra = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        answer = unet(cells, times, context, return_dict=False, **extra)[0]
        return functional.mse_loss(answer.float(), torch.randn(answer.shape, device=device))

    return vae if kind == "vae" else denoiser


def _checkpoint(shape: Architecture, kind: Any) -> Checkpoint:
    checkpoint = random_checkpoint(shape, train_tokenizer(["a"], vocabulary=300, length=shape.text_length), kind=kind)
    # The published vocabulary's size, which no tokenizer learned here has.
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=shape.text_width,
        intermediate_size=4 * shape.text_width,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_heads,
        max_position_embeddings=shape.text_length,
    )
    encoder = CLIPTextModel(config).requires_grad_(False)
    return replace(checkpoint, text=TextTower(encoder=encoder, tokenizer=checkpoint.tokenizer))


def _parameters(networks: Mapping[str, nn.Module]) -> list[nn.Parameter]:
    return [parameter for network in networks.values() for parameter in network.parameters()]


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _gigabytes(size: float) -> str:
    text = f"{size / GIGABYTE:.1f}"
    return f"**{text}**" if size > LIMIT * GIGABYTE else text


def _fixed_table(found: Mapping[Case, Memory]) -> str:
    lines = ["| kind | weights | of them trained | gradients | AdamW | 8-bit AdamW | average |", "|---|" + "---:|" * 6]
    for kind in dict.fromkeys(case.kind for case in found):
        memory = next(memory for case, memory in found.items() if case.kind == kind)
        trained = memory.trained / GIGABYTE
        cells = (memory.weights / GIGABYTE, trained, trained, 2 * trained, 2 * trained / 4 * (1 + 4 / 256), trained)
        lines.append(f"| {kind} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _peak_table(kind: str, found: Mapping[Case, Memory]) -> str:
    ways = list(itertools.product(PRECISIONS, (False, True)))
    heads = [precision + (", recomputed" if checkpointing else "") for precision, checkpointing in ways]
    lines = [f"**{kind}**", "", "| size, batch | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(ways)]
    for size, batch in itertools.product(SIZES, BATCHES):
        cells = []
        for precision, checkpointing in ways:
            case = Case(kind=kind, size=size, batch=batch, precision=precision, checkpointing=checkpointing)
            most = found[case].total(eight_bit=False, average=True)
            least = found[case].total(eight_bit=True, average=False)
            cells.append(f"{_gigabytes(most)} / {_gigabytes(least)}")
        lines.append(f"| {size}², {batch} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _measured_table(found: Mapping[Case, Memory]) -> str:
    lines = [f"Measured on {torch.cuda.get_device_name()}:", "", "| case | computed | measured |", "|---|---:|---:|"]
    for case, memory in found.items():
        recomputed = ", recomputed" if case.checkpointing else ""
        peak = measured(case)
        shown = "out of memory" if peak is None else _gigabytes(peak)
        name = f"{case.kind}, {case.size}², {case.batch}, {case.precision}{recomputed}"
        lines.append(f"| {name} | {_gigabytes(memory.total(eight_bit=False, average=True))} | {shown} |")
    return "\n".join(lines) + "\n"


KINDS = ("instruct", "instruct LoRA", "controlnet", "text-to-image", "vae")


def main() -> None:
    """Print the fixed part of each kind, then its peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    arguments = parser.parse_args()
    ways = [(kind, checkpointing) for kind in arguments.kinds for checkpointing in (False, True)]
    cases = [
        Case(kind=kind, size=size, batch=batch, precision=precision, checkpointing=checkpointing)
        for kind, checkpointing in ways
        for size, batch, precision in itertools.product(SIZES, BATCHES, PRECISIONS)
    ]
    found = dict(computed(cases))
    print(_fixed_table(found))
    for kind in arguments.kinds:
        print(_peak_table(kind, found))
    if arguments.device == "cuda":
        print(_measured_table(found))


if __name__ == "__main__":
    main()
