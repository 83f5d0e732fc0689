"""`retouch show`: how a result was made, from its own text chunks."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli.options import Json, settings_facts
from retouch.cli.output import say_facts, say_json


def show(
    file: Annotated[Path, typer.Argument(help="A PNG that Retouch wrote.", show_default=False)],
    json: Json = False,
) -> None:
    """Print how a result was made: model, instructions, settings and its source.

    [bold]Example[/bold]

    retouch show green.png
    """
    from retouch.core.provenance import read_provenance

    provenance = read_provenance(file)
    if json:
        facts = {"instructions": list(provenance.instructions), "settings": settings_facts(provenance.settings)}
    else:
        texts = {_numbered("instruction", n): text for n, text in enumerate(provenance.instructions) if text}
        known = settings_facts(provenance.settings)
        for name in ("region", "reference"):
            how = known.pop(name, None)
            known.update(how if isinstance(how, dict) else {})
        stated = {k: v for k, v in known.items() if v not in (None, "")}
        facts = {**texts, **stated}
    regions = provenance.regions
    if regions and json:
        facts["regions"] = [asdict(region) for region in regions]
    elif regions:
        facts.update({_numbered("region", n): f"{one.asked} ({one.found})" for n, one in enumerate(regions)})
    references = provenance.references
    if references and json:
        facts["references"] = [asdict(reference) for reference in references]
    elif references:
        shown = [f"{one.name}:{one.weight:g}" + (f" in {one.region}" if one.region else "") for one in references]
        facts.update({_numbered("reference", n): text for n, text in enumerate(shown)})
    facts = {
        "model": provenance.model,
        **({"ip_adapter": provenance.ip_adapter} if provenance.ip_adapter else {}),
        **({"loras": list(provenance.loras)} if provenance.loras else {}),
        **facts,
        **({"source_name": provenance.source_name} if provenance.source_name else {}),
        **({"source_sha256": provenance.source_sha256} if provenance.source_sha256 else {}),
        "version": provenance.version,
    }
    (say_json if json else say_facts)(facts)


def _numbered(name: str, number: int) -> str:
    """The name of the first, second, … of several."""
    return f"{name} {number + 1}" if number else name
