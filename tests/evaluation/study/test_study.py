"""Trials, pages, votes and what they say, against known answers and published figures."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import DataError, SettingsError
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.study.agreement import cohen_kappa, fleiss_kappa, sign_test, wilson
from retouch.evaluation.study.answers import answered, listed_cases
from retouch.evaluation.study.count import count_votes
from retouch.evaluation.study.page import Wording, write_study
from retouch.evaluation.study.report import study_markdown
from retouch.evaluation.study.trials import make_trials
from retouch.evaluation.study.values import VOTES_FORMAT, Ballot, Choice, Key, Vote, read_ballot, read_key


def cases(count: int) -> list[BenchCase]:
    picture = np.zeros((24, 32, 3), np.uint8)
    return [
        BenchCase(
            id=f"case-{n}", kind="add" if n % 2 else "remove", instruction=f"do </script> {n}", source=picture + n
        )
        for n in range(count)
    ]


@pytest.fixture
def written(tmp_path: Path):
    for folder, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / folder).mkdir()
        for each in cases(10):
            Image.new("RGB", (32, 24) if folder == "a" else (64, 48), colour).save(tmp_path / folder / f"{each.id}.png")
    found = answered(cases(10), tmp_path / "a", tmp_path / "b")
    wording = Wording(questions=("Better?", "Truer?"))
    return write_study(found, tmp_path / "study.html", names=("model-a", "model-b"), wording=wording, checks=2, seed=3)


def ballot(key: Key, prefers: str, rater: str = "r1", count: int | None = None) -> Ballot:
    """Votes that always prefer one side, or neither, and see through identical pairs."""

    def choice(trial) -> Choice:
        if trial.check == "identical" or prefers == "same":
            return "same"
        return "left" if trial.left == prefers else "right"

    votes = [
        Vote(code=trial.code, question=question, choice=choice(trial), seconds=2)
        for trial in key.trials
        for question in range(len(key.questions))
    ]
    return Ballot(study=key.study, rater=rater, name=rater, votes=tuple(votes[:count]))


def test_sides_are_balanced_and_checks_stand_among_the_later_ones() -> None:
    trials = make_trials(cases(20), checks=3, seed=0)
    plain = [trial for trial in trials if not trial.check]
    assert Counter(trial.left for trial in plain) == {"a": 10, "b": 10}
    assert sorted(trial.case for trial in plain) == sorted(each.id for each in cases(20))
    assert Counter(trial.check for trial in trials) == {"": 20, "identical": 3, "flipped": 3}
    assert len({trial.code for trial in trials}) == 26
    for place, trial in enumerate(trials):
        if trial.check == "flipped":
            first = next(number for number, each in enumerate(trials) if each.case == trial.case and not each.check)
            assert trials[first].left == trial.right
            assert place > first + 3
        if trial.check == "identical":
            assert trial.left == trial.right
    assert make_trials(cases(20), checks=3, seed=0) == trials
    assert make_trials(cases(20), checks=3, seed=1) != trials
    assert len(make_trials(cases(1), checks=5, seed=0)) == 3


def test_the_page_names_neither_models_nor_cases_and_holds_all_else(written) -> None:
    text = written.page.read_text()
    assert not any(word in text for word in ("model-a", "model-b", "case-1", "remove", "flipped", "identical"))
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    key = read_key(written.key)
    assert [trial["code"] for trial in data["trials"]] == [trial.code for trial in key.trials]
    assert data["trials"][0]["instruction"].startswith("do </script>")
    assert "http" not in text.replace("http-equiv", "")
    for trial, told in zip(key.trials, data["trials"], strict=True):
        assert (told["left"] == told["right"]) == (trial.check == "identical")


def test_the_same_seed_writes_the_same_page(written, tmp_path: Path) -> None:
    before = written.page.read_bytes(), written.key.read_bytes()
    found = answered(cases(10), tmp_path / "a", tmp_path / "b")
    wording = Wording(questions=("Better?", "Truer?"))
    again = write_study(found, tmp_path / "study.html", names=("model-a", "model-b"), wording=wording, checks=2, seed=3)
    assert (again.page.read_bytes(), again.key.read_bytes()) == before


def test_answers_are_shown_in_one_size(written) -> None:
    text = written.page.read_text()
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    import base64
    import io

    sizes = {Image.open(io.BytesIO(base64.b64decode(each))).size for each in data["pictures"].values()}
    assert sizes == {(32, 24)}


def test_one_sided_votes_are_counted_so(written) -> None:
    key = read_key(written.key)
    found = count_votes(key, [ballot(key, "a", "r1"), ballot(key, "a", "r2")])
    whole = found.tallies[0]
    assert (whole.kind, whole.a, whole.b, whole.even, whole.votes) == ("all", 10, 0, 0, (20, 0, 0))
    assert whole.rate.value == 1
    assert whole.p == pytest.approx(2 / 2**10)
    assert [tally.kind for tally in found.tallies[:3]] == ["all", "add", "remove"]
    assert sum(tally.a for tally in found.tallies[1:3]) == 10
    assert all(rater.identical == (4, 4) and rater.flipped == (4, 4) for rater in found.raters)
    assert "100% (72% … 100%)" in study_markdown(found)


def test_raters_who_disagree_leave_cases_even(written) -> None:
    key = read_key(written.key)
    found = count_votes(key, [ballot(key, "a", "r1"), ballot(key, "b", "r2")])
    assert (found.tallies[0].a, found.tallies[0].b, found.tallies[0].even) == (0, 0, 10)
    assert found.tallies[0].rate.value is None
    assert found.agreements[0].cohen == pytest.approx(0)
    assert found.agreements[0].fleiss == pytest.approx(-1)


def test_the_inattentive_are_reported_and_can_be_left_out(written) -> None:
    key = read_key(written.key)
    careless = ballot(key, "b", "lefty")
    careless = replace(careless, votes=tuple(replace(vote, choice="left") for vote in careless.votes))
    found = count_votes(key, [ballot(key, "a"), careless], least_attention=0.5)
    assert [rater.counted for rater in found.raters] == [True, False]
    assert found.raters[1].passed == 0
    assert found.tallies[0].a == 10
    assert found.agreements[0].raters == 1


def test_the_fullest_file_of_a_rater_counts_once(written) -> None:
    key = read_key(written.key)
    found = count_votes(key, [ballot(key, "a", count=5), ballot(key, "a"), ballot(key, "a", count=2)])
    assert len(found.raters) == 1
    assert found.raters[0].votes == 28
    assert found.tallies[0].votes == (10, 0, 0)


def test_votes_of_another_study_are_refused(written) -> None:
    key = read_key(written.key)
    with pytest.raises(DataError, match="are of the study other"):
        count_votes(key, [replace(ballot(key, "a"), study="other")])
    stray = replace(ballot(key, "a"), votes=(Vote(code="none", question=0, choice="left", seconds=1),))
    with pytest.raises(DataError, match="which the key lacks"):
        count_votes(key, [stray])
    with pytest.raises(DataError, match="no vote"):
        count_votes(key, [replace(ballot(key, "a"), votes=())])


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "no", '{"format": "retouch-study-votes/1"}',
     json.dumps({"format": VOTES_FORMAT, "study": "s", "rater": "r", "name": "", "votes": [{"code": 1}]}),
     json.dumps({"format": VOTES_FORMAT, "study": "s", "rater": "r", "name": "", "votes": [7]}),
     json.dumps({"format": VOTES_FORMAT, "study": "s", "rater": "r", "name": "",
                 "votes": [{"code": "c", "question": 0, "choice": "up", "seconds": 1}]})],
)  # fmt: skip
def test_files_that_hold_no_votes_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "votes.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"votes\.json"):
        read_ballot(path)
    with pytest.raises(DataError, match=r"votes\.json"):
        read_key(path)


def test_answers_that_do_not_meet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        answered(cases(2), tmp_path / "none", tmp_path)
    with pytest.raises(DataError, match="No case has a picture"):
        answered(cases(2), tmp_path, tmp_path)
    with pytest.raises(SettingsError, match="empty"):
        Wording(questions=())


def test_cases_can_be_listed(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "room.png")
    lines = tmp_path / "cases.jsonl"
    lines.write_text('{"id": "one", "instruction": "go", "source": "room.png", "kind": "add"}\n\n')
    (found,) = listed_cases(lines)
    assert (found.id, found.kind, found.source.shape) == ("one", "add", (16, 16, 3))
    lines.write_text('{"id": "one"}\n')
    with pytest.raises(DataError, match="Line 1"):
        listed_cases(lines)
    with pytest.raises(DataError, match="cannot be read"):
        listed_cases(tmp_path / "none.jsonl")


def test_intervals_and_tests_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed: make setup.")
    for wins, count in ((0, 5), (3, 10), (9, 10), (50, 80)):
        ours, theirs = wilson(wins, count), stats.binomtest(wins, count)
        interval = theirs.proportion_ci(method="wilson")
        assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
        assert sign_test(wins, count - wins) == pytest.approx(theirs.pvalue)
    assert sign_test(0, 0) == 1
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


def test_kappas_agree_with_published_figures() -> None:
    # Fleiss' worked example as it is printed in textbooks: ten subjects, fourteen raters, five answers.
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    items = [[str(answer) for answer, count in enumerate(row) for _ in range(count)] for row in table]
    assert fleiss_kappa(items) == pytest.approx(0.210, abs=5e-4)
    # Cohen's with 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no.
    one, other = "y" * 25 + "n" * 25, "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15
    assert cohen_kappa(one, other) == pytest.approx(0.4)
    assert fleiss_kappa([["a"], []]) is None
    assert cohen_kappa("aa", "aa") is None
