"""Words for rooms and edits: instructions in real variety, captions, and text to train a tokenizer on."""

from retouch.scenes.language.captions import caption, captions
from retouch.scenes.language.corpus import vocabulary_corpus
from retouch.scenes.language.instructions import instruct
from retouch.scenes.language.mirror import mentions_side, mirrored

__all__ = ["caption", "captions", "instruct", "mentions_side", "mirrored", "vocabulary_corpus"]
