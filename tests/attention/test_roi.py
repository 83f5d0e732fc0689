"""The model's own region: watching changes nothing, its maps are the attention there is, and clusters are joined."""

import numpy as np
import pytest
import torch
from torch import Tensor

from retouch.attention.layers import cross_layers
from retouch.attention.roi import (
    GRID,
    SMALL_LATENTS,
    RoiSettings,
    Watch,
    meaningful,
    region_of_interest,
)
from retouch.attention.words import Places, Reader
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError, SettingsError
from retouch.diffusion.guidance import InstructGuidance
from retouch.diffusion.loop import denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler
from retouch.models.checkpoint import Checkpoint

TEXTS = ["make the sofa green", "remove the lamp"]
SHAPE = (12, 8)
ALL = RoiSettings(layers=(0.1, 1.1), span=(0, 1), blocks=0.1)


@pytest.fixture
def reader(tiny_checkpoint: Checkpoint) -> Reader:
    return Reader(tokenizer=tiny_checkpoint.tokenizer, length=16)


def run(checkpoint: Checkpoint, watch: Watch | None, samples: slice = slice(0, 2), until: float = 1.0) -> Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)[samples]]
    noise = unit_noise((4, *SHAPE), generators, checkpoint.device)
    source = unit_noise((4, *SHAPE), [torch.Generator().manual_seed(seed) for seed in (7, 8)[samples]], noise.device)
    return denoise(
        unet_predictor(checkpoint, instruct_branches(checkpoint, source, TEXTS[samples])),
        make_scheduler("ddim", checkpoint.scheduler_config),
        InstructGuidance(text=3.0, image=1.5),
        noise,
        steps=3,
        generator=generators,
        before=() if watch is None else (watch.before,),
        until=until,
    )


def watched(
    checkpoint: Checkpoint, places: list[Places], settings: RoiSettings = ALL, samples: slice = slice(0, 2)
) -> Watch:
    watch = Watch(places, SHAPE, settings)
    with watch.over(checkpoint.unet):
        run(checkpoint, watch, samples)
    return watch


def test_watching_changes_nothing_and_ejects_exactly(tiny_checkpoint: Checkpoint, reader: Reader) -> None:
    unet = tiny_checkpoint.unet
    plain, before = run(tiny_checkpoint, None), dict(unet.attn_processors)
    watch = Watch([(2,), (3,)], SHAPE, ALL)
    with watch.over(unet):
        assert torch.equal(run(tiny_checkpoint, watch), plain)
    assert all(unet.attn_processors[name] is processor for name, processor in before.items())
    assert not any(block._forward_hooks for block in unet.up_blocks)
    with pytest.raises(RuntimeError), watch.over(unet):
        raise RuntimeError
    assert all(unet.attn_processors[name] is processor for name, processor in before.items())
    assert not any(block._forward_hooks for block in unet.up_blocks)


def test_the_maps_of_all_tokens_sum_to_one(tiny_checkpoint: Checkpoint, reader: Reader) -> None:
    everything = tuple(range(reader.length))
    watch = watched(tiny_checkpoint, [everything, everything], RoiSettings(layers=(0.1, 1.1), span=(0, 0.3)))
    expected = torch.full((2, SHAPE[0] * GRID, SHAPE[1] * GRID), 1 / reader.length)
    torch.testing.assert_close(watch.attention(), expected)
    parts = [watched(tiny_checkpoint, [(place,), (place,)], RoiSettings(layers=(0.1, 1.1), span=(0, 0.3))).attention()
             for place in everything]  # fmt: skip
    torch.testing.assert_close(torch.stack(parts).sum(0), expected * reader.length, rtol=1e-4, atol=1e-5)
    assert max(float(part.std()) for part in parts) > 0


def test_a_batch_is_its_samples_alone(tiny_checkpoint: Checkpoint, reader: Reader) -> None:
    places = [meaningful(reader, text) for text in TEXTS]
    both = watched(tiny_checkpoint, places)
    for number in range(2):
        part = slice(number, number + 1)
        alone = watched(tiny_checkpoint, places[part], samples=part)
        torch.testing.assert_close(both.attention()[part], alone.attention(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(both.features()[part], alone.features(), rtol=1e-3, atol=1e-4)
    assert both.features().shape[-2:] == (SHAPE[0] * GRID, SHAPE[1] * GRID)
    torch.testing.assert_close(both.features().norm(dim=1), torch.ones(2, SHAPE[0] * GRID, SHAPE[1] * GRID))


def test_features_are_of_the_branch_that_is_asked_for(tiny_checkpoint: Checkpoint, reader: Reader) -> None:
    found = []
    for branch in (1, 2, 3):
        watch = Watch([(2,), (2,)], SHAPE, ALL, branch=branch)
        with watch.over(tiny_checkpoint.unet):
            run(tiny_checkpoint, watch, until=0.1)
        found.append(watch.features())
    assert not torch.allclose(found[0], found[1], atol=1e-4) and not torch.allclose(found[1], found[2], atol=1e-4)


def test_layers_are_chosen_by_size_and_order(tiny_checkpoint: Checkpoint, reader: Reader) -> None:
    names = cross_layers(tiny_checkpoint.unet)
    watch = watched(tiny_checkpoint, [(2,), (3,)])
    assert set(watch._maps) == set(names)
    last = list(watch._maps)[-1]
    assert last.startswith("up_blocks")
    only = watched(tiny_checkpoint, [(2,), (3,)], RoiSettings(layers=(0.1, 1.1), span=(0, 1), last=1, blocks=0.1))
    torch.testing.assert_close(only.attention(), only._on_grid(watch._maps[last][:, None])[:, 0])
    with pytest.raises(ModelError, match="no region of its own"):
        watched(tiny_checkpoint, [(2,), (3,)], RoiSettings(layers=(0.0, 0.01))).attention()
    with pytest.raises(ModelError, match="no region of its own"):
        watched(tiny_checkpoint, [(2,), (3,)], RoiSettings(span=(0, 0))).features()


def scene() -> tuple[Tensor, Tensor]:
    """Three parts of different features, words read most at one place of the second."""
    features = torch.zeros(1, 3, 20, 30)
    features[:, 0, :, :10], features[:, 1, :, 10:18], features[:, 2, :, 18:] = 1, 1, 1
    attention = torch.full((1, 20, 30), 0.1)
    attention[:, :, 10:18] = 0.4
    attention[:, 5, 12] = 0.9
    return attention, features


def test_the_cluster_that_is_read_most_from_is_the_region() -> None:
    attention, features = scene()
    (found,) = region_of_interest(attention, features, RoiSettings(clusters=3))
    expected = np.zeros((20, 30), dtype=bool)
    expected[:, 10:18] = True
    assert (found.mask == expected).all()
    assert found.contrast == pytest.approx(1 - 0.1 / float(attention[0, :, 10:18].mean()), abs=1e-6)
    attention[:, 3:6, 20:28] = 0.95
    (both,) = region_of_interest(attention, features, RoiSettings(clusters=3, top=0.05))
    expected[:, 18:] = True
    assert (both.mask == expected).all()


def test_the_same_seed_finds_the_same(tiny_checkpoint: Checkpoint) -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.nn.functional.normalize(torch.randn(2, 6, 16, 12, generator=generator), dim=1)
    attention = torch.rand(2, 16, 12, generator=generator)
    runs = [region_of_interest(attention, features, SMALL_LATENTS, seed=seed) for seed in (1, 1, 2)]
    assert all((one.mask == other.mask).all() for one, other in zip(runs[0], runs[1], strict=True))
    assert any((one.mask != other.mask).any() for one, other in zip(runs[0], runs[2], strict=True))


def test_nothing_stands_out_of_what_is_even() -> None:
    _, features = scene()
    (even,) = region_of_interest(torch.full((1, 20, 30), 0.2), features, RoiSettings(clusters=3))
    assert even.contrast == pytest.approx(0)
    (flat,) = region_of_interest(scene()[0], torch.ones(1, 3, 20, 30), RoiSettings(clusters=3))
    assert flat.mask.all() and flat.contrast == 0


def test_the_words_that_count(reader: Reader) -> None:
    text = "Turn the sofa green, please"
    words = dict(reader.words(text))
    assert meaningful(reader, text) == (*words["sofa"], *words["green,"])
    assert meaningful(reader, "remove it") == tuple(place for _, own in reader.words("remove it") for place in own)


def test_bad_requests(tiny_checkpoint: Checkpoint) -> None:
    for wrong in ({"clusters": 1}, {"top": 0.0}, {"last": 0}, {"span": (0.5, 0.1)}, {"least": 2.0}):
        with pytest.raises(SettingsError):
            RoiSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="expected 1 samples of 12 x 8"):
        watched(tiny_checkpoint, [(2,)])
