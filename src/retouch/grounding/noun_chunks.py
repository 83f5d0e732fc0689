"""Read an instruction by spaCy's noun chunks: every one is a candidate, and the picture decides between them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from retouch.core.errors import MissingExtraError, ModelError
from retouch.grounding.phrases import ParsedStep, Scope

if TYPE_CHECKING:
    from spacy.language import Language

PIPELINE = "en_core_web_sm"
READER = "noun-chunks"


class NounChunks:
    """A `PhraseFinder` by a spaCy pipeline that parses, as Grounded-Instruct-Pix2Pix reads instructions.

    An instruction is one step. Its candidates are its noun chunks, word for word, but for those of pronouns and
    stop words alone; where there are none it is about the whole picture.
    """

    def __init__(self, pipeline: "Language", *, name: str) -> None:
        self._pipeline, self._name = pipeline, name

    @property
    def name(self) -> str:
        """The reader and its pipeline."""
        return f"{READER}:{self._name}"

    def read(self, instruction: str) -> tuple[ParsedStep, ...]:
        """The one step of an instruction; raises ModelError where the pipeline does not parse."""
        text = " ".join(instruction.split())
        if not text:
            return ()
        document = self._pipeline(text)
        try:
            chunks = [chunk.text for chunk in document.noun_chunks if any(map(_says_something, chunk))]
        except (ValueError, NotImplementedError) as error:
            raise ModelError(
                f"The spaCy pipeline '{self._name}' finds no noun chunks; name one with a parser, such as {PIPELINE}."
            ) from error
        phrases = tuple(dict.fromkeys(chunks))
        return (ParsedStep(text=text, scope=Scope.OBJECT if phrases else Scope.WHOLE, phrases=phrases),)


def load_noun_chunks(pipeline: str = PIPELINE) -> NounChunks:
    """The reader by an installed spaCy pipeline, or by one in a folder.

    Raises MissingExtraError where spaCy is not installed, ModelError where the pipeline is not.
    """
    try:
        import spacy
    except ImportError as error:
        raise MissingExtraError(
            "Noun chunks need spaCy, which is not installed: run pip install 'retouch[grounding]'."
        ) from error
    try:
        loaded = spacy.load(pipeline)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(
            f"There is no spaCy pipeline '{pipeline}'; install one with `python -m spacy download {PIPELINE}`, "
            "or name its folder."
        ) from error
    return NounChunks(loaded, name=Path(pipeline).name)


def _says_something(token: Any) -> bool:
    return not (token.is_stop or token.is_punct or token.pos_ == "PRON")
