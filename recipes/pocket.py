"""How the pocket family is made: `retouch train --recipe recipes/pocket.py MEMBER --data DIR --out DIR`.

DIR of the data holds record folders, made by `retouch data pairs` (see docs/pocket.md):
`rooms`, `photos` of the train split and `rooms-validation`, `photos-validation` to measure on.
The writer's data is text alone: it is made when it is first wanted, and kept beside them.
"""

from dataclasses import replace
from itertools import chain
from pathlib import Path

from retouch.datagen.labelled import photo_instructions, room_instructions
from retouch.datagen.marked import marked_open_instructions, marked_room_instructions
from retouch.datagen.photos.language import vocabulary_corpus as photos_language
from retouch.datagen.phrases.write import phrases_file
from retouch.datagen.triples import room_triples
from retouch.models.architecture import POCKET
from retouch.models.spec import ConditioningSpec
from retouch.records.labelled import save_labelled
from retouch.records.marked import save_marked
from retouch.records.pair import Split
from retouch.records.triple import save_triples
from retouch.scenes.language import vocabulary_corpus as rooms_language
from retouch.training.kinds.clip import ClipRecipe, ClipTask
from retouch.training.kinds.controlnet import ControlNetRecipe, ControlNetTask
from retouch.training.kinds.exemplar import ExemplarRecipe, ExemplarTask
from retouch.training.kinds.generate import GenerateRecipe, GenerateTask
from retouch.training.kinds.insert import InsertRecipe, InsertTask
from retouch.training.kinds.instruct import InstructRecipe, InstructTask
from retouch.training.kinds.ip_adapter import IPAdapterRecipe, IPAdapterTask
from retouch.training.kinds.parser import ParserRecipe
from retouch.training.kinds.placement import PlacementRecipe
from retouch.training.kinds.reader import ReaderRecipe
from retouch.training.kinds.segmenter import SegmenterRecipe
from retouch.training.kinds.vae import VaeRecipe, VaeTask
from retouch.training.kinds.writer import WriterRecipe, WriterTask
from retouch.training.settings import TrainSettings

SPEC = ConditioningSpec(
    condition_scaled=True,
    denoises="change",
    steps=4,
    scheduler="ddim",
    text_guidance=1.5,
    image_guidance=1.0,
    native_size=256,
    keep_detail="always",
)
GENERATE_SPEC = ConditioningSpec(
    kind="generate",
    condition_scaled=True,
    channel_order=("latents",),
    steps=6,
    scheduler="ddim",
    text_guidance=3.0,
    image_guidance=1.0,
    native_size=256,
)

POCKET_EDITOR = "pocket/instruct"
EXEMPLAR_SPEC = replace(
    SPEC,
    kind="inpaint",
    channel_order=("latents", "masked-image", "mask"),
    mask_meaning="white-is-kept",
    text_guidance=3.0,
    keep_detail="never",
)

SMALL = replace(
    POCKET, unet_widths=(32, 64, 128), attention=(False, True, True), norm_groups=8, text_width=128, text_layers=3
)
"""A quarter of the editor's U-Net: what text-to-image and its ControlNet have room for."""

_REFERENCED = ("rooms", "changes", "additions", "insertions")  # rooms with pictures of their objects, see the docs
_NOTES = (
    "rooms rendered by Retouch itself",
    "photographs of the train and validation splits of clothing-dataset-small (alexeygrigorev, CC0 1.0)",
)


def vae(data: Path, out: Path) -> VaeRecipe:
    """The autoencoder: factor 8, 4 channels, 2.6M parameters, on rooms and photographs."""
    del out
    return VaeRecipe(
        data=(data / "rooms", data / "photos"),
        held_out={"rooms": data / "rooms-validation", "photographs": data / "photos-validation"},
        from_colours=True,
        task=VaeTask(crop=128, squared=4.0, divergence=1e-3),
        settings=TrainSettings(
            steps=3_300, batch_size=6, learning_rate=4e-4, warmup=100, cooldown=2_100, ema_decay=0.998
        ),
    )


def decoder(data: Path, out: Path) -> VaeRecipe:
    """The autoencoder's decoder alone, trained on while its latent space stays as it is."""
    return VaeRecipe(
        data=(data / "rooms", data / "photos"),
        held_out={"rooms": data / "rooms-validation", "photographs": data / "photos-validation"},
        base=out / "vae" / "model",
        task=VaeTask(crop=128, decoder_only=True),
        settings=TrainSettings(
            steps=20_000, batch_size=8, learning_rate=5e-4, warmup=100, cooldown=4_000, ema_decay=0.999
        ),
    )


def reader(data: Path, out: Path) -> ReaderRecipe:
    """The editor's tokenizer and text encoder, taught by instructions alone what they ask: minutes, not hours."""
    del out
    return ReaderRecipe(
        data=(_instructions(data / "instructions.jsonl", 60_000, "train"),),
        held_out=(_instructions(data / "instructions-validation.jsonl", 600, "validation"),),
        texts=_language,
        vocabulary=3_000,
        notes=("instructions of rooms and of photographs, made without pictures (train split, seed 0)",),
        settings=TrainSettings(
            steps=2_500,
            batch_size=64,
            learning_rate=1e-3,
            warmup=100,
            cooldown=750,
            ema_decay=0.99,
            precision="float32",
            save_every=250,
            validate_every=500,
        ),
    )


def instruct(data: Path, out: Path) -> InstructRecipe:
    """The editor: an 8-channel U-Net of 17M parameters on what the reader reads; on a GPU minutes, on a CPU days."""
    return InstructRecipe(
        data=(*(data / name for name in _REFERENCED), data / "photos"),
        held_out=(data / "rooms-validation", data / "photos-validation"),
        cache=out / "latents",
        vae=out / "vae" / "model",
        text_encoder=out / "reader" / "model",
        spec=replace(SPEC, fast_unguided=True),
        notes=_NOTES,
        task=InstructTask(flip=0.5, noise_bias=1.5, balance=0.1, regions=0.5, segments=0.3, train_text_encoder=False),
        settings=TrainSettings(
            steps=6_000,
            batch_size=256,
            learning_rate=8e-4,
            warmup=200,
            cooldown=1_800,
            ema_decay=0.998,
            save_every=250,
            validate_every=1_500,
        ),
    )


def clip(data: Path, out: Path) -> ClipRecipe:
    """The encoder of texts and pictures: 2M parameters, on both sides of every pair."""
    del out
    return ClipRecipe(
        data=(data / "rooms", data / "photos"),
        held_out={"rooms": data / "rooms-validation", "photographs": data / "photos-validation"},
        texts=_language,
        notes=_NOTES,
        task=ClipTask(flip=0.5, shift=8, words=0.5, segments=0.5),
        settings=TrainSettings(
            steps=3_000,
            batch_size=32,
            learning_rate=1.5e-3,
            warmup=60,
            cooldown=300,
            weight_decay=0.1,
            ema_decay=0.99,
            precision="float32",
            save_every=100,
            validate_every=400,
        ),
    )


def generate(data: Path, out: Path) -> GenerateRecipe:
    """Text to image: a 4-channel U-Net of 4.2M parameters on what the CLIP model's text tower reads."""
    return GenerateRecipe(
        data=(data / "rooms", data / "photos"),
        held_out=(data / "rooms-validation", data / "photos-validation"),
        cache=out / "latents",
        vae=out / "vae" / "model",
        text_encoder=out / "clip" / "model",
        spec=GENERATE_SPEC,
        notes=_NOTES,
        task=GenerateTask(noise_bias=0.5, train_text_encoder=False),
        architecture=SMALL,
        settings=TrainSettings(
            steps=20_000, batch_size=16, learning_rate=5e-4, warmup=200, cooldown=3_000, ema_decay=0.998
        ),
    )


def controlnet(data: Path, out: Path) -> ControlNetRecipe:
    """Canny edges for `generate`: a ControlNet of 2M parameters."""
    return ControlNetRecipe(
        data=(data / "rooms", data / "photos"),
        held_out=(data / "rooms-validation", data / "photos-validation"),
        base=out / "generate" / "model",
        cache=out / "latents",
        notes=_NOTES,
        task=ControlNetTask(channels=(8, 16, 32, 64)),
        settings=TrainSettings(
            steps=6_000, batch_size=16, learning_rate=3e-4, warmup=200, cooldown=1_000, ema_decay=0.998
        ),
    )


def insert(data: Path, out: Path) -> InsertRecipe:
    """What puts the object of a reference where it belongs, over the editor in the package."""
    return InsertRecipe(
        data=tuple(data / name for name in _REFERENCED),
        held_out=(data / "rooms-validation",),
        base=POCKET_EDITOR,
        cache=out / "latents",
        notes=_NOTES[:1],
        task=InsertTask(
            words=0.2, pull=0.5, null="empty-text", changed_weight=2.0, noise_bias=1.5, balance=0.1, rank=16
        ),
        settings=TrainSettings(
            steps=6_000,
            batch_size=16,
            learning_rate=1e-3,
            warmup=100,
            cooldown=1_500,
            ema_decay=0.998,
            save_every=100,
            validate_every=500,
        ),
    )


def exemplar(data: Path, out: Path) -> ExemplarRecipe:
    """What fills a region with the object of a reference, over the editor in the package."""
    return ExemplarRecipe(
        data=tuple(data / name for name in _REFERENCED),
        held_out=(data / "rooms-validation",),
        base=POCKET_EDITOR,
        spec=EXEMPLAR_SPEC,
        cache=out / "latents",
        notes=_NOTES[:1],
        task=ExemplarTask(
            layers=1, detail_layers=1, detail_grid=3, inside_weight=2.0, noise_bias=1.5, balance=0.1, rank=24
        ),
        settings=TrainSettings(
            steps=8_000,
            batch_size=16,
            learning_rate=3e-4,
            warmup=200,
            cooldown=1_500,
            ema_decay=0.998,
            save_every=100,
            validate_every=500,
        ),
    )


def ip_adapter(data: Path, out: Path) -> IPAdapterRecipe:
    """Lets the editor read a picture of the object: four tokens of its embedding, the editor as it is."""
    return IPAdapterRecipe(
        data=tuple(data / name for name in _REFERENCED),
        held_out=(data / "rooms-validation",),
        base="pocket",
        cache=out / "latents",
        notes=_NOTES[:1],
        task=IPAdapterTask(wordless=0.3, changed_weight=2.0, noise_bias=1.5, balance=0.1),
        settings=TrainSettings(
            steps=12_000,
            batch_size=16,
            learning_rate=3e-4,
            warmup=200,
            cooldown=3_000,
            ema_decay=0.998,
            save_every=250,
            validate_every=1_500,
        ),
    )


def ip_adapter_plus(data: Path, out: Path) -> IPAdapterRecipe:
    """The same with sixteen tokens of the picture's patches."""
    recipe = ip_adapter(data, out)
    return replace(recipe, task=replace(recipe.task, variant="plus"))


def writer(data: Path, out: Path) -> WriterRecipe:
    """The writer of instruction triples: a causal language model of 1.4M parameters, on words of rooms alone."""
    del out
    return WriterRecipe(
        data=(_triples(data / "room-triples.jsonl", 60_000, "train"),),
        held_out=(_triples(data / "room-triples-validation.jsonl", 600, "validation"),),
        texts=lambda: rooms_language(1_500, 0),
        notes=("triples of rooms in Retouch's own scene language (train split, seed 0), made without pictures",),
        task=WriterTask(parts=2),
        settings=TrainSettings(
            steps=10_000,
            batch_size=8,
            learning_rate=2e-3,
            warmup=100,
            cooldown=4_000,
            ema_decay=0.995,
            precision="float32",
            save_every=250,
            validate_every=500,
        ),
    )


def segmenter(data: Path, out: Path) -> SegmenterRecipe:
    """What finds phrases and points in pictures: 2.4M parameters, its words those of the CLIP model."""
    return SegmenterRecipe(
        data={data / name: phrases_file(data / name) for name in ("rooms", "photos")},
        held_out={data / name: phrases_file(data / name) for name in ("rooms-validation", "photos-validation")},
        words=out / "clip" / "model",
        notes=_NOTES,
        settings=TrainSettings(
            steps=20_000,
            batch_size=4,
            learning_rate=1e-3,
            warmup=100,
            cooldown=5_000,
            ema_decay=0.998,
            save_every=250,
            validate_every=1_000,
        ),
    )


def placement(data: Path, out: Path) -> PlacementRecipe:
    """What proposes where an object goes: 0.6M parameters over what the segmenter sees and the CLIP model reads.

    Those two are the members in the package, by whose names an installation finds them.
    """
    del out
    return PlacementRecipe(
        data=(data / "insertions", data / "rooms"),
        held_out=(data / "rooms-validation",),
        notes=("rooms rendered by Retouch itself",),
        settings=TrainSettings(
            steps=4_000,
            batch_size=16,
            learning_rate=1e-3,
            warmup=100,
            cooldown=1_500,
            weight_decay=0.05,
            ema_decay=0.998,
            precision="float32",
            save_every=250,
            validate_every=500,
        ),
    )


def parser(data: Path, out: Path) -> ParserRecipe:
    """The reader of instructions into parts and steps: a spaCy pipeline, trained in minutes on words alone."""
    del out
    return ParserRecipe(
        data=(_marked(data / "marked.jsonl", 40_000, "train"),),
        held_out={"rooms": _marked(data / "marked-validation.jsonl", 1_000, "validation")},
        notes=("instructions of rooms and of anything else, made without pictures (train split, seed 0)",),
        settings=TrainSettings(
            steps=900, batch_size=64, learning_rate=2e-3, warmup=100, schedule="cosine", weight_decay=1e-6
        ),
    )


def _marked(file: Path, count: int, split: Split) -> Path:
    """The file of marked instructions of a split, made where it is not there yet; half of train is of anything."""
    if not file.is_file():
        if split == "train":
            rooms = marked_room_instructions(count // 2, seed=0, split=split)
            save_marked(file, chain(rooms, marked_open_instructions(count - count // 2, seed=0)))
        else:
            save_marked(file, marked_room_instructions(count, seed=0, split=split))
    return file


def _triples(file: Path, count: int, split: Split) -> Path:
    """The file of room triples of a split, made where it is not there yet: minutes for the train split."""
    if not file.is_file():
        save_triples(file, room_triples(count, seed=0, split=split))
    return file


def _instructions(file: Path, count: int, split: Split) -> Path:
    """The file of labelled instructions of a split, made where it is not there yet; a quarter is of photographs."""
    if not file.is_file():
        rooms = room_instructions(count, seed=0, split=split)
        save_labelled(file, chain(rooms, photo_instructions(count // 3, seed=0 if split == "train" else 1)))
    return file


def _language() -> list[str]:
    """What the tokenizer should know beyond the words of the records themselves."""
    return [*rooms_language(1_500, 0), *photos_language(6_000, 0)]
