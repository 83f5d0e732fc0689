"""Families as people see them: in the list of models, and in the documentation's table."""

from pathlib import Path

import pytest

from retouch.editing.pipelines.families import FAMILIES, find_family, known_classes
from retouch.editing.pipelines.family import ModelFamily
from retouch.editing.pipelines.listing import family_table, memory_of, with_families
from retouch.models.catalogue import CatalogueEntry

DOCUMENT = Path(__file__).parents[3] / "docs" / "modern.md"


def test_the_documentation_has_the_table_as_it_is() -> None:
    assert family_table() in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_row_says_what_the_family_is(family: ModelFamily) -> None:
    row = next(line for line in family_table().splitlines() if line.startswith(f"| {family.name} |"))
    assert all(f"`{name}`" in row for name in family.classes)
    assert family.licence in row and memory_of(family) in row


def test_classes_are_of_one_family_each() -> None:
    assert len(set(known_classes())) == len(known_classes())
    assert all(find_family(name) is family for family in FAMILIES for name in family.classes)


def test_a_model_in_the_cache_is_listed_once_and_said_to_be_of_its_family() -> None:
    source = FAMILIES[0].models[0]
    cached = CatalogueEntry(source=source, place="cache", kind=f"other ({FAMILIES[0].pipeline})", size_bytes=7, note="")
    other = CatalogueEntry(source="someone/else", place="cache", kind="other (X)", size_bytes=7, note="")
    entries = with_families([cached, other])
    assert [entry.source for entry in entries].count(source) == 1
    assert (entries[0].kind, entries[0].place, entries[0].size_bytes) == (FAMILIES[0].name, "cache", 7)
    assert FAMILIES[0].licence in entries[0].note and entries[1] == other
    assert {model for family in FAMILIES for model in family.models} <= {entry.source for entry in entries}
