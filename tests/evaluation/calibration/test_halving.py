"""Fronts, rounds and suggestions on settings whose scores are known beforehand."""

from itertools import pairwise

import pytest

from retouch.core.errors import SettingsError
from retouch.core.settings import EditSettings
from retouch.evaluation.calibration.halving import cost, halve, plan_rounds, within_budget
from retouch.evaluation.calibration.pareto import front, suggest, survivors
from retouch.evaluation.calibration.values import Grid, Point, Score, Setting, default_setting, mean_point

DEFAULT = Setting(text_guidance=1, image_guidance=1, steps=4)


def setting(text: float, steps: int = 4) -> Setting:
    return Setting(text_guidance=text, image_guidance=1, steps=steps)


def point(text: float, follows: float, keeps: float, rounds: int = 2, steps: int = 4) -> Point:
    return Point(setting=setting(text, steps), cases=8, rounds=rounds, follows=follows, keeps=keeps, seconds=1)


def test_a_front_holds_what_no_other_beats() -> None:
    points = [point(1, 0.5, 30), point(2, 0.6, 29), point(3, 0.55, 28), point(4, 0.5, 29), point(5, 0.4, 31)]
    assert [each.setting.text_guidance for each in front(points)] == [5, 1, 2]


def test_equals_are_all_on_the_front() -> None:
    assert len(front([point(1, 0.5, 30), point(2, 0.5, 30)])) == 2


def test_survivors_come_front_by_front_and_the_default_always_does() -> None:
    points = [point(1, 0.1, 10), point(2, 0.6, 29), point(3, 0.7, 28), point(4, 0.5, 25)]
    assert survivors(points, 3, always=DEFAULT) == (DEFAULT, setting(3), setting(2))


def test_the_best_that_keeps_as_much_is_suggested() -> None:
    points = [point(1, 0.5, 30), point(2, 0.6, 30), point(3, 0.9, 29), point(4, 0.95, 40, rounds=1)]
    assert suggest(points, DEFAULT) == setting(2)
    assert suggest(points, DEFAULT, may_lose=1) == setting(3)


def test_as_good_and_kept_better_is_suggested_but_merely_equal_is_not() -> None:
    assert suggest([point(1, 0.5, 30), point(2, 0.5, 31)], DEFAULT) == setting(2)
    assert suggest([point(1, 0.5, 30), point(2, 0.5, 30)], DEFAULT) == DEFAULT
    assert suggest([point(1, 0.5, 30), point(2, 0.4, 35)], DEFAULT) == DEFAULT


@pytest.mark.parametrize("settings", [1, 4, 5, 16, 33])
@pytest.mark.parametrize("cases", [4, 7, 60])
def test_rounds_end_with_few_settings_on_all_cases(settings: int, cases: int) -> None:
    rounds = plan_rounds(settings, cases)
    assert rounds[0].settings == settings
    assert rounds[-1].cases == cases
    assert rounds[-1].settings == min(4, settings)
    assert all(one.cases <= other.cases for one, other in pairwise(rounds))
    assert cost(rounds) <= settings * cases


@pytest.mark.parametrize("budget", [84, 100, 200, 1000])
def test_a_budget_is_kept(budget: int) -> None:
    rounds = within_budget(16, 60, test_cases=10, budget=budget)
    assert cost(rounds) + 20 <= budget


def test_a_budget_that_cannot_do_says_what_would() -> None:
    with pytest.raises(SettingsError, match="take at least 84"):
        within_budget(16, 60, test_cases=10, budget=83)
    with pytest.raises(SettingsError, match="needs at least 8"):
        within_budget(2, 3, test_cases=3, budget=None)


def test_the_poor_are_dropped_early_and_nothing_is_measured_twice() -> None:
    asked: list[tuple[Setting, int]] = []

    def measure(which: Setting, case: int) -> Score:
        asked.append((which, case))
        return Score(follows=which.text_guidance / 20, keeps=30, seconds=0)

    settings = tuple(setting(text) for text in range(1, 17))
    rounds = plan_rounds(len(settings), 40)
    points = halve(settings, DEFAULT, rounds, measure)
    assert len(asked) == len(set(asked)) == cost(rounds)
    assert {each.setting.text_guidance for each in points if each.rounds == len(rounds)} == {1, 14, 15, 16}
    assert suggest(points, DEFAULT) == setting(16)


def test_what_was_not_asked_counts_in_no_mean() -> None:
    scores = [Score(follows=None, keeps=40, seconds=1), Score(follows=1, keeps=None, seconds=3)]
    found = mean_point(DEFAULT, scores, rounds=1)
    assert (found.follows, found.keeps, found.seconds, found.cases) == (1, 40, 2, 2)


def test_a_grid_has_the_default_first_and_everything_once() -> None:
    grid = Grid(text_guidance=(1, 2), steps=(4, 8)).settings(DEFAULT)
    assert grid == (DEFAULT, setting(1, 8), setting(2), setting(2, 8))


def test_a_grid_out_of_range_is_refused() -> None:
    with pytest.raises(SettingsError, match="text_guidance is 101"):
        Grid(text_guidance=(101,)).settings(DEFAULT)
    bare = Setting(text_guidance=4, image_guidance=None, steps=4)
    with pytest.raises(SettingsError, match="no image guidance"):
        Grid(image_guidance=(1,)).settings(bare)
    assert "image" not in bare.flags + bare.label
    with pytest.raises(SettingsError, match="no steps"):
        default_setting(EditSettings())
