"""Packages whose own code runs when a name of theirs is asked for, once, and as if it had run at the beginning."""

import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from retouch.core.later import import_later

CODE = """
import sys
sys.modules["witness"].append(__name__)
from later_parent.later_child.deep import VALUE
from later_parent.later_child.other import OTHER
"""


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A package in another, on the way that imports go; the names of those whose code ran."""
    child = tmp_path / "later_parent" / "later_child"
    child.mkdir(parents=True)
    (child.parent / "__init__.py").write_text("")
    (child / "__init__.py").write_text(CODE)
    (child / "deep.py").write_text("VALUE = 1\n")
    (child / "other.py").write_text("import sys\nOTHER = 2\nsys.modules['witness'].append(__name__)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    witness: list[str] = []
    monkeypatch.setitem(sys.modules, "witness", witness)  # pyright: ignore[reportArgumentType]
    yield witness
    for name in [name for name in sys.modules if name.startswith("later_parent")]:
        del sys.modules[name]


def child() -> Any:
    return importlib.import_module("later_parent.later_child")


def test_a_module_inside_is_imported_without_the_packages_code(ran: list[str]) -> None:
    import_later("later_parent.later_child")
    assert importlib.import_module("later_parent.later_child.deep").VALUE == 1
    assert ran == [] and "later_parent.later_child.other" not in sys.modules


def test_the_code_runs_once_when_a_name_is_asked_for(ran: list[str]) -> None:
    import_later("later_parent.later_child")
    assert child().OTHER == 2 and child().VALUE == 1
    assert ran == ["later_parent.later_child", "later_parent.later_child.other"]
    assert importlib.import_module("later_parent").later_child is child()
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = child().missing
    assert len(ran) == 2


def test_threads_run_it_once(ran: list[str]) -> None:
    import_later("later_parent.later_child")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: child().OTHER, range(64))) == {2}
    assert ran.count("later_parent.later_child") == 1


def test_a_package_that_puts_something_in_its_place_does_so_later(ran: list[str]) -> None:
    file = Path(child().__file__)
    for name in [name for name in sys.modules if name.startswith("later_parent.")]:
        del sys.modules[name]
    file.write_text("import sys, types\nsys.modules[__name__] = types.SimpleNamespace(OWN=3)\n")
    importlib.invalidate_caches()
    import_later("later_parent.later_child")
    begun = child()
    assert begun.OWN == 3 and begun.OWN == 3
    assert child().OWN == 3 and child() is not begun


def test_code_that_fails_is_tried_again(ran: list[str]) -> None:
    import_later("later_parent.later_child")
    file = Path(child().__file__)
    file.write_text("raise OSError('not yet')\n")
    with pytest.raises(OSError, match="not yet"):
        _ = child().OTHER
    file.write_text("OTHER = 40 + 2  # of another length, so that nothing old is run\n")
    assert child().OTHER == 42


def test_what_is_there_and_what_is_not_stay_as_they_are(ran: list[str]) -> None:
    before = child()
    import_later("later_parent.later_child", "later_parent.absent", "later_absent.later_child")
    assert child() is before
    assert "later_parent.absent" not in sys.modules and "later_absent.later_child" not in sys.modules
