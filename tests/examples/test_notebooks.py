"""Every notebook of the examples runs from top to bottom."""

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed: make setup.")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: make setup.")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert not any("outputs" in cell and cell.outputs for cell in nbformat.read(path, as_version=4).cells)
