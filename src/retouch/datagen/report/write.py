"""Write the report on a folder of pairs."""

from pathlib import Path

from retouch.core.errors import SettingsError
from retouch.core.files import atomic_write
from retouch.datagen.report.cards import thumbnails
from retouch.datagen.report.page import page
from retouch.datagen.report.survey import survey


def write_report(folder: Path, out: Path, *, title: str | None = None, examples: int = 12) -> Path:
    """Write one HTML file about the pairs of `folder` and of `folder`/rejected; return its path.

    It shows up to `examples` pairs each of the kept, of those near the thresholds and of those turned down. The
    same folder gives the same bytes. Raises DataError where there are no records, SettingsError for a number of
    examples that is none, OutputError where the file cannot be written.
    """
    if not 0 <= examples <= 200:
        raise SettingsError(f"examples is {examples}; give a number from 0 to 200.")
    found = survey(folder, examples=examples)
    pictures = thumbnails(folder, (*found.kept, *found.borderline, *found.rejected))
    return atomic_write(out, page(found, pictures, title=title or folder.resolve().name).encode())
