"""Phrases for a photograph of one garment: its names, with its colour where that is told, and what is absent."""

import re
from random import Random

from retouch.core.seeds import derive_seed
from retouch.datagen.photos.language import NOUNS, UNKNOWN
from retouch.datagen.phrases.absent import absent_nouns
from retouch.records.pair import PairRecord
from retouch.records.phrases import Phrase
from retouch.scenes.palette import TRAINED_COLOURS

_GROUPS = (
    ("t-shirt", "longsleeve", "outwear", "jacket", "coat", "dress", "shirt", "blouse", "sweater", "hoodie"),
    ("pants", "trousers", "jeans", "shorts", "skirt", "dress"),
    ("hat",),
    ("shoes",),
    ("bag",),
)
"""Folders whose garments may be taken for one another, or may be in one picture."""
_COLOUR = re.compile(rf"a photo of (?:an? )?(?P<colour>{'|'.join(TRAINED_COLOURS)}) ")


def photo_phrases(record: PairRecord, *, seed: int) -> tuple[Phrase, ...]:
    """Phrases for a photograph's source; none where its record has no object mask. The same seed gives the same."""
    noun = str(record.params.get("object", ""))
    folders = [name for name, known in NOUNS.items() if noun in known.words]
    if record.object_mask is None or not (folders or noun in UNKNOWN.words):
        return ()
    generator = Random(derive_seed(seed, "phrases", record.id))
    words = sorted({word for name in folders for word in NOUNS[name].words if noun in NOUNS[name].words} or {noun})
    texts = {noun, generator.choice(words)} if folders else {noun}
    found = _COLOUR.match(record.source_caption)
    if found is not None:
        texts |= {f"{found['colour']} {noun}"}
    phrases = [Phrase(text=_spoken(text, generator), kind="garment", area="object") for text in sorted(texts)]
    phrases.append(Phrase(text="the background", kind="background", area="background"))
    absent = {generator.choice(absent_nouns("photos"))} | _unlike(folders, generator)
    phrases += [Phrase(text=_spoken(text, generator), kind="absent") for text in sorted(absent)]
    return tuple({phrase.text: phrase for phrase in phrases}.values())


def _unlike(folders: list[str], generator: Random) -> set[str]:
    """Three garments that this one cannot be taken for."""
    near = {name for group in _GROUPS if set(group) & set(folders) for name in group}
    known = {word for name in near for word in NOUNS[name].words}
    others = [name for group in _GROUPS for name in group if name not in near] if folders else []
    words = sorted({word for name in others for word in NOUNS[name].words} - known)
    return set(generator.sample(words, min(3, len(words))))


def _spoken(text: str, generator: Random) -> str:
    return text if generator.random() < 0.15 else f"the {text}"
