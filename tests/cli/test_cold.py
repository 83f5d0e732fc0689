"""A cold command imports no more than it needs, has its threads wait briefly, and takes nothing from other models."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retouch.cli.main import WAITING, wait_briefly

PICTURE = Path(__file__).parents[2] / "examples" / "living-room.png"

UNNEEDED = {
    *("scipy", "sklearn", "skimage", "pandas", "pyarrow", "datasets", "torchmetrics", "tensorboard"),
    *("peft", "httpx", "httpcore", "fastapi", "uvicorn", "sqlalchemy", "openai", "mcp"),
    *("openvino", "mitsuba", "cv2", "spacy", "ray", "matplotlib", "IPython"),
}
"""Packages that an edit by pocket does without; most come with the extras."""

OTHER_NETWORKS = ("diffusers.models.transformers.transformer_flux", "diffusers.models.unets.unet_1d")
"""Of all that diffusers has, which no pocket model is made of."""

COLD = f"""
import atexit, importlib.util, json, sys
from retouch.cli.main import main

def tell():
    found = {{name.partition(".")[0] for name in sys.modules}} & set({sorted(UNNEEDED)!r})
    found |= set(sys.modules) & set({OTHER_NETWORKS!r})
    print(json.dumps({{"imported": sorted(found), "scipy": importlib.util.find_spec("scipy") is not None}}))

atexit.register(tell)
main()
"""


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in WAITING}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **environment},
    )


def test_a_cold_edit_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    result = tmp_path / "green.png"
    done = run(COLD, "edit", str(PICTURE), "make the sofa green", "-o", str(result), OMP_DISPLAY_ENV="VERBOSE")
    assert done.returncode == 0, done.stderr
    assert result.is_file()
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["imported"] == []
    assert told["scipy"] is (importlib.util.find_spec("scipy") is not None), "what was left out is to be had again"
    if "GOMP_SPINCOUNT" in done.stderr:
        assert "GOMP_SPINCOUNT = '10000'" in done.stderr, "torch's threads did not hear how to wait"


def test_a_command_that_cannot_work_says_so_before_it_imports_networks(tmp_path: Path) -> None:
    program = COLD.replace("'cv2'", "'cv2', 'torch', 'transformers'")
    done = run(program, "edit", str(PICTURE), "make the sofa green", "-o", str(tmp_path / "green.gif"))
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["imported"] == []


@pytest.mark.parametrize("sources", [("stable-diffusion-v1-5/x",), ("pocket", "grounded-sam"), (None, "pockets/x")])
def test_nothing_is_taken_from_other_models(sources: tuple[str | None, ...]) -> None:
    program = (
        "import sys\nfrom retouch.cli.networks import import_networks\n"
        f"import_networks(*{sources!r})\nassert not {{'diffusers', 'transformers', 'scipy'}} & set(sys.modules)\n"
    )
    done = run(program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", WAITING)
def test_threads_wait_as_the_user_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in WAITING:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "7")
    wait_briefly()
    assert [each for each in WAITING if each in os.environ] == [name]
    assert os.environ[name] == "7"
