"""Specialise the pocket editor to what it never saw: `retouch train --recipe recipes/specialise.py --data DIR`.

DIR of the data holds `reserved`, made by `retouch data pairs --engine rooms --reserved` (see docs/pocket.md).
"""

from pathlib import Path

from retouch.training.kinds.instruct import InstructRecipe, InstructTask
from retouch.training.settings import TrainSettings


def specialise(data: Path, out: Path) -> InstructRecipe:
    """U-Net and text encoder, to which new colours are new words; a twentieth of the source pictures is held out."""
    return InstructRecipe(
        data=(data / "reserved",),
        base="pocket",
        cache=out / "latents",
        notes=("rooms of the kind and the colours that pocket checkpoints never saw",),
        task=InstructTask(flip=0.5, noise_bias=1.5, balance=0.1, regions=0.5, segments=0.3, train_text_encoder=True),
        settings=TrainSettings(
            steps=300,
            batch_size=16,
            learning_rate=2e-4,
            warmup=50,
            cooldown=150,
            ema_decay=0.995,
            save_every=50,
            validate_every=150,
        ),
    )
