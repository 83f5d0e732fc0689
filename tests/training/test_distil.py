"""The distil kind: what a student learns of its teacher, what of it is kept, and how it is opened."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.text import encode_ids, encode_null_text, token_ids
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError, SettingsError, TrainingError
from retouch.core.lora import Lora
from retouch.diffusion.guidance import InstructGuidance
from retouch.diffusion.loop import denoise
from retouch.diffusion.schedules import make_scheduler
from retouch.models.architecture import TINY, ZERO_TERMINAL_SCHEDULE, random_checkpoint
from retouch.models.checkpoint import Checkpoint
from retouch.models.load import load
from retouch.models.lora import fuse_loras
from retouch.models.save import save
from retouch.models.spec import PUBLISHED
from retouch.training.average import named_parameters
from retouch.training.cache import Preparation, pair_tables
from retouch.training.choices import Choices, Material, Student
from retouch.training.denoising import Denoising, Given, parted_steps, times_of
from retouch.training.distilling import Stretch, Teacher, consistency_errors, consistent, guidance_errors
from retouch.training.kinds.distil import DistilKind, DistilRecipe, DistilTask
from retouch.training.run import run_recipe
from retouch.training.settings import TrainSettings
from retouch.training.state import latest_state
from retouch.training.trainer import train
from retouch.training.usual import usual_recipe

SETTINGS = TrainSettings(
    steps=4, batch_size=2, learning_rate=1e-3, warmup=1, precision="float32", save_every=50, validate_every=50
)
TASK = DistilTask(steps=2, skip=2, text_guidance=3.0, image_guidance=1.5, shown=2)
TEXTS = ("make the left square red", "make the left square green")


@pytest.fixture(params=["ε", "v", "change"])
def teacher(request: pytest.FixtureRequest, make_tiny, tiny_tokenizer) -> Checkpoint:
    if request.param == "ε":
        return make_tiny(seed=1)
    changing = {"denoises": "change", "condition_scaled": True} if request.param == "change" else {}
    spec = replace(PUBLISHED["instruct"], native_size=64, size_multiple=16, steps=3, scheduler="ddim", **changing)
    return random_checkpoint(TINY, tiny_tokenizer, spec=spec, schedule=ZERO_TERMINAL_SCHEDULE, seed=1)


def given_to(checkpoint: Checkpoint, texts: tuple[str, ...] = TEXTS) -> Given:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        text = encode_ids(checkpoint, token_ids(checkpoint, texts))
    null = encode_null_text(checkpoint).expand_as(text)
    return Given(source=torch.randn(len(texts), 4, 8, 8, generator=generator), text=text, null=null)


def noise_for(given: Given) -> Tensor:
    return torch.randn(given.source.shape, generator=torch.Generator().manual_seed(4))


def taught(checkpoint: Checkpoint, *, text: float, image: float) -> Teacher:
    guidance = InstructGuidance(text=text, image=image)
    return Teacher(unet=checkpoint.unet, denoising=Denoising.of(checkpoint), guidance=guidance)


def kind_of(checkpoint: Checkpoint, pairs: Path, **task: object) -> DistilKind:
    tables = pair_tables(Preparation(vae=checkpoint.vae, cache=None), pairs, split="train")
    changed = replace(TASK, **task)  # type: ignore[arg-type]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return DistilKind(checkpoint, tables, tables, changed, base="tiny", mirrored=str)


def state_of(folder: Path) -> dict[str, Tensor]:
    state = latest_state(folder)
    assert state is not None
    return load_file(state / "state.safetensors")


def test_the_teachers_path_is_that_of_the_loop(teacher: Checkpoint) -> None:
    guide, given = taught(teacher, text=3.0, image=1.5), given_to(teacher)
    expected = denoise(
        unet_predictor(teacher, instruct_branches(teacher, given.source, TEXTS)),
        make_scheduler("ddim", teacher.scheduler_config),
        guide.guidance,
        noise_for(given),
        steps=4,
        generator=torch.Generator(),
    )
    latents = noise_for(given)
    for step in parted_steps(teacher.scheduler_config, steps=4, parts=1):
        latents = guide.step(latents, times_of(step[0], 2), times_of(step[1], 2), given)
    torch.testing.assert_close(latents, expected, atol=2e-4, rtol=2e-4)


def test_a_step_implies_the_clean_latents_it_was_taken_with(teacher: Checkpoint) -> None:
    denoising, given = Denoising.of(teacher), given_to(teacher)
    noisy, clean, (times, until) = noise_for(given), given.source, (times_of(600, 2), times_of(350, 2))
    later = denoising.stepped(noisy, clean, times, until)
    torch.testing.assert_close(denoising.implied(noisy, later, times, until), clean, atol=1e-4, rtol=1e-4)


def test_steps_are_parted_without_gaps(teacher: Checkpoint) -> None:
    steps = parted_steps(teacher.scheduler_config, steps=4, parts=3)
    assert [len(step) for step in steps[:3]] == [4] * 3
    assert all(before[-1] == after[0] for before, after in pairwise(steps[:3]))
    assert steps[-1][-1] == 0 and all(start > end for step in steps for start, end in pairwise(step))


def test_a_teacher_without_guidance_leaves_nothing_to_learn(teacher: Checkpoint) -> None:
    given, steps = given_to(teacher), parted_steps(teacher.scheduler_config, steps=3, parts=1)

    def error(text: float, image: float) -> float:
        guide = taught(teacher, text=text, image=image)
        with torch.no_grad():
            return float(guidance_errors(teacher.unet, guide, noise_for(given), given, steps).abs().max())

    assert error(1.0, 1.0) < 2e-3
    assert error(3.0, 1.5) > 1e-2


def test_no_instruction_is_the_branch_of_the_image(teacher: Checkpoint) -> None:
    given, times = given_to(teacher, ("", "")), times_of(400, 2)
    guided = taught(teacher, text=7.0, image=1.0).clean(noise_for(given), times, given)
    plain = taught(teacher, text=1.0, image=1.0).clean(noise_for(given), times, given)
    torch.testing.assert_close(guided, plain, atol=1e-3, rtol=1e-3)


class Sure(nn.Module):
    """Knows the clean latents, which are the source turned round, whatever the noise."""

    def forward(self, inputs: Tensor, times: Tensor, context: Tensor, *, return_dict: bool) -> tuple[Tensor]:
        source = inputs[:, 4:]
        return (source.flip(-1) - source,)


@pytest.mark.parametrize("perfect", [True, False])
def test_a_perfect_teacher_is_consistent_and_any_other_is_not(perfect: bool, make_tiny) -> None:
    checkpoint = make_tiny(seed=1, **({"condition_scaled": True, "denoises": "change"} if perfect else {}))
    unet = Sure() if perfect else checkpoint.unet
    guide = taught(replace(checkpoint, unet=unet), text=1.0, image=1.0)  # type: ignore[arg-type]
    given = given_to(checkpoint)
    stretch = Stretch(noisy=noise_for(given), times=times_of(700, 2), until=times_of(500, 2))
    with torch.no_grad():
        error = float(consistency_errors(guide.unet, guide, stretch, given).abs().max())
        end = consistent(guide.unet, guide.denoising, stretch.noisy, times_of(0, 2), given)
    assert error < 1e-5 if perfect else error > 1e-2
    assert torch.equal(end, stretch.noisy)


@pytest.mark.parametrize("objective", ["guidance", "consistency"])
@pytest.mark.parametrize("lora", [None, 4])
def test_the_loss_falls_and_the_teacher_stays(
    objective: str, lora: int | None, tiny_tokenizer, train_pairs: Path
) -> None:
    spec = replace(PUBLISHED["instruct"], native_size=64, size_multiple=16, steps=3, scheduler="ddim")
    checkpoint = random_checkpoint(TINY, tiny_tokenizer, spec=spec, schedule=ZERO_TERMINAL_SCHEDULE, seed=1)
    before = {name: weight.clone() for name, weight in checkpoint.unet.state_dict().items()}
    kind = kind_of(checkpoint, train_pairs, objective=objective, lora=lora, convolutions=True)
    learned = named_parameters(kind.modules)
    optimiser = torch.optim.AdamW(learned.values(), lr=1e-3 if lora is None else 1e-2)
    losses: list[float] = []
    for _ in range(8):
        loss = kind.loss(range(4), torch.Generator().manual_seed(1)).total
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.95 * losses[0]
    kept = kind._teacher.unet.state_dict()
    assert all(torch.equal(kept[name], before[name]) for name in before)
    assert lora is None or all("lora_" in name for name in learned)


def test_a_student_that_is_its_teacher_measures_the_same(make_tiny, train_pairs: Path) -> None:
    kind = kind_of(
        make_tiny(seed=1, steps=2), train_pairs, steps=2, skip=1, text_guidance=1.0, image_guidance=1.0, lora=2
    )
    figures = kind.validate(torch.Generator().manual_seed(0)).figures
    assert figures["PSNR to the teacher"] > 60
    assert figures["PSNR to 50 steps"] == pytest.approx(figures["the teacher's PSNR to 50 steps"], abs=0.05)
    assert kind.loss(range(4), torch.Generator().manual_seed(1)).total < 1e-4


@pytest.fixture(scope="module")
def base(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(make_tiny(seed=1), tmp_path_factory.mktemp("teacher") / "teacher")


@pytest.fixture
def recipe(base: Path, train_pairs: Path) -> DistilRecipe:
    task = replace(TASK, lora=2)
    return DistilRecipe(
        data=[train_pairs], base=str(base), cache=None, settings=SETTINGS, task=task, validation_every=4
    )


def test_a_stopped_run_goes_on_to_the_bit(recipe: DistilRecipe, tmp_path: Path) -> None:
    run_recipe(recipe, tmp_path / "whole", device="cpu")
    steps = iter([False, False, True])
    stopped = run_recipe(recipe, tmp_path / "parted", device="cpu", cancelled=lambda: next(steps))
    assert stopped.interrupted
    report = run_recipe(recipe, tmp_path / "parted", device="cpu")
    assert report.steps == 4 and set(report.figures) == {
        "PSNR to the teacher", "PSNR to 50 steps", "the teacher's PSNR to 50 steps",
    }  # fmt: skip
    whole, parted = state_of(tmp_path / "whole"), state_of(tmp_path / "parted")
    assert whole.keys() == parted.keys()
    assert all(torch.equal(whole[name], parted[name]) for name in whole)
    with pytest.raises(TrainingError, match="updates of another rank"):
        run_recipe(replace(recipe, task=replace(recipe.task, lora=3)), tmp_path / "parted", device="cpu")


def test_a_student_opens_whole_over_its_base_and_as_a_lora(
    recipe: DistilRecipe, base: Path, train_pairs: Path, tmp_path: Path
) -> None:
    kind = recipe.build(torch.device("cpu"))
    train(kind, replace(SETTINGS, learning_rate=1e-2), tmp_path)
    whole, over = load(tmp_path / "model"), load(tmp_path / "model" / "lora")
    for student in (whole, over):
        spec = student.spec
        assert (spec.steps, spec.scheduler, spec.text_guidance, spec.image_guidance) == (2, "ddim", 1.0, 1.0)
        assert spec.defaults.steps == 2
    beside = load(base)
    start = {name: weight.clone() for name, weight in beside.unet.state_dict().items()}
    fuse_loras(beside, [Lora(source=str(tmp_path / "model" / "lora"))])
    changed = 0
    for name, weight in whole.unet.state_dict().items():
        torch.testing.assert_close(over.unet.state_dict()[name], weight, atol=2e-3, rtol=2e-3)
        assert torch.equal(over.unet.state_dict()[name], beside.unet.state_dict()[name])
        changed += not torch.allclose(weight, start[name], atol=2e-3)
    assert changed > 0
    assert over.source == str(tmp_path / "model" / "lora")


def test_a_student_whose_base_is_gone_or_another_is_told(recipe: DistilRecipe, tmp_path: Path, make_tiny) -> None:
    gone = save(make_tiny(seed=1), tmp_path / "gone")
    run_recipe(replace(recipe, base=str(gone), settings=replace(SETTINGS, steps=1)), tmp_path / "run", device="cpu")
    student = tmp_path / "run" / "model" / "lora"
    save(make_tiny("generate"), gone)
    with pytest.raises(ModelError, match="says the model is of kind 'instruct'"):
        load(student)
    gone.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="is unknown"):
        load(student)


def test_teachers_and_tasks_that_do_not_fit_are_refused(recipe: DistilRecipe, make_tiny, tmp_path: Path) -> None:
    other = save(make_tiny("generate"), tmp_path / "generate")
    with pytest.raises(ModelError, match="needs one of kind 'instruct'"):
        replace(recipe, base=str(other)).build(torch.device("cpu"))
    for steps, skip in ((0, 1), (2, 0), (100, 10)):
        with pytest.raises(SettingsError, match=f"{steps} steps of {skip} of its teacher"):
            replace(recipe, task=replace(TASK, steps=steps, skip=skip)).build(torch.device("cpu"))
    with pytest.raises(SettingsError, match="text guidance is nan"):
        replace(recipe, task=replace(TASK, text_guidance=float("nan"))).build(torch.device("cpu"))


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        (Student(), DistilTask(lora=4)),
        (Student(objective="consistency"), DistilTask(objective="consistency", steps=2, skip=8, lora=4)),
        (Student(steps=1, text_guidance=2.0), DistilTask(steps=1, text_guidance=2.0, lora=4)),
    ],
)
def test_what_is_wanted_of_a_student_takes_the_usual_places(student: Student, expected: DistilTask) -> None:
    material = Material(data=[Path("d")], base="pocket", out=Path("o"), lora=4, student=student)
    made = usual_recipe("distil", material, Choices(steps=7))
    assert isinstance(made, DistilRecipe)
    assert (made.task, made.settings.steps) == (expected, 7)


def test_wishes_for_a_student_are_for_this_kind(recipe: DistilRecipe) -> None:
    material = Material(data=[Path("d")], base="pocket", out=Path("o"), student=Student(steps=2))
    with pytest.raises(SettingsError, match="'instruct' has no teacher"):
        usual_recipe("instruct", material, Choices())

    def named(name: str | None) -> Student:
        return Student.named(name, steps=None, text_guidance=None, image_guidance=None)

    assert named(None) == Student() and named("consistency").objective == "consistency"
    with pytest.raises(SettingsError, match="'magic'; choose guidance, consistency"):
        named("magic")
