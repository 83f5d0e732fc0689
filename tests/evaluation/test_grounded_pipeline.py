"""Edits with and without regions by a pipeline: measured in the ways that it has, and the rest said to be left out."""

from pathlib import Path

from tests.editing.pipelines import tiny
from tests.evaluation.test_grounded import record, words

from retouch.editing.pipelines.editor import PipelineEditor
from retouch.editing.pipelines.families import find_family
from retouch.evaluation.grounded import GroundedPlan, evaluate_grounded
from retouch.metrics.clip import load_encoder
from retouch.records.shards import open_writer


def test_a_pipeline_keeps_to_regions_in_its_own_way(tmp_path: Path) -> None:
    editor = PipelineEditor(tiny.klein(), find_family("Flux2KleinPipeline"), side=64)
    with open_writer(tmp_path / "pairs", engine="squares", settings={}) as writer:
        writer.write([record(0, "recolour"), record(1, "compound")], first_unit=0, units=2)
    report = evaluate_grounded(
        editor,
        tmp_path / "pairs",
        tmp_path / "out",
        encoder=load_encoder("pocket/clip"),
        words=words(),
        plan=GroundedPlan(limit=1, twins=1, compounds=1, smaller_than=0.9),
    )
    by_name = {line.way: line for line in report.ways}
    assert list(by_name) == ["plain", "kept to the region", "by words", "kept to the region, not enlarged"]
    assert by_name["plain"].exact == 0
    assert by_name["kept to the region"].exact == by_name["by words"].exact == 1
    assert by_name["plain"].outside is not None and by_name["kept to the region"].outside is not None
    assert "of the in-house loop alone" in report.markdown()
    assert len(report.compounds) == 4
