"""What a run of a generative engine is asked for, and the engine made of it: models are loaded here, once a process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from retouch.conditioning.control import check_control
from retouch.conditioning.generate import check_generate
from retouch.core.errors import SettingsError
from retouch.datagen.generative.controlnet import ControlNetTechnique
from retouch.datagen.generative.engine import CandidateJudge, GenerativeEngine
from retouch.datagen.generative.prompt_to_prompt import PromptToPromptTechnique
from retouch.datagen.generative.sampling import Sampler
from retouch.datagen.generative.still import StillShares
from retouch.datagen.generative.swap import SwapTechnique
from retouch.datagen.generative.technique import Technique
from retouch.datagen.thresholds import Thresholds
from retouch.editing.device import choose_device, choose_precision, image_precision
from retouch.metrics.clip import load_encoder
from retouch.models.checkpoint import Checkpoint
from retouch.models.control import load_control
from retouch.models.load import load
from retouch.models.pocket import POCKET
from retouch.records.pair import Split
from retouch.records.triple import Triple

TechniqueName = Literal["attention-swap", "prompt-to-prompt", "controlnet"]
TECHNIQUES: tuple[TechniqueName, ...] = get_args(TechniqueName)

KEEP: Mapping[TechniqueName, int] = {"attention-swap": 4, "prompt-to-prompt": 4, "controlnet": 1}
"""How many pairs of a triple are kept at the most: as published, and for Prompt-to-Prompt as for the swap."""
SCHEDULERS: Mapping[TechniqueName, str] = {
    "attention-swap": "euler-ancestral",
    "prompt-to-prompt": "ddim",
    "controlnet": "ddim",
}
"""The schedulers that the pairs of others were made with."""
PRESETS: Mapping[TechniqueName, str] = {
    "attention-swap": "brooks-code",
    "prompt-to-prompt": "langdesign",
    "controlnet": "conti",
}
"""The thresholds those were kept by; pairs of the pocket family have their own."""

DEFAULT_MODEL = f"{POCKET}/generate"
POCKET_CONTROL = f"{POCKET}/controlnet"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which technique makes pairs of which triples with which models, and which of them are kept.

    None is the usual of the technique or of the model: `scheduler`, `steps`, `keep`, `candidates`; `control` is a
    ControlNet, which the technique of that name needs.
    """

    technique: TechniqueName
    triples: tuple[Triple, ...]
    thresholds: Thresholds
    encoder: str
    model: str = DEFAULT_MODEL
    control: str | None = None
    seed: int = 0
    split: Split = "train"
    keep: int | None = None
    candidates: int | None = None
    batch: int = 8
    steps: int | None = None
    scheduler: str | None = None
    blend: bool = False
    still: StillShares = field(default_factory=StillShares)
    device: str = "cpu"
    precision: str = "float32"


def usual_preset(technique: TechniqueName, model: str) -> str:
    """The thresholds to judge by where nobody says: a hub model's as published, the pocket family's for all others."""
    of_hub = not model.startswith(POCKET) and not Path(model).expanduser().exists()
    return PRESETS[technique] if of_hub else POCKET


def engine_factory(plan: Plan) -> Callable[[], GenerativeEngine]:
    """What `sift_pairs` calls in every process."""
    return partial(build_engine, plan)


def build_engine(plan: Plan) -> GenerativeEngine:
    """Load the models and put the engine together.

    Raises:
        ModelError: a model is unknown, unreachable, damaged or of another kind.
        SettingsError: a number is out of range, or the ControlNet is not named.
        DataError: there are no triples.
    """
    device = choose_device(plan.device)
    precision = choose_precision(plan.precision, device)
    checkpoint = load(plan.model, dtype=precision, vae_dtype=image_precision(precision, device), device=device)
    check_generate(checkpoint)
    encoder = load_encoder(plan.encoder, device=device)
    return GenerativeEngine(
        technique=_technique(plan, checkpoint),
        triples=plan.triples,
        judge=CandidateJudge(encoder=encoder, thresholds=plan.thresholds),
        seed=plan.seed,
        split=plan.split,
        keep=KEEP[plan.technique] if plan.keep is None else plan.keep,
        candidates=plan.candidates,
        still=plan.still,
    )


def _technique(plan: Plan, checkpoint: Checkpoint) -> Technique:
    scheduler = plan.scheduler or SCHEDULERS[plan.technique]
    sampler = Sampler(checkpoint=checkpoint, scheduler=scheduler, steps=plan.steps)
    if plan.technique == "attention-swap":
        return SwapTechnique(sampler=sampler, batch=plan.batch)
    if plan.technique == "prompt-to-prompt":
        return PromptToPromptTechnique(sampler=sampler, batch=plan.batch, blend=plan.blend)
    return _controlnet(plan, sampler)


def _controlnet(plan: Plan, sampler: Sampler) -> ControlNetTechnique:
    checkpoint = sampler.checkpoint
    source = plan.control or (POCKET_CONTROL if plan.model.startswith(f"{POCKET}/") else None)
    if source is None:
        raise SettingsError(
            f"The engine controlnet needs a ControlNet made for '{plan.model}'; name its folder or hub id, such as "
            "lllyasviel/sd-controlnet-canny."
        )
    network = load_control(source, dtype=checkpoint.dtype, device=checkpoint.device)
    check_control(network, checkpoint, 1.0)
    name = Path(source).resolve().name if Path(source).exists() else source
    return ControlNetTechnique(sampler=sampler, network=network, control=name)
