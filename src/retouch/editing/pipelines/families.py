"""The table of families of editing pipelines; a new family is a row."""

from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings
from retouch.editing.pipelines import asking
from retouch.editing.pipelines.cosxl import cosxl_switch
from retouch.editing.pipelines.family import ModelFamily
from retouch.models import klein

KLEIN = ModelFamily(
    name="FLUX.2 klein",
    pipeline=klein.PIPELINE,
    inpaint="Flux2KleinInpaintPipeline",
    references=3,
    region_references=1,
    least=asking.FLUX2_LEAST,
    # A little less than the pipeline's own 8, because sides are rounded to multiples.
    widest=7.5,
    defaults=EditSettings(steps=klein.DISTILLED.steps, text_guidance=klein.DISTILLED.guidance),
    undistilled=EditSettings(steps=klein.UNDISTILLED.steps, text_guidance=klein.UNDISTILLED.guidance),
    patch=klein.PATCH,
    licence="Apache-2.0 (4B)",
    models=("black-forest-labs/FLUX.2-klein-4B", "black-forest-labs/FLUX.2-klein-base-4B"),
    billions={"transformer": 3.9, "text_encoder": 4.0, "vae": 0.08},
    ask=asking.ask_flux2,
    decode=asking.decode_flux2,
    notes="distilled checkpoints ignore guidance",
)

KONTEXT = ModelFamily(
    name="FLUX.1 Kontext",
    pipeline="FluxKontextPipeline",
    inpaint="FluxKontextInpaintPipeline",
    region_references=1,
    sizes="listed",
    defaults=EditSettings(steps=28, text_guidance=3.5),
    licence="FLUX.1 [dev] non-commercial",
    gated=True,
    models=("black-forest-labs/FLUX.1-Kontext-dev",),
    billions={"transformer": 11.9, "text_encoder_2": 4.8, "text_encoder": 0.12, "vae": 0.08},
    ask=asking.ask_kontext,
    decode=asking.decode_flux,
    notes="guidance is embedded, so there is no negative text",
)

QWEN = ModelFamily(
    name="Qwen-Image-Edit",
    pipeline="QwenImageEditPipeline",
    inpaint="QwenImageEditInpaintPipeline",
    text_guidance="true_cfg_scale",
    negative=True,
    sizes="fixed",
    defaults=EditSettings(steps=50, text_guidance=4.0),
    licence="Apache-2.0",
    models=("Qwen/Qwen-Image-Edit",),
    billions={"transformer": 20.4, "text_encoder": 8.3, "vae": 0.13},
    reads_pictures=True,
    ask=asking.ask_qwen,
    decode=asking.decode_qwen,
)

QWEN_PLUS = ModelFamily(
    name="Qwen-Image-Edit-2509 and later",
    pipeline="QwenImageEditPlusPipeline",
    text_guidance="true_cfg_scale",
    negative=True,
    references=2,
    region_references=2,
    sizes="fixed",
    defaults=EditSettings(steps=40, text_guidance=4.0),
    licence="Apache-2.0",
    models=("Qwen/Qwen-Image-Edit-2511", "Qwen/Qwen-Image-Edit-2509"),
    billions={"transformer": 20.4, "text_encoder": 8.3, "vae": 0.13},
    reads_pictures=True,
    ask=asking.ask_qwen_plus,
    decode=asking.decode_qwen,
)

LONGCAT = ModelFamily(
    name="LongCat-Image-Edit",
    pipeline="LongCatImageEditPipeline",
    negative=True,
    sizes="fixed",
    defaults=EditSettings(steps=50, text_guidance=4.5),
    licence="Apache-2.0",
    models=("meituan-longcat/LongCat-Image-Edit",),
    billions={"transformer": 6.3, "text_encoder": 8.3, "vae": 0.08},
    reads_pictures=True,
    ask=asking.ask_longcat,
    decode=asking.decode_flux,
    lora=False,
)

SDXL = ModelFamily(
    name="SDXL InstructPix2Pix, CosXL",
    pipeline="StableDiffusionXLInstructPix2PixPipeline",
    image_guidance="image_guidance_scale",
    negative=True,
    patch=8,
    defaults=EditSettings(steps=50, text_guidance=5.0, image_guidance=1.5),
    licence="OpenRAIL++ (SDXL); Stability non-commercial (CosXL)",
    models=("diffusers/sdxl-instructpix2pix-768",),
    billions={"unet": 2.57, "text_encoder_2": 0.69, "text_encoder": 0.12, "vae": 0.08},
    ask=asking.ask_sdxl,
    decode=asking.decode_sdxl,
    notes="guidance acts from a text guidance above 1 and an image guidance of 1 on",
    switches=cosxl_switch,
)

FAMILIES: tuple[ModelFamily, ...] = (KLEIN, KONTEXT, QWEN, QWEN_PLUS, LONGCAT, SDXL)


def known_classes() -> tuple[str, ...]:
    """The pipeline classes of all families."""
    return tuple(name for family in FAMILIES for name in family.classes)


def find_family(class_name: str) -> ModelFamily:
    """The family of a pipeline class; raises ModelError, which lists the known, for any other."""
    for family in FAMILIES:
        if class_name in family.classes:
            return family
    raise ModelError(
        f"The pipeline class '{class_name}' is unknown; known are {', '.join(known_classes())}, and the "
        "Stable-Diffusion-1 models that edit by instruction."
    )
