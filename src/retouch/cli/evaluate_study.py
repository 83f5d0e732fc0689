"""`retouch eval study`: have people choose blindly between two models' answers, and count their votes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.output import say, say_json
from retouch.core.errors import SettingsError
from retouch.core.files import check_writable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retouch.evaluation.benchmark import BenchCase

app = typer.Typer(help="Blind choices between two models, by people.", rich_markup_mode="rich", no_args_is_help=True)


@app.command("make")
def make_study(
    *,
    a: Annotated[
        Path, typer.Option("--a", help="Answers of one model, named by the ids of cases.", show_default=False)
    ],
    b: Annotated[Path, typer.Option("--b", help="Answers of the other one.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page, an .html file.", show_default=False)],
    pairs: Annotated[Path | None, typer.Option(help="The cases: a folder of records,")] = None,
    bench: Annotated[str | None, typer.Option(help="or a benchmark, by name,")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="or JSON lines of id, instruction, source (a picture) and maybe kind.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="Where the benchmark lies. (default: the cache or the hub)")
    ] = None,
    split: Annotated[str, typer.Option(help="Of --pairs: train, validation or bench.")] = "bench",
    name_a: Annotated[str | None, typer.Option(help="What the result calls A. (default: its folder)")] = None,
    name_b: Annotated[str | None, typer.Option(help="What the result calls B. (default: its folder)")] = None,
    title: Annotated[str, typer.Option(help="The page's title.")] = "Which edit is better?",
    question: Annotated[
        list[str] | None, typer.Option(help="Asked of every pair; repeat it for several. (default: the better edit)")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="How many cases. (default: all that both answered)")] = None,
    checks: Annotated[
        int | None, typer.Option(help="Identical and repeated pairs, so many of each. (default: a tenth of the cases)")
    ] = None,
    side: Annotated[int, typer.Option(help="Pixels of a picture's longer side at the most.")] = 768,
    seed: Annotated[int, typer.Option(help="Of order and sides.")] = 0,
) -> None:
    """Write one HTML page on which people choose blindly, and a key that says which model was which.

    The page works offline, by keyboard and on a phone, keeps progress in the browser and saves votes as a file. Hand
    out the page, keep the key.

    [bold]Example[/bold]

    retouch eval study make --a runs/one/pictures/model --b runs/two/pictures/model --pairs runs/data/rooms-bench \
        --out study.html
    """
    check_writable(out, suffixes=(".html",))
    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; expected at least 1.")

    from retouch.evaluation.study.answers import answered
    from retouch.evaluation.study.page import QUESTION, Wording, write_study

    wording = Wording(title=title, questions=tuple(question or (QUESTION,)))
    found = answered(_cases(pairs, bench, cases, source=source, split=split), a, b, limit=limit)
    names = (name_a or _called(a), name_b or _called(b))
    made = write_study(found, out, names=names, wording=wording, checks=checks, side=side, seed=seed)
    megabytes = made.page.stat().st_size / 1e6
    say(f"Wrote {made.trials} comparisons of {made.cases} cases, {megabytes:.1f} MB: {made.page}")
    say(f"Keep the key to yourself: {made.key}")


@app.command("count")
def count_study(
    *,
    votes: Annotated[list[Path], typer.Argument(metavar="VOTES...", help="Files that the page saved.")],
    key: Annotated[Path, typer.Option(help="The key that was made with the page.", show_default=False)],
    least_attention: Annotated[
        float, typer.Option(help="Leave out raters who passed a smaller share of the checks, 0 to 1.")
    ] = 0.0,
    json: options.Json = False,
) -> None:
    """Count votes: win rates by kind with intervals, the sign test, agreement of raters, and their attention.

    [bold]Example[/bold]

    retouch eval study count votes-ann.json votes-ben.json --key study.key.json
    """
    if not 0 <= least_attention <= 1:
        raise SettingsError(f"least-attention is {least_attention:g}; expected a share from 0 to 1.")

    from retouch.evaluation.study.count import count_votes
    from retouch.evaluation.study.report import study_facts, study_markdown
    from retouch.evaluation.study.values import read_ballot, read_key

    found = count_votes(read_key(key), [read_ballot(path) for path in votes], least_attention=least_attention)
    if json:
        say_json(study_facts(found))
    else:
        say(study_markdown(found).rstrip())


def _cases(
    pairs: Path | None, bench: str | None, cases: Path | None, *, source: Path | None, split: str
) -> "Iterable[BenchCase]":
    from retouch.core.cache import cache_folder
    from retouch.evaluation.benchmarks.named import load_benchmark
    from retouch.evaluation.calibration.cases import record_cases
    from retouch.evaluation.study.answers import listed_cases

    if sum(each is not None for each in (pairs, bench, cases)) != 1:
        raise SettingsError("Name the cases by one of --pairs FOLDER, --bench NAME and --cases FILE.")
    if pairs is not None:
        return record_cases(pairs, split=named_split(split))
    if cases is not None:
        return listed_cases(cases)
    return load_benchmark(str(bench), source=source, cache=cache_folder()).cases()


def _called(folder: Path) -> str:
    """A folder's own name and that of the run it is in, as in `one/pictures/model`."""
    return "/".join(folder.resolve().parts[-3:])
