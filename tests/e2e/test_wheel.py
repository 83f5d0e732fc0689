"""What is installed without a clone: a wheel holds the page, the migrations and the gallery, and serves them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.browser import ROOT, WITHOUT, build_page
from tests.server.living import living

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get(WITHOUT) == "1", reason=f"{WITHOUT}=1: the page is not built."),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the wheel holds; what it needs is this interpreter's."""
    build_page()
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = folder.glob("retouch-*.whl")
    target = folder / "installed"
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    return target


def test_the_wheel_serves_page_gallery_and_api(installed: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", "import retouch; print(retouch.__file__)"]
    surroundings = {**os.environ, **environment}
    found = subprocess.run(command, env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(installed)), "the installed package is what runs"
    with living(tmp_path / "data", "--fake", environment=environment) as server:
        shell = server.client.get("/").text
        assert "<script" in shell
        parts = [part.split('"')[0].removeprefix("./") for part in shell.split('src="')[1:]]
        assert parts and all(server.client.get(f"/{part}").status_code == 200 for part in parts)
        rooms = server.ok(server.client.get("/api/v1/gallery"))
        assert len(rooms) == 8
        for room in rooms:
            picture = server.client.get(f"/api/v1/gallery/{room['name']}")
            assert picture.headers["content-type"] == "image/webp" and len(picture.content) > 1000
        tree = server.ok(server.client.post("/api/v1/projects", data={"gallery": rooms[0]["name"]}))
        server.branched(tree["project"]["root_id"])
        assert [node["state"] for node in server.ended(tree["project"]["id"])["nodes"]] == ["done", "done"]
