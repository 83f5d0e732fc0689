"""One contender of `bench/edit.py` in a process of its own: loads a folder, then edits whenever a line asks it to.

    python bench/contest/contender.py NAME FOLDER DEVICE

Lines of JSON go in and out; see `serve`. A process each keeps the memory of one out of the other's figures.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

BEGAN = time.perf_counter()

Edit = Callable[[dict[str, Any]], Sequence[Any]]
"""Makes the pictures (PIL) of a job; see `serve`."""


class Loaded(NamedTuple):
    """What edits, and has it forget what it keeps between edits."""

    edit: Edit
    forget: Callable[[], None]


def main() -> None:
    """Load, say so, serve."""
    name, folder, device = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Whatever libraries print must not come between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _be_quiet()
    loaded = CONTENDERS[name](folder, device)
    _answer(answers, {"ready": time.perf_counter() - BEGAN, **_memory()})
    for line in sys.stdin:
        serve(json.loads(line), loaded, answers)


def _be_quiet() -> None:
    import warnings

    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    warnings.simplefilter("ignore")
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def serve(job: dict[str, Any], loaded: Loaded, answers: Any) -> None:
    """Make one edit and answer with its seconds and the most memory so far, in bytes.

    A job says `picture`, `instructions`, `count`, `steps`, `text`, `image`, `profile`; `result`, where the first one
    goes; `turn`, by how many pixels the picture is moved; and `anew`, whether what was made of pictures and texts
    before is to be forgotten.
    """
    if job["anew"]:
        loaded.forget()
    began = time.perf_counter()
    pictures = loaded.edit(job)
    seconds = time.perf_counter() - began
    pictures[0].save(job["result"])
    _answer(answers, {"seconds": seconds, "pictures": len(pictures), **_memory()})


def _answer(answers: Any, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def _memory() -> dict[str, float]:
    import torch

    found = {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0}
    if torch.cuda.is_available():
        found["gpu_memory"] = float(torch.cuda.max_memory_allocated())
    return found


def _picture(job: dict[str, Any]) -> Any:
    from PIL import Image, ImageChops

    return ImageChops.offset(Image.open(job["picture"]).convert("RGB"), job["turn"], 0)


def documented(folder: str, device: str) -> Loaded:
    """diffusers' pipeline as its documentation calls it: float16 on a GPU, else as it loads."""
    import torch

    return _pipeline(folder, device, torch.float16 if device == "cuda" else torch.float32)


def tuned(folder: str, device: str) -> Loaded:
    """diffusers' pipeline as an expert would set it: half precision, channels last, and compiled on a GPU."""
    import torch

    return _pipeline(folder, device, torch.float16 if device == "cuda" else torch.bfloat16, tuned=True)


def _pipeline(folder: str, device: str, dtype: Any, *, tuned: bool = False) -> Loaded:
    import torch
    from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline

    pipeline: Any = StableDiffusionInstructPix2PixPipeline.from_pretrained(
        folder, torch_dtype=dtype, safety_checker=None
    ).to(device)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    if tuned:
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    if tuned and device == "cuda":
        compiled = partial(torch.compile, mode="reduce-overhead", fullgraph=True, dynamic=False)
        pipeline.unet, pipeline.vae.decode = compiled(pipeline.unet), compiled(pipeline.vae.decode)

    def edit(job: dict[str, Any]) -> Sequence[Any]:
        picture = _picture(job)
        noise = _noise(job, picture.width // pipeline.vae_scale_factor).to(device, dtype)
        # The documentation's call is for one instruction; an expert gives all of them to one call.
        asked = [job["instructions"]] if tuned else [[each] for each in job["instructions"]]
        made: list[Any] = []
        for instructions in asked:
            made += pipeline(
                instructions,
                image=[picture] * len(instructions),
                num_inference_steps=job["steps"],
                guidance_scale=job["text"],
                image_guidance_scale=job["image"],
                num_images_per_prompt=job["count"],
                latents=noise.repeat(len(instructions), 1, 1, 1),
            ).images
        return made

    return Loaded(edit, lambda: None)


def _noise(job: dict[str, Any], side: int) -> Any:
    """That of Retouch for the same seeds: torch draws other numbers in half precision."""
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in range(job["count"])]
    return torch.cat([torch.randn((1, 4, side, side), generator=each) for each in generators])


def retouch(**options: Any) -> Callable[[str, str], Loaded]:
    """Retouch, loaded with options, at a job's steps, of which its profile takes its share."""

    def load(folder: str, device: str) -> Loaded:
        from retouch.core.settings import EditSettings
        from retouch.editing.alternatives import edit_alternatives
        from retouch.editing.load import checkpoint_of, load_editor

        editor = load_editor(folder, device=device, **options)

        def edit(job: dict[str, Any]) -> Sequence[Any]:
            asked = EditSettings(
                steps=job["steps"], text_guidance=job["text"], image_guidance=job["image"], scheduler="ddim", seed=0
            )
            settings = replace(EditSettings(profile=job["profile"]).resolve(asked), keep_detail=None)
            results = edit_alternatives(
                editor, _picture(job), job["instructions"], settings=settings, count=job["count"]
            )
            return [picture for result in results for picture in result.images[0]]

        return Loaded(edit, checkpoint_of(editor).kept.clear)

    return load


def own(**options: Any) -> Callable[[str, str], Loaded]:
    """Retouch with the pocket editor as it is, its own conventions, steps and guidance in the place of the job's."""

    def load(_folder: str, device: str) -> Loaded:
        from retouch.core.settings import EditSettings
        from retouch.editing.load import checkpoint_of, load_editor

        editor = load_editor("pocket", device=device, **options)

        def edit(job: dict[str, Any]) -> Sequence[Any]:
            settings = EditSettings(profile=job["profile"], seed=0)
            picture, count = _picture(job), job["count"]
            made = [editor.edit(picture, each, settings=settings, count=count) for each in job["instructions"]]
            return [picture for result in made for picture in result.images[0]]

        return Loaded(edit, checkpoint_of(editor).kept.clear)

    return load


CONTENDERS: dict[str, Callable[[str, str], Loaded]] = {
    "diffusers": documented,
    "diffusers-tuned": tuned,
    "retouch": retouch(),
    "retouch-float32": retouch(precision="float32"),
    "retouch-torch": retouch(backend="torch"),
    "retouch-openvino": retouch(backend="openvino"),
    "retouch-graphs": retouch(backend="graphs"),
    "retouch-compiled": retouch(backend="compiled"),
    "retouch-own": own(backend="torch"),
    "retouch-own-openvino": own(backend="openvino"),
}
"""What can be asked for, by name."""


if __name__ == "__main__":
    main()
