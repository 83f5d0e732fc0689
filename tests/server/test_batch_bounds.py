"""How many pictures a worker makes in one batch."""

from collections.abc import Callable
from typing import Any

from retouch.editing.fake import FakeEditor
from retouch.server.worker.together import Together, at_once


def test_more_memory_asked_for_later_allows_no_more_at_once() -> None:
    together = Together(pictures=lambda _: 8)
    bounds: list[int] = []
    for tried in (8, 2, 8, 1):
        together.too_many("pocket", tried)
        bounds.append(together.most("pocket", FakeEditor()))
    assert bounds == [4, 1, 1, 1] and together.most("pocket/insert", FakeEditor()) == 8


def test_how_many_pay(make_tiny: Callable[..., Any]) -> None:
    from retouch.editing.editor import Editor

    editor = Editor(make_tiny())
    assert [at_once(editor, asked) for asked in (0, 1, 4, 64)] == [1, 1, 4, 8]
    assert [at_once(FakeEditor(), asked) for asked in (0, 1, 4)] == [1, 1, 1]
