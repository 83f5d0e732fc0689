"""The report: it says what a folder holds, shows the right pairs, trusts no text, and needs nothing else."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from tests.training.conftest import squares, write_squares

from retouch.core.errors import DataError, OutputError, SettingsError
from retouch.core.markup import Markup, tag
from retouch.datagen.filter import REJECTED
from retouch.datagen.judge import Criteria, Limits
from retouch.datagen.report.figures import bars, histogram
from retouch.datagen.report.survey import survey
from retouch.datagen.report.write import write_report
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.fidelity import CHANGE_PROTOCOL
from retouch.metrics.pairs import MEASURES, pair_protocol
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer

CRITERIA = Criteria(
    encoder="clip/test",
    thresholds=Thresholds(image_image=0.3, caption_image=0.2, directional=0.1),
    limits=Limits(minimum_change=0.01, near_duplicates=4),
)
EVIL = '</p><script>alert("1")</script> & "make" it <b>blue</b>'


def scored(record: PairRecord, number: int, **changes: float) -> PairRecord:
    values = dict.fromkeys(MEASURES, 0.5 + number / 100) | changes
    scores = {pair_protocol(measure, "clip/test"): value for measure, value in values.items()}  # type: ignore[arg-type]
    return replace(record, scores={**scores, CHANGE_PROTOCOL: 0.1, "ssim/of others": 0.9})


@pytest.fixture
def filtered(tmp_path: Path) -> Path:
    """Thirty pairs that were kept, six that were not: three by direction, two by source, one a duplicate."""
    kept = [scored(record, number) for number, record in enumerate(squares("train", 30))]
    kept[7] = scored(replace(kept[7], edit_prompt=EVIL, params={"kind": "<i>odd</i>"}), 7, directional=0.101)
    turned = squares("validation", 6)
    rejected = [
        *(scored(record, 0, directional=0.09 - number / 10) for number, record in enumerate(turned[:3])),
        *(scored(record, 0, **{"caption-source": 0.15}) for record in turned[3:5]),
        replace(
            scored(turned[5], 0),
            scores={**scored(turned[5], 0).scores, "pair/duplicate-distance/dct-64": 2.0},
        ),
    ]
    settings = {"filter": CRITERIA.settings()}
    for folder, records in ((tmp_path / "kept", kept), (tmp_path / "kept" / REJECTED, rejected)):
        with open_writer(folder, engine="squares", settings=settings) as writer:
            writer.write(records, first_unit=0, units=len(records))
    return tmp_path / "kept"


class Reader(HTMLParser):
    """Collects elements, addresses and texts, and sees that elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    assert not reader.open
    return reader


def test_the_page_says_what_was_counted_and_needs_nothing_else(filtered: Path, tmp_path: Path) -> None:
    found = read(write_report(filtered, tmp_path / "report.html", title="Squares"))
    said = " ".join(found.texts)
    for text in (
        "30", "83%", "6", "Pictures and captions do not change alike", "Much like a pair that was kept",
        "The source does not show its caption", "≥ 0.1", "pair/directional/clip/test", "ssim/of others",
        "On the border", "train", "30 kept", "6 turned down", "minimum change 0.01",
    ):  # fmt: skip
        assert text in said
    assert "script" not in found.names and "link" not in found.names
    assert found.addresses and all(address.startswith("data:image/jpeg;base64,") for address in found.addresses)
    picture = Image.open(io.BytesIO(base64.b64decode(found.addresses[0].partition(",")[2])))
    assert (picture.format, picture.size) == ("JPEG", (64, 64))
    assert not re.search(r"url\(|@import|https?://", (tmp_path / "report.html").read_text())


def test_no_text_of_a_record_becomes_markup(filtered: Path, tmp_path: Path) -> None:
    found = read(write_report(filtered, tmp_path / "report.html"))
    assert EVIL in found.texts and "<i>odd</i>" in found.texts
    assert "script" not in found.names and "b" in found.names, "the page's own b, for splits"


def test_the_same_folder_gives_the_same_bytes(filtered: Path, tmp_path: Path) -> None:
    first, second = (write_report(filtered, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_the_border_is_what_lies_nearest_from_both_sides(filtered: Path) -> None:
    found = survey(filtered, examples=4)
    assert [one.side for one in found.borderline] == ["kept", "kept", "rejected", "rejected"]
    assert found.borderline[1].instruction == EVIL, "0.001 above its threshold"
    assert found.borderline[2].margin == pytest.approx(-0.01)
    assert dict(found.reasons) == {"directional": 3, "caption-source": 2, "near-duplicate": 1}
    assert found.kinds == {"recolour": (29, 6), "<i>odd</i>": (1, 0)}
    assert found.splits == {"train": (30, 0), "validation": (0, 6)}
    assert {one.reason for one in found.rejected} == {"directional", "caption-source", "near-duplicate"}
    assert (len(found.kept), len(found.rejected)) == (4, 4)
    assert "blue" in found.words and "the" not in found.words


def test_what_was_never_filtered_is_reported_too(tmp_path: Path) -> None:
    pairs = write_squares(tmp_path / "pairs", "train", 5)
    line = json.dumps({"row": 3, "where": "Row 4", "reason": "picture", "problem": "broken"})
    (pairs / "skipped.jsonl").write_text(line + "\n")
    said = " ".join(read(write_report(pairs, tmp_path / "report.html", examples=2)).texts)
    assert "5" in said and "were not filtered" in said and "Left out at import: picture" in said
    assert "On the border" not in said and "Scores" not in said


def test_a_filter_that_kept_none_is_reported(filtered: Path, tmp_path: Path) -> None:
    settings = {"filter": CRITERIA.settings()}
    for name, records in (("", []), (REJECTED, [scored(squares("train", 1)[0], 0, directional=0.0)])):
        with open_writer(tmp_path / "none" / name, engine="squares", settings=settings) as writer:
            writer.write(records, first_unit=0, units=1)
    assert "0%" in " ".join(read(write_report(tmp_path / "none", tmp_path / "report.html")).texts)


def test_what_cannot_be_reported_is_refused(filtered: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no records to report on"):
        write_report(tmp_path, tmp_path / "report.html")
    with pytest.raises(SettingsError, match="examples is 900"):
        write_report(filtered, tmp_path / "report.html", examples=900)
    with pytest.raises(OutputError, match="is a folder"):
        write_report(filtered, filtered)


def test_text_is_escaped_and_markup_is_not() -> None:
    made = tag("p", "<&>", Markup("<b/>"), None, 3, class_="a", aria_label='"x"', width=1.50)
    assert made.text == '<p class="a" aria-label="&quot;x&quot;" width="1.5">&lt;&amp;&gt;<b/>3</p>'
    assert tag("rect", x=1).text == '<rect x="1"/>'


def test_a_bin_ends_at_the_threshold_and_all_values_are_drawn() -> None:
    drawn = histogram([0.2, 0.31, 0.5], [0.19, -0.4], least=0.2, label="x").text
    line = float(re.findall(r'<line x1="([\d.]+)"[^>]*class="threshold"', drawn)[0])
    bins = [(float(x), name) for name, x in re.findall(r'<rect class="(\w+)" x="([\d.]+)"', drawn)]
    assert all((x >= line) == (name == "kept") for x, name in bins) and len(bins) == 5
    assert "≥ 0.2" in drawn
    for values in ([], [0.5], [float(3)] * 4):
        assert "<svg" in histogram(values, [], least=None, label="x").text
        assert "<svg" in histogram(values, [], least=None, label="x", whole=True).text


def test_bars_are_parts_of_the_largest_or_of_themselves() -> None:
    rows = {"a": (6, 2), "b": (2, 2)}
    assert re.findall(r"width:([\d.]+)%", bars(rows).text) == ["75.00", "25.00", "25.00", "25.00"]
    assert re.findall(r"width:([\d.]+)%", bars(rows, share=True).text) == ["75.00", "25.00", "50.00", "50.00"]
