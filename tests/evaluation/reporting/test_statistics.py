"""Laws of intervals and tests, and the same numbers from SciPy."""

import numpy as np
import pytest
from scipy import stats

from retouch.core.errors import DataError
from retouch.evaluation.reporting.statistics import holm, mean_interval, paired_test


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    found = [mean_interval(generator.exponential(2.0, 60), seed=round_, resamples=400) for round_ in range(300)]
    covered = np.mean([estimate.low <= 2.0 <= estimate.high for estimate in found])
    assert 0.89 < covered < 0.98


def test_an_interval_narrows_with_the_root_of_the_cases_and_depends_on_its_seed_alone() -> None:
    values = np.random.default_rng(1).normal(size=1600)
    few, many = mean_interval(values[:100]), mean_interval(values)
    assert 3 < (few.high - few.low) / (many.high - many.low) < 5
    assert few == mean_interval(values[:100])
    assert few != mean_interval(values[:100], seed=1)
    assert few.low <= few.value <= few.high


def test_the_same_answers_do_not_differ() -> None:
    values = np.random.default_rng(2).normal(size=50)
    for same in (values, (values > 0).astype(float)):
        found = paired_test(same, same.copy())
        assert (found.p, found.difference.value, found.difference.low, found.difference.high) == (1, 0, 0, 0)


@pytest.mark.parametrize("binary", [True, False])
def test_swapping_the_sides_turns_the_difference_and_keeps_p(binary: bool) -> None:
    generator = np.random.default_rng(3)
    one, other = generator.normal(size=80), generator.normal(0.3, 1, size=80)
    if binary:
        one, other = (one > 0).astype(float), (other > 0).astype(float)
    forward, back = paired_test(one, other), paired_test(other, one)
    assert forward.p == back.p
    assert forward.test == ("mcnemar" if binary else "sign-flip")
    assert forward.difference.value == pytest.approx(-back.difference.value)
    assert forward.difference.low == pytest.approx(-back.difference.high)


def test_p_is_uniform_where_nothing_differs() -> None:
    generator = np.random.default_rng(4)
    found = [
        paired_test(generator.normal(size=40), generator.normal(size=40), seed=round_, resamples=300).p
        for round_ in range(300)
    ]
    assert np.mean(np.array(found) < 0.05) < 0.09
    assert 0.42 < np.mean(found) < 0.58


@pytest.mark.parametrize(("gains", "losses"), [(0, 0), (7, 0), (3, 9), (12, 12), (40, 25)])
def test_mcnemar_is_scipys_binomial_test(gains: int, losses: int) -> None:
    one = np.array([0.0] * gains + [1.0] * losses + [1.0, 0.0])
    other = np.array([1.0] * gains + [0.0] * losses + [1.0, 0.0])
    wanted = 1.0 if gains + losses == 0 else stats.binomtest(gains, gains + losses, 0.5).pvalue
    assert paired_test(one, other).p == pytest.approx(wanted)


@pytest.mark.parametrize("count", [9, 60])
def test_sign_flips_are_scipys_permutation_test(count: int) -> None:
    generator = np.random.default_rng(5)
    one, other = generator.normal(size=count), generator.normal(0.35, 1, size=count)
    wanted = stats.permutation_test(
        (one, other),
        lambda first, second, axis: np.mean(first - second, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        random_state=np.random.default_rng(0),
    )
    assert paired_test(one, other, resamples=20_000).p == pytest.approx(wanted.pvalue, abs=1e-9 if count == 9 else 0.01)


def test_holm_as_published() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.9, 0.8]) == (1.0, 1.0)


def test_what_no_figure_can_be_made_of_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        mean_interval(np.array([]))
    with pytest.raises(DataError, match="finite"):
        mean_interval(np.array([1.0, np.nan]))
    with pytest.raises(DataError, match="same cases"):
        paired_test(np.zeros(2), np.zeros(3))
