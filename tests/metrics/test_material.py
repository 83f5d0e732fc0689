"""The material judge learns what it is shown and asks for what it needs."""

import numpy as np
import pytest

from retouch.core.errors import DataError, ModelError
from retouch.metrics.material import Crop, MaterialJudge, fit_material_judge


def crop(material: str, generator: np.random.Generator) -> Crop:
    """Stripes for wood, noise for fabric, at any colour: what tells them apart is the texture."""
    colour = generator.integers(60, 200, 3)
    if material == "wood":
        waves = 50 * np.sin(np.arange(64) / 3 + generator.uniform(0, 6))[None, :, None]
    else:
        waves = generator.normal(0, 30, (64, 64, 1))
    picture = np.clip(colour + waves + np.zeros((64, 64, 3)), 0, 255).astype(np.uint8)
    return Crop(picture=picture, mask=np.ones((64, 64), dtype=bool), material=material)


def test_it_learns_textures_and_survives_a_file(tmp_path) -> None:
    generator = np.random.default_rng(0)
    crops = [crop(material, generator) for material in ("wood", "fabric") * 60]
    judge = fit_material_judge(crops, epochs=4)
    unseen = [crop(material, generator) for material in ("wood", "fabric") * 10]
    assert judge.accuracy(unseen) >= 0.9
    judge.save(tmp_path / "material.safetensors")
    again = MaterialJudge.load(tmp_path / "material.safetensors")
    assert again.probabilities(unseen[0].picture, unseen[0].mask) == judge.probabilities(
        unseen[0].picture, unseen[0].mask
    )


def test_too_few_crops_and_missing_weights_are_said(tmp_path) -> None:
    with pytest.raises(DataError, match="at least 60"):
        fit_material_judge([])
    with pytest.raises(ModelError, match="eval materials"):
        MaterialJudge.load(tmp_path / "none.safetensors")
