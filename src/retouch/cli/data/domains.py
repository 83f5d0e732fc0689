"""`retouch data domains`: which domains there are, and whether one of your own is sound."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import options
from retouch.cli.output import say_facts, say_json, say_table

if TYPE_CHECKING:
    from retouch.datagen.domain import Domain


def list_domains(
    *,
    which: Annotated[
        str | None, typer.Argument(metavar="NAME|FILE", help="Check and show this one.", show_default=False)
    ] = None,
    json: options.Json = False,
) -> None:
    """List the domains that come with Retouch, or check one and show what it holds.

    [bold]Examples[/bold]

    retouch data domains

    retouch data domains my-domain.yaml
    """
    from retouch.datagen.domains import domain_names, load_domain

    facts = [_facts(load_domain(name)) for name in ([which] if which is not None else domain_names())]
    if json:
        say_json(facts[0] if which is not None else facts)
    elif which is not None:
        say_facts({**facts[0], "levels": ", ".join(f"{objects}: {share:g}" for objects, share in facts[0]["levels"])})
    else:
        columns = ("name", "places", "objects", "examples", "description")
        say_table(columns, [[str(each[column]) for column in columns] for each in facts])


def _facts(domain: "Domain") -> dict[str, Any]:
    return {
        "name": domain.name,
        "description": domain.description,
        "places": len(domain.places),
        "objects": len(domain.objects),
        "attributes": sum(len(words) for words in domain.attributes.values()),
        "examples": sum(len(each.examples) for each in (*domain.places, *domain.objects)),
        "levels": [(level.objects, level.share) for level in domain.levels],
    }
