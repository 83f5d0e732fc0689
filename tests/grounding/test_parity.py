"""Our framing and reading of answers against transformers' own processors, where those run without torchvision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.grounding.segmenters.framing import Framing
from retouch.grounding.segmenters.grounding_dino import detection_size, load_grounding_dino
from retouch.grounding.segmenters.load import load_segmenter
from retouch.grounding.segmenters.sam import load_sam

SIZES = [(75, 50), (50, 130), (64, 64), (301, 77)]
Folder = Callable[[str], Path]


def picture(size: tuple[int, int]) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1333, 800), (4000, 400), (800, 800), (33, 1001)])
def test_detection_sizes(size: tuple[int, int]) -> None:
    from transformers.image_transforms import get_size_with_aspect_ratio

    assert detection_size(size, 800) == get_size_with_aspect_ratio(size[::-1], 800, 1333)[::-1]


@pytest.mark.parametrize("size", SIZES)
def test_levels_and_resampling(size: tuple[int, int]) -> None:
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    theirs = ViTImageProcessorPil(
        size={"height": 48, "width": 48}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    )(picture(size), return_tensors="pt")
    assert torch.allclose(Framing(side=48).squared(picture(size)), theirs["pixel_values"], atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_boxes(network_folder: Folder, size: tuple[int, int]) -> None:
    from transformers import AutoTokenizer, GroundingDinoForObjectDetection, GroundingDinoProcessor
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil

    folder = network_folder("grounding-dino")
    images: Any = GroundingDinoImageProcessorPil(size={"shortest_edge": 256, "longest_edge": 427})
    processor: Any = GroundingDinoProcessor(images, AutoTokenizer.from_pretrained(folder))
    network: Any = GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    with torch.no_grad():
        inputs = processor(images=picture(size), text="the red lamp.", return_tensors="pt")
        outputs = network(**inputs)
    (theirs,) = processor.post_process_grounded_object_detection(
        outputs, inputs["input_ids"], threshold=-1.0, target_sizes=[size[::-1]]
    )
    ours = load_grounding_dino(str(folder)).boxes(picture(size), "The red lamp")
    order = theirs["scores"].argsort(descending=True)
    assert torch.allclose(ours.scores, theirs["scores"][order], atol=1e-4)
    corners = theirs["boxes"][order].clamp(min=0).minimum(torch.tensor([*size, *size]))
    assert torch.allclose(ours.corners, corners, atol=1e-2)


@pytest.mark.parametrize("size", SIZES)
def test_masks_in_boxes_and_at_points(network_folder: Folder, size: tuple[int, int]) -> None:
    from transformers import SamModel, SamProcessor
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    folder = network_folder("sam")
    square = {"height": 64, "width": 64}
    images: Any = SamImageProcessorPil(size={"longest_edge": 64}, pad_size=square)
    processor: Any = SamProcessor(images)
    network: Any = SamModel.from_pretrained(folder).eval()
    box = [5.0, 6.0, size[0] - 9.0, size[1] - 4.0]
    inputs = processor(images=picture(size), input_boxes=[[box]], return_tensors="pt")
    sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
    with torch.no_grad():
        outputs = network(**inputs, multimask_output=False)
    (theirs,) = processor.image_processor.post_process_masks(
        outputs.pred_masks, *sizes, binarize=False, pad_size=square
    )
    ours = load_sam(str(folder)).within(picture(size), torch.tensor([box]))
    assert ours.shape == theirs.shape[-2:]
    # They interpolate logits and we their probabilities, which are all near a half in a random network.
    assert np.allclose(ours, torch.sigmoid(theirs[0, 0]).numpy(), atol=1e-3)


def test_a_box_that_is_moved_moves_the_mask(network_folder: Folder) -> None:
    prompter = load_sam(str(network_folder("sam2")))
    one, other = (prompter.within(picture((120, 60)), torch.tensor([[x, 5.0, x + 20, 40.0]])) for x in (0.0, 90.0))
    assert not np.array_equal(one, other)
    both = prompter.within(picture((120, 60)), torch.tensor([[0.0, 5.0, 20.0, 40.0], [90.0, 5.0, 110.0, 40.0]]))
    assert np.allclose(both, np.maximum(one, other), atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_heat_maps(network_folder: Folder, size: tuple[int, int]) -> None:
    from transformers import AutoTokenizer, CLIPSegForImageSegmentation, CLIPSegProcessor
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = network_folder("clipseg")
    images = ViTImageProcessorPil(
        size={"height": 48, "width": 48}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    )
    processor: Any = CLIPSegProcessor(images, AutoTokenizer.from_pretrained(folder))
    network: Any = CLIPSegForImageSegmentation.from_pretrained(folder).eval()
    with torch.no_grad():
        inputs = processor(text=["the red lamp"], images=[picture(size)], return_tensors="pt")
        theirs = torch.sigmoid(network(**inputs).logits).reshape(1, 1, 48, 48)
    ours = load_segmenter(str(folder)).segment(picture(size), "the red lamp")
    wide = torch.nn.functional.interpolate(theirs, size=size[::-1], mode="bilinear")[0, 0]
    assert np.allclose(ours.mask, wide.numpy(), atol=1e-4)
    assert ours.score == pytest.approx(float(theirs.max()), abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_outlines(network_folder: Folder, size: tuple[int, int]) -> None:
    from transformers import AutoTokenizer
    from transformers.models.florence2.processing_florence2 import Florence2PostProcessor

    from retouch.grounding.segmenters.florence import outlines_of

    places = "".join(f"<loc_{number}>" for number in (100, 100, 900, 110, 800, 700, 120, 999))
    text = f"</s><s>the lamp{places}<sep>{places[:27]}<sep>{places}</s>"
    parser: Any = Florence2PostProcessor(None, AutoTokenizer.from_pretrained(network_folder("florence")))
    (theirs,) = parser.parse_description_with_polygons_from_text_and_spans(text, image_size=size)
    ours = outlines_of(text, size)
    whole = [flat for flat in theirs["polygons"] if len(flat) >= 6]
    assert len(ours) == len(whole) == 2
    for outline, flat in zip(ours, whole, strict=True):
        # Theirs are cut to whole pixels.
        assert np.array_equal(np.asarray(outline).reshape(-1).astype(int), flat)


@pytest.mark.parametrize("name", ["sam3", "sam3-video"])
def test_instances(network_folder: Folder, name: str) -> None:
    """The processor of SAM 3 needs torchvision; its reading of answers is repeated here from its text."""
    from transformers import AutoTokenizer, Sam3Model

    folder = network_folder(name)
    network: Any = Sam3Model.from_pretrained(folder).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    words = tokenizer(["the red lamp"], padding="max_length", max_length=32, return_tensors="pt")
    framing = Framing(side=56, mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5))
    with torch.no_grad():
        outputs = network(pixel_values=framing.squared(picture((75, 50))), **words)
    scores = outputs.pred_logits.sigmoid() * outputs.presence_logits.sigmoid()
    found = load_segmenter(str(folder)).segment(picture((75, 50)), "the red lamp")
    assert found.score == pytest.approx(float(scores.max()), abs=1e-5)
    assert found.score < 0.5 and found.mask.max() == 0
