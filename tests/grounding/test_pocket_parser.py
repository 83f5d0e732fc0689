"""The pocket parser: parts of instructions, the region that they mean, and steps that can be read alone."""

import pytest

from retouch.core.errors import ModelError
from retouch.grounding.phrases import Scope
from retouch.grounding.pocket_parser import PocketParser, load_parser

pytest.importorskip("spacy")


@pytest.fixture(scope="module")
def parser() -> PocketParser:
    return load_parser()


@pytest.mark.parametrize(
    ("instruction", "scope", "phrases"),
    [
        ("turn the left chair into a stool", Scope.OBJECT, ("the left chair",)),
        ("make the sofa green", Scope.OBJECT, ("the sofa",)),
        ("put a vase on the table", Scope.PLACE, ("the table",)),
        ("make it night", Scope.WHOLE, ()),
        ("remove the lamp on the table", Scope.OBJECT, ("the lamp on the table",)),
    ],
)
def test_an_instruction_says_where_it_acts(
    parser: PocketParser, instruction: str, scope: Scope, phrases: tuple[str, ...]
) -> None:
    (step,) = parser.read(instruction)
    assert (step.text, step.scope, step.phrases) == (instruction, scope, phrases)


def test_two_wishes_become_two_steps(parser: PocketParser) -> None:
    first, second = parser.read("Could you make the sofa green and remove the lamp?")
    assert (first.text, first.phrases) == ("make the sofa green", ("the sofa",))
    assert (second.text, second.phrases) == ("remove the lamp", ("the lamp",))
    for step in (first, second):
        span = step.spans[0]
        assert step.text[span.start : span.end] in step.phrases


def test_blank_instructions_have_no_step_and_others_at_least_one(parser: PocketParser) -> None:
    assert parser.read("  ") == ()
    assert len(parser.read("?")) == 1


def test_a_folder_that_is_no_parser_is_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_parser(tmp_path)
