"""Requests: their one form in JSON, and what is refused."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from tests.designs.trees import asked, requests

from retouch.core.errors import DesignError, SettingsError
from retouch.core.settings import EditSettings
from retouch.designs.request import Request, Shown, Where, batch_key, from_json, to_json, together_key


@given(request=requests)
def test_json_and_back(request: Request) -> None:
    assert from_json(json.loads(json.dumps(to_json(request)))) == request


@given(request=requests)
def test_uploads_renamed_and_back(request: Request) -> None:
    renamed = request.with_uploads(lambda name: f"<{name}>")
    assert renamed.uploads == tuple(f"<{name}>" for name in request.uploads)
    assert renamed.with_uploads(lambda name: name[1:-1]) == request


def test_only_seeds_share_a_batch() -> None:
    request = asked("make it green", seed=1)
    assert batch_key(request, "a") == batch_key(request.with_seed(2), "a")
    assert len({batch_key(request, "a"), batch_key(request, "b"), batch_key(asked("make it blue", seed=1), "a")}) == 3


def test_words_and_seeds_differ_in_a_batch_of_several() -> None:
    request, apart = asked("make it green", seed=1), asked("a", steps=3, seed=1)
    key = together_key(request)
    assert len(key) == 64 and together_key(asked("make it blue", seed=2)) == key
    assert together_key(replace(request, region=Where(kind="whole"))) == key
    assert len({key, together_key(apart), together_key(replace(request, model="another"))}) == 3
    regional = replace(request, region=Where(kind="phrase", phrase="the sofa"))
    shown = replace(request, references=(Shown(upload="u"),))
    assert {together_key(each) for each in (regional, shown, asked(" ", seed=1))} == {""}


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        "make it green",
        {"instruction": 3},
        {"instruction": "a\0b"},
        {"instruction": "\ud800"},
        {"instruction": "x" * 10_001},
        {"unknown": 1},
        {"settings": {"steps": 0}},
        {"settings": {"path": "/etc"}},
        {"settings": {"seed": True}},
        {"settings": {"negative": "\0"}},
        {"settings": {"region": {"grow": "much"}}},
        {"settings": []},
        {"region": {"kind": "everywhere"}},
        {"region": {"kind": "mask"}},
        {"region": {"kind": "box", "numbers": [1, 2, 3]}},
        {"region": {"kind": "box", "numbers": [5, 5, 1, 9]}},
        {"region": {"kind": "point", "numbers": [1, "2"]}},
        {"region": {"kind": "point", "numbers": {"x": 1}}},
        {"region": {"kind": "phrase", "phrase": " "}},
        {"region": {"kind": "whole", "upload": "a"}},
        {"region": {"kind": "whole", "invert": "yes"}},
        {"references": [{"upload": "a", "weight": 3}]},
        {"references": [{"upload": None}]},
        {"references": {"upload": "a"}},
        {"references": [{"upload": "a"}] * 17},
        {"model": 7},
    ],
    ids=str,
)
def test_what_is_no_request(values: object) -> None:
    with pytest.raises(DesignError, match="cannot be read"):
        from_json(values)


def test_numbers_that_are_none() -> None:
    for bad in (math.nan, math.inf, True):
        with pytest.raises(SettingsError):
            Where(kind="point", numbers=(bad, 1))
        if bad is not True:
            with pytest.raises(SettingsError):
                Shown(upload="a", weight=bad)
            with pytest.raises(SettingsError):
                EditSettings(text_guidance=bad)
