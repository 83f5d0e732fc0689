"""Samples a second of training an editor: `retouch train instruct` beside the step of diffusers' own example.

    python bench/train.py [--steps 12] [--batch 4]

Both train the same weights on the same pairs with the same optimiser, in float32 on the CPU and in bfloat16 on a
GPU. Diffusers' `train_instruct_pix2pix` decodes two pictures a sample, encodes both and the text at every step;
its loop is retold here over the same modules. Retouch's latents are encoded once: that time is told apart.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel
from PIL import Image
from torch.nn import functional

from retouch.core.images import png_bytes
from retouch.models.architecture import STABLE_DIFFUSION_1, Architecture, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.tokenizer import train_tokenizer
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer, read_records
from retouch.training.cache import Preparation, pair_tables
from retouch.training.kinds.instruct import InstructKind, InstructTask
from retouch.training.pictures import Sizes
from retouch.training.settings import Precision, TrainSettings
from retouch.training.trainer import Progress, train

SMALL = replace(
    STABLE_DIFFUSION_1,
    unet_widths=(40, 80, 160, 160),
    heads=4,
    vae_widths=(16, 32, 64, 64),
    norm_groups=8,
    vae_norm_groups=8,
    text_width=96,
    text_heads=4,
)
"""Stable Diffusion 1's shape at an eighth of its width, where U-Net and autoencoder cost as much beside one another."""

WORDS = ["make the sofa green", "remove the lamp", "turn it into a night shot"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is trained at which size, in pixels, and how."""

    name: str
    architecture: Architecture
    side: int
    batch: int
    steps: int
    device: torch.device
    precision: Precision


def main() -> None:
    """Print samples a second of both and their ratio, for each case this machine can run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=4)
    chosen = parser.parse_args()
    for case in _cases(chosen.steps, chosen.batch):
        with tempfile.TemporaryDirectory() as folder:
            _compare(case, Path(folder))


def _cases(steps: int, batch: int) -> Iterator[Case]:
    cpu = torch.device("cpu")
    yield Case(
        name="an eighth of SD 1.5's width", architecture=SMALL, side=256, batch=batch, steps=steps, device=cpu,
        precision="float32",
    )  # fmt: skip
    if torch.cuda.is_available():
        for side in (256, 512):
            yield Case(
                name="SD 1.5", architecture=STABLE_DIFFUSION_1, side=side, batch=16, steps=steps,
                device=torch.device("cuda"), precision="bfloat16",
            )  # fmt: skip


def _compare(case: Case, folder: Path) -> None:
    data = _pairs(folder / "data", case)
    theirs = _theirs(_checkpoint(case), data, case)
    prepared, ours = _ours(_checkpoint(case), data, case, folder)
    print(
        f"{case.name}, {case.side} px, batch {case.batch}, {case.precision} on {case.device.type}: "
        f"Retouch {ours:.2f} samples/s, diffusers' step {theirs:.2f} samples/s, ratio {ours / theirs:.2f}; "
        f"encoding ahead {prepared * 1000:.0f} ms a picture, once",
        flush=True,
    )


def _checkpoint(case: Case) -> Checkpoint:
    tokenizer = train_tokenizer(WORDS, vocabulary=300, length=case.architecture.text_length)
    checkpoint = random_checkpoint(case.architecture, tokenizer, seed=0)
    for module in checkpoint.modules.values():
        module.to(case.device)
    return checkpoint


def _pairs(folder: Path, case: Case) -> Path:
    """Pairs of smooth noise: what a picture shows does not change what it costs."""
    generator = np.random.default_rng(0)
    records = []
    for number in range(4 * case.batch):
        source, target = (_picture(generator, case.side) for _ in range(2))
        records.append(
            PairRecord(
                id=f"noise-{number}",
                source_image=source,
                target_image=target,
                edit_prompt=WORDS[number % len(WORDS)],
                source_caption="noise",
                target_caption="noise",
                engine="noise",
                seed=number,
                params={"kind": "noise"},
                split="train",
            )
        )
    with open_writer(folder, engine="noise", settings={}) as writer:
        writer.write(records, first_unit=0, units=len(records))
    return folder


def _picture(generator: np.random.Generator, side: int) -> bytes:
    coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return png_bytes(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def _ours(checkpoint: Checkpoint, data: Path, case: Case, folder: Path) -> tuple[float, float]:
    """Seconds a picture of encoding ahead, and samples a second of the trainer with all it does at each step."""
    began = time.perf_counter()
    sizes = Sizes(native=case.side)
    tables = pair_tables(Preparation(vae=checkpoint.vae, cache=folder / "latents", sizes=sizes), data, split="train")
    prepared = (time.perf_counter() - began) / sum(len(table.posteriors) for table in tables)
    task = InstructTask(train_text_encoder=False)
    kind = InstructKind(checkpoint, tables, tables, task, mirrored=str)
    settings = TrainSettings(
        steps=case.steps + 2, batch_size=case.batch, learning_rate=5e-5, precision=case.precision,
        save_every=10**6, validate_every=10**6,
    )  # fmt: skip
    times: list[float] = []

    def note(_progress: Progress) -> None:
        _settle(case.device)
        times.append(time.perf_counter())

    train(kind, settings, folder / "run", on_progress=note, cancelled=lambda: len(times) == case.steps + 1)
    return prepared, case.steps * case.batch / (times[-1] - times[0])


def _theirs(checkpoint: Checkpoint, data: Path, case: Case) -> float:
    """Samples a second of the published trainer's step, EMA on as its recipe has it."""
    checkpoint.unet.train().requires_grad_(True)
    parameters = list(checkpoint.unet.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=5e-5, weight_decay=1e-2)
    average = EMAModel(checkpoint.unet.parameters())
    schedule = DDPMScheduler.from_config(dict(checkpoint.scheduler_config))
    records = list(read_records(data))
    generator = torch.Generator().manual_seed(0)
    times: list[float] = []
    for step in range(case.steps + 1):
        picked = [records[(step * case.batch + place) % len(records)] for place in range(case.batch)]
        with torch.autocast(case.device.type, torch.bfloat16, enabled=case.precision == "bfloat16"):
            loss = _their_loss(checkpoint, schedule, picked, case, generator)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        average.step(parameters)
        _settle(case.device)
        times.append(time.perf_counter())
    return case.steps * case.batch / (times[-1] - times[0])


def _their_loss(
    checkpoint: Checkpoint, schedule: Any, records: list[PairRecord], case: Case, generator: torch.Generator
) -> torch.Tensor:
    vae: Any = checkpoint.vae
    edited = _tensor([record.target_image for record in records], case)
    original = _tensor([record.source_image for record in records], case)
    latents = vae.encode(edited).latent_dist.sample() * vae.config.scaling_factor
    noise = torch.randn(latents.shape, generator=generator).to(case.device)
    times = torch.randint(0, schedule.config.num_train_timesteps, (len(records),), generator=generator).to(case.device)
    noisy = schedule.add_noise(latents, noise, times)
    context = _context(checkpoint, [record.edit_prompt for record in records])
    null = _context(checkpoint, [""])
    draw = torch.rand(len(records), generator=generator).to(case.device)
    context = torch.where((draw < 0.1)[:, None, None], null, context)
    image = vae.encode(original).latent_dist.mode()
    image = image * (1 - ((draw >= 0.05) & (draw < 0.15)).to(image.dtype))[:, None, None, None]
    prediction = checkpoint.unet(torch.cat([noisy, image], dim=1), times, context, return_dict=False)[0]
    return functional.mse_loss(prediction.float(), noise.float())


def _context(checkpoint: Checkpoint, texts: list[str]) -> torch.Tensor:
    length = checkpoint.tokenizer.model_max_length
    ids = checkpoint.tokenizer(
        texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    ).input_ids
    return checkpoint.text_encoder(torch.as_tensor(ids).to(checkpoint.device))[0]


def _tensor(pictures: list[bytes], case: Case) -> torch.Tensor:
    """Decoded, resized and scaled at every step, as that trainer's data set does."""
    shown = []
    for data in pictures:
        with Image.open(io.BytesIO(data)) as image:
            resized = image.convert("RGB").resize((case.side, case.side))
        shown.append(torch.from_numpy(np.array(resized)).permute(2, 0, 1))
    return (torch.stack(shown).float() / 127.5 - 1).to(case.device)


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
