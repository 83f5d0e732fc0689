"""`retouch eval cocoee` on a tiny exemplar model and the pocket CLIP, from a folder to a report."""

import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.evaluation.test_cocoee import write_benchmark, write_pictures

from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.exemplar import fresh_exemplar, save_exemplar
from retouch.models.image_encoder import load_image_encoder
from retouch.models.load import load
from retouch.models.spec import ConditioningSpec

SPEC = ConditioningSpec(
    kind="inpaint",
    channel_order=("latents", "masked-image", "mask"),
    mask_meaning="white-is-kept",
    steps=2,
    scheduler="ddim",
    native_size=64,
    size_multiple=16,
)


def test_the_command(command: Command, tiny_folder: Path, tiny_tokenizer, tmp_path: Path) -> None:
    encoder = load_image_encoder(save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "clip"))
    exemplar = fresh_exemplar(load(tiny_folder), encoder, SPEC, layers=1)
    model = save_exemplar(exemplar, tmp_path / "exemplar", base=str(tiny_folder), rank=None)
    root, real = write_benchmark(tmp_path / "bench", 2), write_pictures(tmp_path / "real", 20)
    wanted = ("eval", "cocoee", "--root", root, "--reference-set", real, "-m", model, "--out", tmp_path / "out")
    ran = command(*wanted, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert [line["pictures"] for line in found["lines"]] == ["exemplar", "photographs"]
    assert all("pocket/clip@" in protocol.replace("--", "/") for protocol in found["protocols"])
    assert command(*wanted, "--json").out == ran.out
    ran = command(*wanted, "--limit", 1)
    assert ran.code == 2
    assert "limit is 1; expected at least 2" in ran.err
    ran = command("eval", "cocoee", "--root", root, "--reference-set", real, "-m", tiny_folder, "--out", tmp_path / "x")
    assert ran.code != 0
    assert "reads words alone" in ran.err
