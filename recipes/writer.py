"""How a writer is made of a large language model: `retouch train --recipe recipes/writer.py MEMBER --out DIR`.

No data is needed: the triples come with the package. To learn from others, `retouch train writer --data FILE` has the
same settings.
"""

from pathlib import Path

from retouch.datagen.seeds import seed_triples
from retouch.records.triple import load_triples
from retouch.training.kinds.writer import WriterRecipe, WriterTask
from retouch.training.settings import TrainSettings

EPOCHS = 3
BATCH = 8
VALIDATION_EVERY = 20


def gemma(data: Path, out: Path) -> WriterRecipe:
    """All of google/gemma-2b, as InstructPix2Pix was rebuilt: batches of 4 × 2, 512 tokens, three epochs, seed 42."""
    del data, out
    file = seed_triples()
    count = sum(1 for _ in load_triples(file))
    return WriterRecipe(
        data=(file,),
        base="google/gemma-2b",
        validation_every=VALIDATION_EVERY,
        notes=("triples written by hand that come with Retouch",),
        task=WriterTask(length=512),
        settings=TrainSettings(
            steps=max(1, EPOCHS * count * (VALIDATION_EVERY - 1) // (VALIDATION_EVERY * BATCH)),
            batch_size=BATCH,
            accumulate=2,
            learning_rate=5e-5,
            schedule="linear",
            warmup=0,
            ema_decay=0.0,
            precision="bfloat16",
            seed=42,
        ),
    )
