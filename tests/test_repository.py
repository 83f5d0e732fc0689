"""The repository's own promises: make's targets, the pins, the two commands of the README, links in the docs."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TARGETS = ("setup", "demo", "test", "test-all", "check", "format", "bench")


def make(*arguments: str) -> str:
    # Not the variables of a `make test` that may be running this.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def test_make_explains_itself() -> None:
    assert make() == make("help")
    described = {line.split()[0] for line in make("help").splitlines() if line.strip()}
    assert described.issuperset(TARGETS)


def test_the_demo_edits_a_committed_example() -> None:
    recipe = make("--dry-run", "demo")
    match = re.search(r'retouch edit (\S+) "([^"]+)" -o (\S+)', recipe)
    assert match is not None
    assert match[1].startswith("examples/") and match[3].startswith("out/")


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    wanted = [Requirement(text) for text in (*project["dependencies"], *extras)]
    return [requirement for requirement in wanted if requirement.name != "retouch"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in pairs}


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_dependency_is_pinned_within_its_range(requirement: Requirement) -> None:
    version = pins().get(requirement.name.lower().replace("_", "-"))
    assert version is not None, f"{requirement.name} is not in constraints.txt"
    assert requirement.specifier.contains(version)


def test_pins_name_no_local_builds() -> None:
    assert not [name for name, version in pins().items() if "+" in version]


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


def test_the_check_of_a_change_is_executable() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
