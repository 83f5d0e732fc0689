"""A LoRA of a modern editor: it learns, goes on to the bit, encodes once, and diffusers reads what it exports."""

import gc
import io
import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from tests.training.conftest import squares, write_squares
from tests.training.tiny_klein import save_klein

from retouch.core.errors import DataError, ModelError, SettingsError, TrainingError
from retouch.core.images import png_bytes
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer
from retouch.training.choices import Choices, Material
from retouch.training.flows.bases import open_family
from retouch.training.flows.klein import Klein, KleinPictures, KleinPrompts
from retouch.training.flows.levels import drawn_levels, fixed_levels
from retouch.training.flows.pairs import FlowPreparation, flow_pairs
from retouch.training.kinds.lora import LoraKind, LoraRecipe, LoraTask, with_dropped
from retouch.training.run import run_recipe
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import TrainReport, train
from retouch.training.usual import usual_recipe

CPU = torch.device("cpu")
TASK = LoraTask(rank=4, measured=4, shown=2, shown_steps=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_klein(tmp_path_factory.mktemp("klein") / "model")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("pairs"), "train", 6)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoded")


@pytest.fixture
def recipe(base: Path, pairs: Path, cache: Path) -> LoraRecipe:
    settings = TrainSettings(
        steps=6, batch_size=2, learning_rate=1e-3, warmup=1, precision="float32", save_every=50, validate_every=50
    )
    return LoraRecipe(data=[pairs], base=str(base), cache=cache, settings=settings, task=TASK)


def run(recipe: LoraRecipe, out: Path, *, cancelled: Callable[[], bool] = lambda: False) -> TrainReport:
    return run_recipe(recipe, out, device="cpu", cancelled=cancelled)


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    state = latest_state(folder)
    assert state is not None
    return load_file(state / "state.safetensors")


def write(folder: Path, records: list[PairRecord]) -> None:
    with open_writer(folder, engine="squares", settings={}) as writer:
        writer.write(records, first_unit=0, units=len(records))


def widened(record: PairRecord) -> PairRecord:
    """The record with pictures half as wide again."""

    def wide(data: bytes) -> bytes:
        with Image.open(io.BytesIO(data)) as image:
            return png_bytes(image.resize((96, 64), Image.Resampling.NEAREST))

    source, target = wide(record.source_image), wide(record.target_image)
    return replace(record, source_image=source, target_image=target, mask=None, object_mask=None, segments=None)


def built(recipe: LoraRecipe) -> LoraKind:
    kind = recipe.build(CPU)
    assert isinstance(kind, LoraKind)
    return kind


def test_the_loss_falls(recipe: LoraRecipe, tmp_path: Path) -> None:
    kind = built(recipe)
    before = kind.validate(torch.Generator().manual_seed(0)).figures["held-out error"]
    settings = replace(recipe.settings, steps=80, batch_size=4, learning_rate=1e-2, ema_decay=0.0)
    first = float(kind.loss(range(4), torch.Generator().manual_seed(1)).total.detach())
    train(kind, settings, tmp_path)
    last = float(kind.loss(range(4), torch.Generator().manual_seed(1)).total.detach())
    assert last < 0.85 * first
    assert kind.validate(torch.Generator().manual_seed(0)).figures["held-out error"] < 0.85 * before


def test_only_the_updates_are_trained_and_kept(recipe: LoraRecipe, tmp_path: Path) -> None:
    kind = built(recipe)
    frozen = {name: value.clone() for name, value in kind.modules["transformer"].state_dict().items()}
    train(kind, recipe.settings, tmp_path)
    changed = {
        name for name, value in kind.modules["transformer"].state_dict().items() if not value.equal(frozen[name])
    }
    assert changed and all("lora_" in name for name in changed)
    assert all("lora_" in name for name in state_of(tmp_path))


def test_a_stopped_run_goes_on_to_the_bit(recipe: LoraRecipe, tmp_path: Path) -> None:
    run(recipe, tmp_path / "whole")
    steps = iter([False, False, False, True])
    assert run(recipe, tmp_path / "parted", cancelled=lambda: next(steps)).interrupted
    report = run(recipe, tmp_path / "parted")
    assert report.steps == 6
    whole, parted = state_of(tmp_path / "whole"), state_of(tmp_path / "parted")
    assert whole.keys() == parted.keys()
    assert all(torch.equal(whole[name], parted[name]) for name in whole)


def test_a_state_of_another_rank_is_refused(recipe: LoraRecipe, tmp_path: Path) -> None:
    run(replace(recipe, settings=replace(recipe.settings, steps=1)), tmp_path)
    with pytest.raises(TrainingError, match="updates of another rank"):
        run(replace(recipe, task=replace(TASK, rank=2)), tmp_path)


def test_encoders_leave_memory(recipe: LoraRecipe, tmp_path: Path) -> None:
    opened: list[weakref.ref[object]] = []

    class Watched(Klein):
        """Notes the networks that it opens."""

        def picture_coder(self, device: torch.device) -> KleinPictures:
            coder = super().picture_coder(device)
            opened.append(weakref.ref(coder.vae))
            return coder

        def prompt_coder(self, device: torch.device, dtype: torch.dtype) -> KleinPrompts:
            coder = super().prompt_coder(device, dtype)
            opened.append(weakref.ref(coder.encoder))
            return coder

    preparation = FlowPreparation(
        family=Watched.open(Path(recipe.base), recipe.base), cache=tmp_path, size=64, device=CPU, dtype=torch.float32
    )
    pairs = flow_pairs(preparation, recipe.data)
    gc.collect()
    assert len(pairs.train) and len(opened) == 2
    assert [network() for network in opened] == [None, None]


def test_diffusers_reads_the_export(recipe: LoraRecipe, base: Path, tmp_path: Path) -> None:
    kind = built(recipe)
    train(kind, replace(recipe.settings, steps=10, learning_rate=1e-2, ema_decay=0.0), tmp_path)
    pipe: Any = Flux2KleinPipeline.from_pretrained(base)
    generator = torch.Generator().manual_seed(3)
    told = {
        "hidden_states": torch.randn(1, 32, 16, generator=generator),
        "encoder_hidden_states": torch.randn(1, 7, 24, generator=generator),
        "timestep": torch.tensor([0.4]),
        "img_ids": torch.randint(0, 9, (1, 32, 4), generator=generator),
        "txt_ids": torch.randint(0, 9, (1, 7, 4), generator=generator),
        "return_dict": False,
    }
    with torch.no_grad():
        plain = pipe.transformer(**told)[0]
        pipe.load_lora_weights(tmp_path / "model")
        loaded = pipe.transformer(**told)[0]
        trained: Any = kind.modules["transformer"]
        expected = trained.eval()(**told)[0]
    torch.testing.assert_close(loaded, expected)
    assert not torch.allclose(plain, loaded, atol=1e-3)


def test_the_export_tells_rank_and_alpha_and_has_a_card(recipe: LoraRecipe, tmp_path: Path) -> None:
    run(recipe, tmp_path)
    with safe_open(tmp_path / "model" / "pytorch_lora_weights.safetensors", framework="pt") as file:
        told = json.loads(file.metadata()["lora_adapter_metadata"])
        shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 (a file is no mapping)
    assert (told["transformer.r"], told["transformer.lora_alpha"]) == (4, 4)
    # Eight projections in the block of two streams, two in that of one.
    assert len(shapes) == 2 * 10
    assert all(shape[0] == 4 for key, shape in shapes.items() if "lora_A" in key)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "load_lora_weights" in card and "rank: 4" in card and "held-out error" in card
    assert "base_model" not in card and str(Path(recipe.base).parent) not in card


def test_a_second_run_encodes_nothing(recipe: LoraRecipe, tmp_path: Path) -> None:
    recipe = replace(recipe, cache=tmp_path / "encoded")
    seen: list[tuple[int, int]] = []
    recipe.build(CPU, on_prepared=lambda done, total: seen.append((done, total)))
    files = {path: path.stat().st_mtime_ns for path in recipe.cache.rglob("*.safetensors")}
    assert [done for done, _ in seen] == list(range(1, len(files) + 1))
    assert {total for _, total in seen} == {len(files)}
    seen.clear()
    recipe.build(CPU, on_prepared=lambda done, total: seen.append((done, total)))
    assert seen == []
    assert files == {path: path.stat().st_mtime_ns for path in recipe.cache.rglob("*.safetensors")}


def test_an_interrupted_preparation_goes_on(recipe: LoraRecipe, tmp_path: Path) -> None:
    parted = replace(recipe, cache=tmp_path / "parted")

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parted.build(CPU, on_prepared=stop)
    first = {path.name for path in parted.cache.rglob("*.safetensors")}
    assert len(first) == 3
    seen: list[int] = []
    kinds = [
        each.build(CPU, on_prepared=lambda _, total: seen.append(total))
        for each in (parted, replace(recipe, cache=tmp_path / "whole"))
    ]
    assert seen[0] == seen[-1] - 3
    names = [{path.name for path in (tmp_path / place).rglob("*.safetensors")} for place in ("parted", "whole")]
    assert names[0] == names[1] > first
    losses = [kind.loss([0, 1], torch.Generator().manual_seed(1)).total for kind in kinds]
    assert torch.equal(losses[0], losses[1])


def test_the_cache_tells_encoders_apart(recipe: LoraRecipe, base: Path, pairs: Path, tmp_path: Path) -> None:
    family = open_family(str(base))
    for dtype in (torch.float32, torch.bfloat16):
        preparation = FlowPreparation(family=family, cache=tmp_path, size=64, device=CPU, dtype=dtype)
        found = flow_pairs(preparation, [pairs])
        assert found.embeddings([""]).dtype == dtype
        assert found.embeddings(["", found.train[0].prompt]).shape == (2, 512, 24)


def test_pairs_of_one_shape_share_batches(base: Path, cache: Path, tmp_path: Path) -> None:
    made = [widened(record) if number % 2 else record for number, record in enumerate(squares("train", 8))]
    write(tmp_path / "pairs", made)
    preparation = FlowPreparation(family=open_family(str(base)), cache=cache, size=128, device=CPU, dtype=torch.float32)
    found = flow_pairs(preparation, [tmp_path / "pairs"])
    assert [row for group in found.groups for row in group] == list(range(len(found.train)))
    shapes = [{tuple(found.latents([found.train[row].target]).shape[1:]) for row in group} for group in found.groups]
    assert shapes == [{(16, 16, 16)}, {(16, 16, 24)}]


def test_pairs_of_the_validation_split_are_held_out_where_there_are_some(
    base: Path, pairs: Path, cache: Path, tmp_path: Path
) -> None:
    preparation = FlowPreparation(family=open_family(str(base)), cache=cache, size=64, device=CPU, dtype=torch.float32)
    write(tmp_path / "both", [*squares("train", 6), *squares("validation", 3)])
    both = flow_pairs(preparation, [tmp_path / "both"])
    assert (len(both.train), len(both.held_out)) == (6, 3)
    parted = flow_pairs(preparation, [pairs])
    assert len(parted.train) + len(parted.held_out) == 6
    assert not {pair.source for pair in parted.train} & {pair.source for pair in parted.held_out}


def test_instructions_are_dropped_as_often_as_asked() -> None:
    prompts = [f"make it {number}" for number in range(1, 4001)]
    for share in (0.0, 0.05, 1.0):
        told = with_dropped(prompts, share, torch.Generator().manual_seed(5))
        assert all(each in ("", prompt) for each, prompt in zip(told, prompts, strict=True))
        assert told.count("") / len(told) == pytest.approx(share, abs=0.01 * (0 < share < 1))


def test_levels_are_those_of_the_scheduler() -> None:
    scheduler: Any = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    for cells, shift in ((256, 0.5), (2176, 0.825), (4096, 1.15)):
        levels = drawn_levels(20_000, torch.Generator().manual_seed(0), scheduler=scheduler, cells=cells)
        scheduler.set_timesteps(sigmas=[0.5], mu=shift)
        middle = float(scheduler.sigmas[0])
        assert float(levels.median()) == pytest.approx(middle, abs=5e-3)
        assert float(levels.min()) > 0 and float(levels.max()) < 1
        assert float(fixed_levels(3, scheduler=scheduler, cells=cells)[1]) == pytest.approx(middle, abs=1e-6)
    plain = FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert float(fixed_levels(1, scheduler=plain, cells=64)) == pytest.approx(0.75)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_it_trains_in_half_precision(precision: Any, recipe: LoraRecipe, tmp_path: Path) -> None:
    settings = replace(recipe.settings, steps=2, precision=precision, accumulate=2, checkpointing=True)
    run(replace(recipe, settings=settings), tmp_path)
    assert all(value.dtype == torch.float32 for value in state_of(tmp_path).values())


def test_recomputing_activations_changes_nothing(recipe: LoraRecipe, tmp_path: Path) -> None:
    run(recipe, tmp_path / "plain")
    run(replace(recipe, settings=replace(recipe.settings, checkpointing=True)), tmp_path / "recomputed")
    plain, other = state_of(tmp_path / "plain"), state_of(tmp_path / "recomputed")
    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, atol=1e-5, rtol=1e-4)


def test_validation_is_the_same_every_time_and_shows_edits(recipe: LoraRecipe) -> None:
    kind = built(recipe)
    first, second = (kind.validate(torch.Generator().manual_seed(0)) for _ in range(2))
    assert first.figures == second.figures
    (picture,) = first.pictures.values()
    assert picture.dtype == torch.uint8
    assert picture.shape[1] == 3 * 64
    assert not torch.equal(picture[:, :64], picture[:, 64:128])


def test_bad_input_is_refused_with_a_sentence(base: Path, validation_pairs: Path, tmp_path: Path) -> None:
    material = Material(data=[validation_pairs], base=str(base), out=tmp_path)
    with pytest.raises(DataError, match="no record of the split 'train'"):
        usual_recipe("lora", material, Choices()).build(CPU)  # type: ignore[union-attr]
    with pytest.raises(ModelError, match="Flux2KleinPipeline"):
        usual_recipe("lora", replace(material, base="pocket"), Choices()).build(CPU)  # type: ignore[union-attr]
    with pytest.raises(SettingsError, match="--no-cache"):
        usual_recipe("lora", replace(material, cache=False), Choices())
    one = write_squares(tmp_path / "one", "train", 1)
    with pytest.raises(DataError, match="one source picture alone"):
        usual_recipe("lora", replace(material, data=[one]), Choices()).build(CPU)  # type: ignore[union-attr]


def test_the_usual_rank_is_16_and_can_be_chosen(base: Path, tmp_path: Path) -> None:
    material = Material(data=[tmp_path], base=str(base), out=tmp_path)
    for rank, expected in ((None, 16), (3, 3)):
        made = usual_recipe("lora", replace(material, lora=rank, size=512), Choices(steps=7))
        assert isinstance(made, LoraRecipe)
        assert (made.task.rank, made.size, made.settings.steps) == (expected, 512, 7)
