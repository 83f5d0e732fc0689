"""FLUX.2 klein as training sees it is what diffusers' pipeline makes of the same pictures, prompts and noise."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.training.conftest import square
from tests.training.tiny_klein import save_klein, tiny_klein

from retouch.core.errors import ModelError
from retouch.models.klein import patched
from retouch.training.flows.bases import open_family
from retouch.training.flows.klein import KleinPictures, KleinPrompts, packed, picture_places, text_places
from retouch.training.flows.sampling import flow_edits
from retouch.training.pictures import decode, to_model_range

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline() -> Any:
    pipe = tiny_klein()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_klein(tmp_path_factory.mktemp("klein") / "model")


def picture() -> torch.Tensor:
    return to_model_range(decode(square("red", left=8)))[None]


def test_latents_are_those_of_the_pipeline(pipeline: Any) -> None:
    ours = KleinPictures(vae=pipeline.vae).encode(picture())
    with torch.no_grad():
        theirs = pipeline._encode_vae_image(picture(), generator=None)
    torch.testing.assert_close(ours, theirs)
    assert ours.shape == (1, 16, 16, 16)


def test_decoding_undoes_the_normalisation(pipeline: Any) -> None:
    coder = KleinPictures(vae=pipeline.vae)
    with torch.no_grad():
        mode = pipeline.vae.encode(picture()).latent_dist.mode()
        expected = pipeline.vae.decode(mode).sample
    torch.testing.assert_close(coder.decode(coder.encode(picture())), expected, atol=1e-4, rtol=1e-4)


def test_prompts_are_read_as_the_pipeline_reads_them(pipeline: Any) -> None:
    ours = KleinPrompts(encoder=pipeline.text_encoder, tokenizer=pipeline.tokenizer).encode("make it red")
    with torch.no_grad():
        theirs, places = pipeline.encode_prompt("make it red")
    torch.testing.assert_close(ours[None], theirs)
    assert torch.equal(text_places(theirs), places)


def test_tokens_and_places_are_those_of_the_pipeline(pipeline: Any) -> None:
    latents = torch.randn(2, 4, 6, 10, generator=torch.Generator().manual_seed(1))
    cells = pipeline._patchify_latents(latents)
    assert torch.equal(patched(latents), cells)
    assert torch.equal(packed(cells), pipeline._pack_latents(cells))
    assert torch.equal(picture_places(cells, time=0), pipeline._prepare_latent_ids(cells))
    assert torch.equal(picture_places(cells[:1], time=10), pipeline._prepare_image_ids([cells[:1]]))


@pytest.mark.parametrize("distilled", [True, False])
def test_edits_are_those_of_the_pipeline(distilled: bool, tmp_path: Path) -> None:
    family = open_family(str(save_klein(tmp_path, distilled=distilled)))
    pipe: Any = tiny_klein(distilled=distilled)
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(2))
    image = Image.fromarray(decode(square("red", left=8)).permute(1, 2, 0).numpy())
    theirs = pipe(
        image=image, prompt="make it blue", num_inference_steps=3, latents=noise, output_type="pt"
    ).images  # fmt: skip
    pictures, prompts = family.picture_coder(CPU), family.prompt_coder(CPU, torch.float32)
    edits = flow_edits(
        family,
        family.transformer(torch.float32),
        noise=noise,
        source=pictures.encode(picture()),
        prompts=prompts.encode("make it blue")[None],
        empty=prompts.encode("")[None],
        steps=3,
    )
    ours = (pictures.decode(edits) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert family.guidance == (1.0 if distilled else 4.0)


def test_the_source_is_seen(folder: Path) -> None:
    family = open_family(str(folder))
    transformer = family.transformer(torch.float32)
    told = {"noisy": torch.zeros(1, 16, 4, 4), "levels": torch.tensor([0.5]), "prompts": torch.zeros(1, 5, 24)}
    with torch.no_grad():
        answers = [family.velocity(transformer, source=torch.full((1, 16, 4, 4), fill), **told) for fill in (0.0, 1.0)]
    assert answers[0].shape == (1, 16, 4, 4)
    assert not torch.allclose(answers[0], answers[1])


def test_what_is_no_such_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"InstructPix2Pix.*Flux2KleinPipeline"):
        open_family("pocket")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "Flux2KleinPipeline"}))
    with pytest.raises(ModelError, match="has no vae"):
        open_family(str(tmp_path))
    with pytest.raises(ModelError, match="not on this machine"):
        open_family("black-forest-labs/FLUX.2-klein-base-4B")


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    folder = save_klein(tmp_path)
    (file,) = (folder / "transformer").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"The transformer of .* cannot be read"):
        open_family(str(folder)).transformer(torch.float32)
