"""The house style that no linter knows: short files, short functions, a sentence on top, no grab bags."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("src", "recipes", "bench")
ALL = (*SHIPPED, "tests")
MAXIMUM_FILE_LINES = 400
MAXIMUM_FUNCTION_LINES = 60


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    assert len(files("src")) > 20


@pytest.mark.parametrize("path", files(*ALL), ids=shown)
def test_file(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) < MAXIMUM_FILE_LINES
    assert path.stem not in ("utils", "util", "helpers", "misc", "common")
    if path.is_relative_to(ROOT / "tests"):
        return
    opening = (ast.get_docstring(tree) or "").partition("\n\n")[0].rstrip()
    assert opening.endswith("."), f"needs a sentence on top, has: {opening!r}"
    for function in functions(tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= MAXIMUM_FUNCTION_LINES, f"{function.name} has {length} lines"


@pytest.mark.parametrize("path", files(*SHIPPED), ids=shown)
def test_no_global_random_state(path: Path) -> None:
    text = path.read_text()
    for forbidden in ("np.random.seed(", "random.seed(", "weights_only=False"):
        assert forbidden not in text
    # The layers of a new network take no generator; there the global one is forked and restored.
    assert "torch.manual_seed(" not in text or "fork_rng(" in text
