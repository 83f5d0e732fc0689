"""`retouch data`: triples and pairs to learn from: written, made, filtered, brought in and out, looked at."""

import typer

from retouch.cli.data.build import build_dataset
from retouch.cli.data.calibrate import calibrate_filter
from retouch.cli.data.domains import list_domains
from retouch.cli.data.exchange import export_folder, import_folder, push_folder
from retouch.cli.data.filter import filter_folder
from retouch.cli.data.pairs import make
from retouch.cli.data.phrases import write_folder_phrases
from retouch.cli.data.report import report_folder
from retouch.cli.data.show import show_pairs
from retouch.cli.data.write import write

app = typer.Typer(help="Write triples, make and filter pairs, bring them in and out.", rich_markup_mode="rich")
app.command("write")(write)
app.command("domains")(list_domains)
app.command("pairs")(make)
app.command("filter")(filter_folder)
app.command("calibrate")(calibrate_filter)
app.command("import")(import_folder)
app.command("export")(export_folder)
app.command("push")(push_folder)
app.command("report")(report_folder)
app.command("show")(show_pairs)
app.command("phrases")(write_folder_phrases)
app.command("build")(build_dataset)
