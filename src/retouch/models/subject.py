"""Subjects: what a model that fills regions by example was taught of one object from a few pictures of it.

A subject is a small adapter over an exemplar model: low-rank changes of its U-Net, a detail mapper of its own, and
the pictures it was taught from (Subject Inpainting, whose second U-Net is here the first with changes put in).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from retouch.core.errors import ModelError, SettingsError
from retouch.core.images import png_bytes
from retouch.core.reference import Reference, load_reference
from retouch.models.adapter import AdapterFacts, AdapterFolder, is_adapter, read_adapter, write_adapter
from retouch.models.exemplar import Exemplar, load_exemplar
from retouch.models.exemplar_networks import DetailMapper, layers_in
from retouch.models.low_rank import LowRank

NAME = "name"
"""The convention that says what a subject is called."""
_REFERENCE = "reference-{:02d}.png"


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One object that an exemplar model was taught.

    name: what it is called.
    base: the exemplar model, as it was; its own source is the subject's.
    changes: of the base's U-Net, not put in.
    detail: reads the details of references, in the changed U-Net.
    references: the pictures it was taught from.
    """

    name: str
    base: Exemplar
    changes: LowRank
    detail: DetailMapper
    references: tuple[Reference, ...]

    @property
    def taught(self) -> Exemplar:
        """The base with the subject's own detail mapper: what is right while the changes are put in."""
        return replace(self.base, detail=self.detail)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a training of it changes, by part."""
        return {"unet": self.changes, "detail": self.detail}


def fresh_subject(
    base: Exemplar,
    *,
    name: str,
    references: Sequence[Reference],
    rank: int,
    layers: int = 5,
    grid: int = 1,
    seed: int = 0,
) -> Subject:
    """A subject that is yet to be taught: changes of `rank` that change nothing.

    Its detail mapper is a copy of the base's; where the base has none, a new one of `layers` and `grid`, which ends in
    the base's own final norm and projection, so that its tokens are of a kind that the U-Net reads.

    Raises:
        SettingsError: the name cannot be that of a folder, the rank is below 1, or there is no reference.
    """
    check_name(name)
    if rank < 1:
        raise SettingsError(f"The rank is {rank}; give at least 1.")
    if not references:
        raise SettingsError(f"There is no picture of '{name}'; give 3 to 5.")
    detail = _begun_detail(base, layers, grid, seed) if base.detail is None else copy.deepcopy(base.detail)
    changes = LowRank.fresh(base.checkpoint.unet, rank=rank, seed=seed).to(base.checkpoint.device)
    return Subject(name=name, base=base, changes=changes, detail=detail, references=tuple(references))


def save_subject(subject: Subject, folder: str | Path, *, base: str, card: str | None = None) -> Path:
    """Write a subject over the exemplar model that `base` names, in half precision.

    Raises:
        OutputError: the folder cannot be written.
    """
    facts = AdapterFacts(
        kind="subject",
        base=base,
        image_encoder=subject.base.encoder.source,
        sizes={"detail_grid": subject.detail.grid, "references": len(subject.references)},
        conventions={NAME: subject.name},
    )
    pictures = {_REFERENCE.format(number): _png(each) for number, each in enumerate(subject.references, start=1)}
    parts = {"unet": subject.changes.parts(), "detail": subject.detail.state_dict()}
    return write_adapter(folder, facts, parts, card=card, pictures=pictures)


def load_subject(
    source: str | Path,
    *,
    base: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> Subject:
    """Load a subject that `save_subject` wrote, over the exemplar model it names, or over another, `base`.

    `source` is its folder, a hub id, or as `find_subject` takes it, its name.

    Raises:
        ModelError: it is missing or damaged, or does not fit the model that it is loaded over.
    """
    folder = read_adapter(find_subject(source), kind="subject")
    over = folder.facts.base if base is None else base
    exemplar = load_exemplar(over, dtype=dtype, vae_dtype=vae_dtype, device=device)
    changes, detail = LowRank(folder.part("unet")), _detail(folder, exemplar, str(over))
    changes.check(exemplar.checkpoint.unet)
    for network in (changes, detail):
        network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    named = replace(exemplar, checkpoint=replace(exemplar.checkpoint, source=str(source)))
    name = folder.facts.conventions.get(NAME, folder.path.name)
    return Subject(name=name, base=named, changes=changes, detail=detail, references=_references(folder, name))


def find_subject(source: str | Path, runs: str | Path = "runs") -> str:
    """Where a subject lies: a folder as it is, that of its training, or by its name among the trainings in `runs`."""
    given = Path(source).expanduser()
    for place in (given, given / "model", Path(runs) / given / "model"):
        if is_adapter(place):
            return str(place)
    return str(source)


def check_name(name: str) -> None:
    """Raise SettingsError where a name cannot be that of a folder."""
    if not name or not all(sign.isalnum() or sign in "-_" for sign in name):
        raise SettingsError(f"The name is '{name}'; give one of letters, digits and hyphens, such as lucky-chair.")


def _begun_detail(base: Exemplar, layers: int, grid: int, seed: int) -> DetailMapper:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        context = base.mapper.proj_out.out_features
        detail = DetailMapper(width=base.encoder.width, layers=layers, context=context, grid=grid)
    detail.final_layer_norm.load_state_dict(base.mapper.final_layer_norm.state_dict())
    detail.proj_out.load_state_dict(base.mapper.proj_out.state_dict())
    return detail.to(base.checkpoint.device)


def _detail(folder: AdapterFolder, exemplar: Exemplar, over: str) -> DetailMapper:
    weights = folder.part("detail")
    width, context = weights["proj_out.weight"].shape[1], weights["proj_out.weight"].shape[0]
    read = (exemplar.encoder.width, exemplar.mapper.proj_out.out_features)
    if (width, context) != read:
        raise ModelError(
            f"The subject '{folder.source}' reads features of {width} and writes {context}, '{over}' has {read[0]} and "
            f"{read[1]}; load it over a model like '{folder.facts.base}', which it was taught over."
        )
    detail = DetailMapper(width=width, layers=layers_in(weights), context=context, grid=folder.size("detail_grid"))
    try:
        detail.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(f"The weights of '{folder.source}' are no detail mapper ({reason}); restore them.") from error
    return detail


def _references(folder: AdapterFolder, name: str) -> tuple[Reference, ...]:
    files = [folder.path / _REFERENCE.format(number) for number in range(1, folder.size("references") + 1)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ModelError(f"The subject '{folder.source}' lacks its picture {missing[0]}; restore the folder.")
    return tuple(replace(load_reference(file), name=f"{name} {number}") for number, file in enumerate(files, start=1))


def _png(reference: Reference) -> bytes:
    picture = reference.picture.copy()
    if reference.alpha is not None:
        picture.putalpha(reference.alpha)
    return png_bytes(picture)
