"""The writer's kind: what it learns from, what it leaves alone, and what comes out, whole or as a LoRA."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from retouch.core.errors import DataError, ModelError, SettingsError
from retouch.models.fresh_writer import WriterShape
from retouch.models.writer import Sampling, complete, load_writer
from retouch.records.shards import read_records
from retouch.records.triple import EDIT_END, END, Triple, save_triples, to_prompt, to_text
from retouch.training.choices import Choices, Material
from retouch.training.kinds.writer import WriterKind, WriterRecipe, WriterTask, parted, usual
from retouch.training.settings import TrainSettings
from retouch.training.trainer import train

COLOURS = ("red", "green", "blue", "white")
SHAPE = WriterShape(vocabulary=300, width=32, inner=64, layers=2, heads=2)
SETTINGS = TrainSettings(
    steps=60, batch_size=8, learning_rate=5e-3, warmup=5, ema_decay=0.9, precision="float32",
    save_every=60, validate_every=60,
)  # fmt: skip
CPU = torch.device("cpu")


def triples() -> list[Triple]:
    return [
        Triple(
            source_caption=f"a {old} {thing}", instruction=f"make it {new}", target_caption=f"a {new} {thing}"
        )
        for thing in ("chair", "sofa", "lamp", "bed")
        for old in COLOURS
        for new in COLOURS
        if new != old
    ]  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("triples") / "triples.jsonl"
    save_triples(path, triples())
    return path


def recipe(lines: Path, **changes: object) -> WriterRecipe:
    made = WriterRecipe(data=[lines], settings=SETTINGS, shape=SHAPE, validation_every=8)
    return replace(made, **changes)


def built(lines: Path, **changes: object) -> WriterKind:
    kind = recipe(lines, **changes).build(CPU)
    assert isinstance(kind, WriterKind)
    return kind


@pytest.fixture(scope="module")
def trained(lines: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    kind = built(lines)
    before = kind.validate(torch.Generator()).figures["held-out loss"]
    report = train(kind, SETTINGS, folder)
    assert report.figures["held-out loss"] < 0.5 * before
    return folder / "model"


def test_what_was_learned_is_exported_as_others_read_it(trained: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(trained), AutoTokenizer.from_pretrained(trained)
    assert all(value.dtype == torch.float16 for value in load_file(trained / "model.safetensors").values())
    assert tokenizer.eos_token == END and model.config.eos_token_id == tokenizer.eos_token_id
    text = to_text(triples()[0])
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=False) == text
    card = (trained / "README.md").read_text()
    assert "library_name: transformers" in card and "completion's tokens alone" in card
    assert "optimiser steps: 60" in card


def test_it_answers_in_the_form_it_was_taught(trained: Path) -> None:
    writer = load_writer(trained)
    sampling = Sampling(temperature=0.01, top_p=1.0, max_new_tokens=24)
    prompts = [to_prompt("a red chair"), to_prompt("a blue sofa")]
    for text in complete(writer, prompts, stop=END, seed=0, sampling=sampling):
        assert text.startswith("make it ") and text.count(EDIT_END) == 1 and text.endswith(END)


def test_only_the_completion_counts(lines: Path) -> None:
    kind = built(lines)
    errors, _ = kind._errors(kind._texts[:1])
    (text,) = kind._texts[:1]
    tokenizer = kind._writer.tokenizer
    prompt = tokenizer(to_prompt(triples()[0].source_caption))["input_ids"]
    assert list(text.ids[: text.prompt]) == prompt
    assert len(errors) == len(text.ids) - text.prompt
    logits = kind.model(input_ids=torch.tensor([text.ids])).logits[0, text.prompt - 1 : -1]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(text.ids[text.prompt :]), reduction="none")
    torch.testing.assert_close(errors, expected)


def test_padding_and_parts_change_nothing(lines: Path) -> None:
    kind, split = built(lines), built(lines, task=WriterTask(parts=3))
    whole = kind.loss(range(7), torch.Generator()).total
    torch.testing.assert_close(split.loss(range(7), torch.Generator()).total, whole)
    alone = torch.cat([kind._errors([kind._texts[index]])[0] for index in range(7)]).mean()
    torch.testing.assert_close(whole, alone)


def test_a_resumed_run_equals_an_uninterrupted_one(lines: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=8)
    train(built(lines), settings, tmp_path / "whole")
    calls = iter([False] * 5 + [True])
    assert train(built(lines), settings, tmp_path / "parts", cancelled=lambda: next(calls)).interrupted
    train(built(lines), settings, tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_a_lora_is_merged_into_the_model_and_lies_beside_it(trained: Path, lines: Path, tmp_path: Path) -> None:
    kind = built(lines, base=trained, task=WriterTask(lora=2))
    train(kind, replace(SETTINGS, steps=5, learning_rate=0.01), tmp_path)
    start, end = (load_file(folder / "model.safetensors") for folder in (trained, tmp_path / "model"))
    assert start.keys() == end.keys()
    changed = {name for name, value in start.items() if not torch.allclose(value, end[name], atol=1e-3)}
    assert changed and all(".layers." in name and "norm" not in name for name in changed)
    adapter = load_file(tmp_path / "model" / "lora" / "adapter_model.safetensors")
    assert all("lora_" in name for name in adapter)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    base = AutoModelForCausalLM.from_pretrained(trained, dtype=torch.float32)
    together = PeftModel.from_pretrained(base, str(tmp_path / "model" / "lora"))
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(whole(input_ids=ids).logits, together(input_ids=ids).logits, atol=2e-2, rtol=2e-2)


def test_source_captions_are_on_one_side_only() -> None:
    kept, held = parted(triples(), every=4)
    assert len(kept) + len(held) == len(triples())
    assert not {triple.source_caption for triple in kept} & {triple.source_caption for triple in held}
    with pytest.raises(DataError, match="16 source captions, too few"):
        parted(triples(), every=50)


def test_held_out_files_are_measured_on(lines: Path, tmp_path: Path) -> None:
    save_triples(tmp_path / "held.jsonl", triples()[:3])
    kind = built(lines, held_out=[tmp_path / "held.jsonl"])
    assert len(kind.groups[0]) == len(triples())
    assert len(kind._held_out) == 3


def test_pair_records_and_further_triples_are_learned_from(train_pairs: Path) -> None:
    more = triples()
    kind = built(train_pairs, triples=lambda: more, validation_every=5)
    changed = [r for r in read_records(train_pairs) if r.source_caption != r.target_caption]
    assert len(kind.groups[0]) + len(kind._held_out) == len(changed) + len(more)


def test_triples_too_long_or_none_at_all_are_refused(lines: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has more than 4 tokens"):
        built(lines, task=WriterTask(length=4))
    with pytest.raises(DataError, match="0 source captions"):
        built(lines, data=[])


def test_the_usual_settings_are_the_published_ones(lines: Path, tmp_path: Path) -> None:
    made = usual(Material(data=[lines], base="somebody/model", out=tmp_path), Choices(precision="float32"))
    assert (made.settings.batch_size, made.settings.accumulate, made.settings.seed) == (8, 2, 42)
    assert made.settings.steps == 3 * len(triples()) // 8
    assert (made.task.length, made.task.lora, made.settings.precision) == (512, None, "float32")
    assert usual(Material(data=[lines], base="b", out=tmp_path, lora=4), Choices(steps=7)).settings.steps == 7
    with pytest.raises(SettingsError, match="rank is 0"):
        usual(Material(data=[lines], base="b", out=tmp_path, lora=0), Choices())
    with pytest.raises(ModelError, match="'somebody/model' is no folder"):
        replace(made, validation_every=4).build(CPU)


def test_the_recipe_file_has_a_writer(tmp_path: Path) -> None:
    from retouch.training.run import recipe_members

    (tmp_path / "room-triples.jsonl").write_text(json.dumps({"caption": "a", "edit": "b", "output": "c"}))
    (tmp_path / "room-triples-validation.jsonl").write_text("")
    members = recipe_members(Path(__file__).parents[2] / "recipes" / "pocket.py")
    made = members["writer"](tmp_path, tmp_path)
    assert isinstance(made, WriterRecipe)
    assert made.base is None
