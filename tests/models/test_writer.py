"""Writers: words and marks round-trip, sampling obeys its settings, and what cannot be opened is said so."""

from pathlib import Path

import pytest
import torch

from retouch.core.errors import ModelError, SettingsError
from retouch.models.fresh_writer import POCKET_WRITER, WriterShape, fresh_writer
from retouch.models.writer import BROOKS, CONTI, Sampling, Writer, _FrequencyPenalty, complete, load_writer

MARKS = ("\n##\n", "\n%%\n", "\nEND")
SHAPE = WriterShape(vocabulary=300, width=16, inner=32, layers=2, heads=2)
TEXTS = ["make the red chair green", "a study with a red chair", "Remove the sofa."]
SHORT = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=6)


@pytest.fixture(scope="module")
def writer() -> Writer:
    return fresh_writer(TEXTS, marks=MARKS, shape=SHAPE, seed=0)


def test_marks_are_one_piece_and_every_text_round_trips(writer: Writer) -> None:
    text = "A café: 100%\n##\nmake it ## green\n%%\n a study\nand END\nEND"
    ids = writer.tokenizer(text)["input_ids"]
    assert writer.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text
    assert [len(writer.tokenizer(mark)["input_ids"]) for mark in MARKS] == [1, 1, 1]


def test_the_same_seed_gives_the_same_network(writer: Writer) -> None:
    again, other = (fresh_writer(TEXTS, marks=MARKS, shape=SHAPE, seed=seed) for seed in (0, 1))
    weights = writer.model.state_dict()
    assert all(torch.equal(value, again.model.state_dict()[name]) for name, value in weights.items())
    assert not all(torch.equal(value, other.model.state_dict()[name]) for name, value in weights.items())


def test_the_pocket_writer_fits_its_budget() -> None:
    made = fresh_writer(TEXTS, marks=MARKS, shape=POCKET_WRITER, seed=0)
    spare = POCKET_WRITER.vocabulary + len(MARKS) + 1 - len(made.tokenizer)
    parameters = sum(value.numel() for value in made.model.parameters()) + spare * POCKET_WRITER.width
    assert 1.2e6 < parameters < 1.45e6
    assert 2 * parameters < 3e6


def test_completions_are_drawn_by_seed_without_touching_the_global_one(writer: Writer) -> None:
    prompts = ["a red chair\n##\n", "a study with a red chair and a sofa\n##\n"]
    before = torch.random.get_rng_state()
    first = complete(writer, prompts, stop=MARKS[-1], seed=1, sampling=SHORT)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first == complete(writer, prompts, stop=MARKS[-1], seed=1, sampling=SHORT)
    assert first != complete(writer, prompts, stop=MARKS[-1], seed=2, sampling=SHORT)
    assert len(first) == 2


def test_padding_on_the_left_changes_no_likely_text(writer: Writer) -> None:
    greedy = Sampling(temperature=1e-4, top_p=1.0, max_new_tokens=6)
    prompts = ["a red chair\n##\n", "a study with a red chair and a sofa\n##\n"]
    together = complete(writer, prompts, stop=MARKS[-1], seed=0, sampling=greedy)
    alone = [complete(writer, [prompt], stop=MARKS[-1], seed=0, sampling=greedy)[0] for prompt in prompts]
    assert together == alone


def test_a_completion_ends_with_what_stops_it(writer: Writer) -> None:
    # "e" is no end the tokenizer knows, so that it is looked for in the text.
    texts = complete(writer, ["a red chair\n##\n"] * 16, stop="e", seed=0, sampling=CONTI)
    assert all(text.count("e") == 1 and text.endswith("e") for text in texts if "e" in text)
    assert any(text.endswith("e") for text in texts)


def test_the_frequency_penalty_counts_what_was_drawn_after_the_prompt() -> None:
    penalty = _FrequencyPenalty(0.1, 2)
    scores = penalty(torch.tensor([[3, 3, 1, 1, 2]]), torch.zeros(1, 4))
    torch.testing.assert_close(scores, torch.tensor([[0.0, -0.2, -0.1, 0.0]]))


def test_the_presets_are_the_published_ones() -> None:
    assert Sampling(temperature=0.7, top_p=1.0, max_new_tokens=256, frequency_penalty=0.1) == BROOKS
    assert Sampling(temperature=2.0, top_p=0.9, max_new_tokens=80, repetition_penalty=0.98) == CONTI


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
    ],
)
def test_impossible_sampling_is_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8, **change})  # type: ignore[arg-type]


def test_what_is_no_language_model_is_said_in_one_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^The language model 'nobody/nothing' is no folder[^\n]*\.$"):
        load_writer("nobody/nothing")
    for folder in (tmp_path, tiny_folder):
        with pytest.raises(ModelError, match=r"^[^\n]* cannot be opened as a causal language model[^\n]*\.$"):
            load_writer(folder)
