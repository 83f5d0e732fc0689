"""Packages that count as not installed: nothing finds them inside, and all is as before on leaving."""

import importlib
import importlib.util
import sys

import pytest

from retouch.core.absent import absent


def test_nothing_finds_what_is_absent_and_it_is_back_on_leaving() -> None:
    present = importlib.import_module("json")
    sys.modules.pop("colorsys", None)
    with absent("json", "colorsys"):
        for name in ("json", "colorsys"):
            assert importlib.util.find_spec(name) is None
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(name)
    assert importlib.import_module("json") is present
    assert importlib.import_module("colorsys").rgb_to_hsv(1, 0, 0) == (0, 1, 1)


def test_it_is_back_after_an_error_too() -> None:
    present = sys.modules["json"]
    with pytest.raises(ModuleNotFoundError), absent("json", "no_such_package"):
        importlib.import_module("json")
    assert sys.modules["json"] is present
    assert "no_such_package" not in sys.modules


def test_one_absence_stands_inside_another() -> None:
    with absent("json"):
        with absent("json"):
            assert importlib.util.find_spec("json") is None
        assert importlib.util.find_spec("json") is None
    assert importlib.util.find_spec("json") is not None
