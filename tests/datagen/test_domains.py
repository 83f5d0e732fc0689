"""Domains: those of the package are sound, and every mistake in a file of one's own is named with its line."""

from pathlib import Path

import pytest

from retouch.core.errors import DataError
from retouch.datagen.agents.prompts import tasks_of
from retouch.datagen.domain import Level
from retouch.datagen.domains import domain_names, load_domain

GOOD = """\
name: garden
description: photographs of gardens
attributes:
  colour: [red, yes, no]
objects:
  rose:
    also: [dog rose]
    places: [lawn]
    attributes: [colour]
    examples:
      - {input: a rose, edit: make the rose red, output: a red rose}
  gnome:
places:
  lawn:
    examples:
      - {input: a lawn with a rose and a gnome, edit: remove the gnome, output: a lawn with a rose}
rules:
  - No people.
levels:
  - {objects: 1, share: 0.5}
  - {objects: 2, share: 0.5}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "garden.yaml"
    path.write_text(text)
    return path


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    domain = load_domain(written(tmp_path, GOOD))
    assert (domain.name, domain.rules) == ("garden", ["No people."])
    assert domain.attributes == {"colour": ["red", "yes", "no"]}
    rose, gnome = domain.objects
    assert (rose.also, rose.places, rose.looks) == (["dog rose"], ["lawn"], ["colour"])
    assert (gnome.also, tuple(gnome.places), tuple(gnome.looks)) == ((), ("lawn",), ("colour",))
    assert rose.examples[0].instruction == "make the rose red"
    assert domain.levels == [Level(objects=1, share=0.5), Level(objects=2, share=0.5)]


@pytest.mark.parametrize("name", ["interior", "street-food"])
def test_domains_of_the_package_are_sound(name: str) -> None:
    assert name in domain_names()
    domain = load_domain(name)
    assert domain.name == name
    assert domain.levels[0].objects == 1 and len(domain.levels) >= 3
    assert all(len(place.examples) >= 3 for place in domain.places)
    assert len(tasks_of(domain, 1)) >= 12
    assert all(len(thing.places) > 0 for thing in domain.objects)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("rules:", "rulez:", 17, "the key 'rulez' of the domain is unknown; known are name"),
        ("    also:", "    olso:", 7, "the key 'olso' of rose is unknown"),
        ("edit: make", "edits: make", 11, "the key 'edits' of examples is unknown"),
        ("share: 0.5}\n  -", "shares: 0.5}\n  -", 20, "the key 'shares' of levels is unknown"),
        ("description: photographs of gardens\n", "", 1, "the domain lacks the key 'description'"),
        ("description: photographs of gardens", "description:", 2, "'description' is empty"),
        ("description: photographs of gardens", "description: [a]", 2, "'description' holds a list; give a text"),
        ("[red, yes, no]", "red", 4, "'colour' holds 'red'; give a list"),
        ("[red, yes, no]", "[red, red]", 4, "'colour' lists 'red' twice"),
        ("[red, yes, no]", "[red, rose]", 4, "'rose' is both object and attribute"),
        ("places: [lawn]", "places: [pond]", 8, "'rose' names 'pond' under places, which the file does not define"),
        ("attributes: [colour]", "attributes: [size]", 9, "'rose' names 'size' under attributes"),
        ("make the rose red", "make the rose blue", 11, r"an example of 'rose' breaks a rule of triples \(disagrees\)"),
        ("input: a rose,", "input: ,", 11, "an example has an empty text"),
        ("  gnome:\n", "  gnome:\n  rose:\n", 13, "'rose' stands twice"),
        (
            "    examples:\n      - {input: a lawn",
            "    exemples:\n      - {input: a lawn",
            15,
            "'exemples' of lawn is unknown",
        ),
        ("objects: 2", "objects: 1", 19, "'levels' must rise"),
        ("objects: 2", "objects: 1.5", 21, "'objects' is 1.5; give a whole number"),
        ("objects: 2", "objects: two", 21, "'objects' is 'two'; give a number"),
        ("objects: 2", "objects: 0", 21, "give a number above 0"),
        ("objects: 2", "objects: 3", 19, "'levels' want 3 objects and 'lawn' has fewer"),
        ("share: 0.5}\n  -", "share: 0.6}\n  -", 19, "the shares of 'levels' are 1.1 together"),
        ("[dog rose]", "[dog rose", 8, "this is not YAML"),
    ],
)
def test_mistakes_are_named_with_their_line(old: str, new: str, line: int, said: str, tmp_path: Path) -> None:
    assert GOOD.count(old) >= 1
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(DataError, match=rf"garden\.yaml, line {line}: .*{said}") as raised:
        load_domain(path)
    assert "\n" not in str(raised.value)


def test_what_is_no_domain_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither in the package nor a file; choose interior or street-food"):
        load_domain("kitchen")
    with pytest.raises(DataError, match="cannot be read"):
        load_domain(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="is empty"):
        load_domain(written(tmp_path, "# nothing\n"))
    with pytest.raises(DataError, match="holds 'words'; give names"):
        load_domain(written(tmp_path, "words"))
    with pytest.raises(DataError, match="not YAML"):
        load_domain(written(tmp_path, "[" * 5000))
    (tmp_path / "garden.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8 text"):
        load_domain(tmp_path / "garden.yaml")


def test_the_domain_of_the_documentation_is_sound(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "domains.md").read_text()
    domain = load_domain(written(tmp_path, page.partition("```yaml\n")[2].partition("```")[0]))
    assert [level.objects for level in domain.levels] == [1, 2]
