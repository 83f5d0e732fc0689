"""The report: the right figures, no text trusted, nothing needed beside it, nothing compared across protocols."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import DataError, OutputError, SettingsError
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.measures import Column
from retouch.evaluation.reporting.analysis import Draws, analysed
from retouch.evaluation.reporting.compare import compared
from retouch.evaluation.reporting.examples import ranked
from retouch.evaluation.reporting.merge import merged
from retouch.evaluation.reporting.write import FIELDS, write_report
from retouch.evaluation.results import Bench, CaseFacts, Entrant, Results, Row, Whole, read_results, write_results
from retouch.evaluation.thumbnails import keep_case

EVIL = "<script>alert('&')</script>"
FEW = Draws(resamples=200)
COLUMNS = (
    Column(name="success", protocol="success/v1", better="higher", scale="share"),
    Column(name="l1", protocol="l1/v1", better="lower"),
    Column(name="clip-dir", protocol="clip/v1", better="higher"),
    Column(name="clip-im", protocol="clip/v1", better="higher"),
    Column(name="success-figure", protocol="figure/v1", better="higher", scale="aside"),
    Column(name="frechet", protocol="frechet/v1", better="lower"),
)


def entrant(name: str, guidance: float) -> Entrant:
    settings = {"image_guidance": guidance, "text_guidance": 2.0}
    return Entrant(name=name, identity={"weights": "w", "settings": settings}, line="mine")


def row(model: str, case: int, seed: int, value: float) -> Row:
    values = {"success": float(value > 0.5), "l1": 1 - value, "clip-dir": value / 4, "clip-im": 1 - value / 9}
    return Row(model=model, case=f"c{case}", seed=seed, answer=f"a{case}", values={**values, "success-figure": 3.0})


@pytest.fixture
def results() -> Results:
    generator = np.random.default_rng(0)
    names = ("source", "mine s_I=1", "mine s_I=1.4")
    quality = dict(zip(names, (0.1, 0.55, 0.7), strict=True))
    drawn = {(case, seed): generator.normal(0, 0.2) for case in range(24) for seed in range(2)}
    return Results(
        bench=Bench(name="squares", version="1", cases=24),
        seeds=(0, 1),
        columns=COLUMNS,
        entrants=(
            Entrant(name="source", identity={"returns": "source"}, baseline=True),
            entrant("mine s_I=1", 1.0),
            entrant("mine s_I=1.4", 1.4),
        ),
        cases=tuple(
            CaseFacts(id=f"c{case}", digest=f"d{case}", kind="add" if case % 2 else "remove", instruction=EVIL)
            for case in range(24)
        ),
        rows=tuple(row(name, *key, quality[name] + noise) for name in names for key, noise in drawn.items()),
        wholes=(Whole(model="source", metric="frechet", value=12.5),),
    )


@pytest.fixture
def folder(results: Results, tmp_path: Path) -> Path:
    write_results(tmp_path / "run", results)
    source = np.full((32, 32, 3), 90, np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[8:20, 8:20] = True
    for case in results.cases:
        shown = BenchCase(id=case.id, kind="add", instruction="x", source=source, target=source, mask=mask)
        keep_case(tmp_path / "run", case.digest, shown)
    (tmp_path / "run" / "answers").mkdir()
    for number in range(24):
        Image.fromarray(source).save(tmp_path / "run" / "answers" / f"a{number}.png")
    return tmp_path / "run"


class Reader(HTMLParser):
    """Collects what a page asks for, its text and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts = 0
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    return reader


def test_a_page_needs_nothing_else_and_trusts_no_text(folder: Path, tmp_path: Path) -> None:
    html, _, _ = write_report([folder], tmp_path / "page.html", headline=EVIL, examples=2, draws=FEW)
    page = read(html)
    assert page.scripts == 1
    assert page.addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert not re.search(r"url\(|@import|https?://", html.read_text())
    assert EVIL in page.words
    text = " ".join(page.words)
    for part in ("Success", "Differences from mine s_I=1", "Trade-off", "Sweeps", "By kind of edit", "Protocols"):
        assert part in text
    assert html.read_text().count("<svg") == 5
    again = write_report([folder], tmp_path / "again.html", headline=EVIL, examples=2, draws=FEW)[0]
    assert again.read_bytes() == html.read_bytes()


def test_the_table_has_every_figure_and_the_json_can_be_read_again(
    folder: Path, tmp_path: Path, results: Results
) -> None:
    _, table, facts = write_report([folder], tmp_path / "page.html", draws=FEW)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert tuple(rows[0]) == FIELDS
    assert len(rows) == sum(len(one.values) for one in results.rows)
    first = results.rows[0]
    assert (rows[0]["case"], float(rows[0]["value"])) == (first.case, first.values["success"])
    assert read_results(facts) == results
    means = {(one["model"], one["metric"]): one for one in json.loads(facts.read_text())["summary"]["means"]}
    own = [one.values["l1"] for one in results.rows if one.model == "source"]
    assert means["source", "l1"]["value"] == pytest.approx(np.mean(own))
    assert means["source", "l1"]["count"] == 24


def test_models_are_told_apart_and_equal_ones_are_not(results: Results) -> None:
    copied = [replace(one, model="twin") for one in results.rows if one.model == "mine s_I=1"]
    twin = Entrant(name="twin", identity={"weights": "w"})
    both = replace(results, entrants=(*results.entrants, twin), rows=(*results.rows, *copied))
    analysis = analysed(both, draws=FEW)
    assert analysis.reference == "mine s_I=1"
    found = {(one.model, one.column): one for one in analysis.differences}
    same = found["twin", "l1"]
    assert (same.holm, same.test.difference.value, same.test.difference.low, same.sure) == (1.0, 0, 0, False)
    worse = found["source", "l1"]
    assert worse.sure
    assert worse.test.difference.value > 0
    assert ("source", "success-figure") not in found
    with pytest.raises(DataError, match="Nobody is called 'other'"):
        analysed(results, reference="other", draws=FEW)


def test_best_and_worst_follow_the_better_direction(results: Results) -> None:
    lower, success = COLUMNS[1], COLUMNS[0]
    rows = ranked(results, "mine s_I=1", [success, lower])
    assert rows[0].values["success"] == 1
    assert rows[-1].values["success"] == 0
    assert rows[0].values["l1"] == min(one.values["l1"] for one in rows)
    assert rows[-1].values["l1"] == max(one.values["l1"] for one in rows)


def test_runs_of_other_protocols_are_refused_and_every_difference_is_named(results: Results) -> None:
    changed = tuple(replace(column, protocol=column.protocol + "-other") for column in COLUMNS[:2])
    other = replace(results, columns=(*changed, *COLUMNS[2:]))
    for refused in (lambda: compared(results, other, draws=FEW), lambda: merged([results, other])):
        with pytest.raises(DataError) as raised:
            refused()
        assert "'success' is success/v1 and success/v1-other" in str(raised.value)
        assert "'l1' is l1/v1 and l1/v1-other" in str(raised.value)
    newer = replace(results, bench=replace(results.bench, version="2"))
    with pytest.raises(DataError, match="version of 'squares' is 1 and 2"):
        compared(results, newer, draws=FEW)
    elsewhere = replace(results, bench=replace(results.bench, name="circles"))
    with pytest.raises(DataError, match="'squares' in one and 'circles' in the other"):
        compared(results, elsewhere, draws=FEW)


def test_comparing_a_run_with_itself_and_with_a_better_one(results: Results) -> None:
    same = compared(results, results, draws=FEW)
    assert {one.holm for one in same.differences} == {1.0}
    better = compared(results, results, second="mine s_I=1.4", draws=FEW)
    found = {one.column: one for one in better.differences}
    assert found["l1"].sure
    assert found["l1"].test.difference.value == pytest.approx(-0.15)
    assert better.rows()[1][0] == "l1 ↓"
    with pytest.raises(DataError, match="Nobody in the run"):
        compared(results, results, first="x", draws=FEW)


def test_runs_are_joined_by_identity(results: Results) -> None:
    half = [replace(results, rows=results.rows[start::2]) for start in (0, 1)]
    whole = merged(half)
    assert len(whole.rows) == len(results.rows)
    assert [one.name for one in whole.entrants] == [one.name for one in results.entrants]
    stranger = replace(results, entrants=(replace(results.entrants[0], identity={"returns": "x"}),), rows=())
    assert [one.name for one in merged([results, stranger]).entrants][-1] == "source (2)"


def test_what_is_no_run_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished run"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text('{"format": "other"}')
    with pytest.raises(DataError, match="is no retouch-evaluation"):
        read_results(tmp_path)
    cut = json.loads((folder / "results.json").read_text())
    del cut["rows"]
    (tmp_path / "results.json").write_text(json.dumps(cut))
    with pytest.raises(DataError, match="damaged"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text('{"form')
    with pytest.raises(DataError, match="not JSON"):
        read_results(tmp_path)
    with pytest.raises(SettingsError, match="examples is 25"):
        write_report([folder], tmp_path / "page.html", examples=25)
    with pytest.raises(OutputError, match=r"must end in \.html"):
        write_report([folder], tmp_path / "page.txt")


def test_a_single_case_and_missing_pictures_make_a_page_too(results: Results, tmp_path: Path) -> None:
    lone = replace(
        results,
        cases=results.cases[:1],
        rows=tuple(one for one in results.rows if one.case == "c0" and one.seed == 0 and one.model != "source"),
        entrants=results.entrants[1:2],
    )
    lone = replace(lone, rows=lone.rows[:1], wholes=())
    write_results(tmp_path / "run", lone)
    html = write_report([tmp_path / "run"], tmp_path / "page.html", draws=FEW)[0]
    assert read(html).addresses == []
