"""Words, their tokens, their alignment: cases worked out by hand and by plain loops."""

from itertools import product

import numpy as np
import pytest
import torch

from retouch.attention.refine import align, refinement
from retouch.attention.replace import replacement
from retouch.attention.reweight import reweighting
from retouch.attention.words import Reader, time_gate
from retouch.core.errors import SettingsError

SOURCE, TARGET = "make the sofa green", "make the xylophone green"


@pytest.fixture
def reader(tiny_tokenizer) -> Reader:
    return Reader(tokenizer=tiny_tokenizer, length=16)


def test_words_know_their_tokens(reader: Reader) -> None:
    words = reader.words(SOURCE)
    assert [word for word, _ in words] == SOURCE.split()
    assert [place for _, places in words for place in places] == list(range(1, len(reader.ids(SOURCE)) - 1))
    long = reader.words(TARGET)[2][1]
    assert len(long) > 1, "a word of several tokens"
    spelled = reader.tokenizer.convert_ids_to_tokens([reader.ids(TARGET)[place] for place in long])
    assert "".join(spelled) == "xylophone</w>"
    assert reader.places("The sofa, the Sofa.", "sofa") == (
        *reader.words("The sofa, the Sofa.")[1][1],
        *reader.words("The sofa, the Sofa.")[3][1],
    )
    assert reader.changed(SOURCE, TARGET) == (reader.places(SOURCE, "sofa"), reader.places(TARGET, "xylophone"))
    with pytest.raises(SettingsError, match="has no word 'lamp'"):
        reader.places(SOURCE, "lamp")


def test_what_was_cut_off_has_no_places(reader: Reader) -> None:
    words = reader.words(" ".join(["xylophone"] * 8))
    assert words[-1][1] == ()
    assert max(place for _, places in words for place in places) == 14


def test_replacement_splits_a_word_over_its_tokens(reader: Reader) -> None:
    matrix = replacement(reader, SOURCE, TARGET).matrix
    old, xylophone = (reader.words(text)[2][1] for text in (SOURCE, TARGET))
    for place in old:
        np.testing.assert_allclose(matrix[place, list(xylophone)], 1 / len(xylophone))
    for word in (0, 1, 3):
        pairs = zip(reader.words(SOURCE)[word][1], reader.words(TARGET)[word][1], strict=True)
        assert all(matrix[one, other] == 1 for one, other in pairs)
    end, new_end = len(reader.ids(SOURCE)) - 1, len(reader.ids(TARGET)) - 1
    assert matrix[0, 0] == matrix[end, new_end] == 1
    torch.testing.assert_close(matrix.sum(1), torch.ones(16))


@pytest.mark.parametrize(("source", "target"), list(product([SOURCE, TARGET, "a b c " + "xylophone " * 9], repeat=2)))
def test_replaced_maps_sum_to_one(reader: Reader, source: str, target: str) -> None:
    maps = torch.rand(2, 2, 5, 16).softmax(-1)
    if len(source.split()) != len(target.split()):
        with pytest.raises(SettingsError, match="needs as many in both"):
            replacement(reader, source, target)
        return
    edit = replacement(reader, source, target)
    torch.testing.assert_close(edit(maps, maps).sum(-1), torch.ones(2, 2, 5))
    if source == target:
        torch.testing.assert_close(edit(maps, maps), maps)


def plain_alignment(source: list[int], target: list[int]) -> int:
    """The length of the longest common subsequence, by trying everything."""
    if not source or not target:
        return 0
    if source[-1] == target[-1]:
        return 1 + plain_alignment(source[:-1], target[:-1])
    return max(plain_alignment(source[:-1], target), plain_alignment(source, target[:-1]))


def test_alignment_is_the_best_there_is() -> None:
    generator = np.random.default_rng(0)
    for _ in range(60):
        source, target = (list(map(int, generator.integers(0, 4, generator.integers(1, 8)))) for _ in range(2))
        partners = align(source, target)
        pairs = [(origin, place) for place, origin in enumerate(partners) if origin is not None]
        assert all(source[origin] == target[place] for origin, place in pairs)
        assert [origin for origin, _ in pairs] == sorted({origin for origin, _ in pairs})
        assert len(pairs) == plain_alignment(source, target)
    assert align([1, 2, 3], [1, 9, 2, 3, 8]) == [0, None, 1, 2, None]
    assert align([5, 5], [5]) == [0]
    assert align([5], [5, 5]) == [0, None]


def test_refinement_leaves_new_tokens_to_the_target(reader: Reader) -> None:
    target = "make the sofa very green"
    edit = refinement(reader, SOURCE, target)
    base, own = torch.rand(1, 2, 3, 16), torch.rand(1, 2, 3, 16)
    new = edit(base, own)
    partners = align(reader.ids(SOURCE), reader.ids(target))
    for place in range(16):
        origin = partners[place] if place < len(partners) else place
        expected = own[..., place] if origin is None else base[..., origin]
        assert torch.equal(new[..., place], expected)
    assert None in partners


def test_reweighting_chains_and_a_factor_of_one_is_nothing(reader: Reader) -> None:
    base, own = torch.rand(1, 2, 3, 16), torch.rand(1, 2, 3, 16)
    refined = refinement(reader, SOURCE, "make the sofa very green")
    assert torch.equal(reweighting(reader, SOURCE, {"sofa": 1.0}, previous=refined)(base, own), refined(base, own))
    assert torch.equal(reweighting(reader, SOURCE, {})(base, own), base)
    twice = reweighting(reader, SOURCE, {"sofa": 5, "green": -1}, previous=reweighting(reader, SOURCE, {"sofa": 2}))
    new = twice(base, own)
    factors = dict.fromkeys(reader.places(SOURCE, "sofa"), 10) | dict.fromkeys(reader.places(SOURCE, "green"), -1)
    for place in range(16):
        torch.testing.assert_close(new[..., place], base[..., place] * factors.get(place, 1))
    with pytest.raises(SettingsError, match="factor of 'sofa' is nan"):
        reweighting(reader, SOURCE, {"sofa": float("nan")})


def test_words_have_their_own_time(reader: Reader) -> None:
    gate = time_gate(reader, SOURCE, span=(0.0, 0.8), words={"sofa": (0.2, 0.4)})
    for index in range(50):
        now = gate.at(index, 50)
        for place in range(16):
            inside = 10 <= index < 20 if place in reader.places(SOURCE, "sofa") else index < 40
            assert bool(now[place]) == inside, (index, place)
    assert time_gate(reader, SOURCE, span=(0.0, 1.0)).at(49, 50).all()
    with pytest.raises(SettingsError, match=r"span of steps is 0\.5 to 0\.2"):
        time_gate(reader, SOURCE, span=(0.5, 0.2))
