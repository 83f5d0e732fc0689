"""Objects put into a given region, and how they look over the mix of detail (m) and the guidance (s)."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from retouch.core.contact import Cell, contact_sheet
from retouch.core.errors import Cancelled, SettingsError
from retouch.evaluation.examples import ExampleCase, Picture

DETAILS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""m: which share of the guidance reads the reference's details, from none to all."""
GUIDANCES = (1.0, 3.0, 5.0, 7.0)
"""s."""

GuidedAnswer = Callable[[ExampleCase, float, float, int], Picture]
"""What is made of a case with m, s and a seed."""


def guidance_sheet(
    answer: GuidedAnswer,
    cases: Sequence[ExampleCase],
    *,
    details: Sequence[float] = DETAILS,
    guidances: Sequence[float] = GUIDANCES,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Image.Image:
    """A labelled sheet: for every case a row of each s, and in it the reference, then a picture of each m.

    Raises SettingsError where there is nothing to show, Cancelled when interrupted.
    """
    if not cases or not details or not guidances:
        raise SettingsError("A sheet of guidance needs at least one case, one m and one s.")
    total, done = len(cases) * len(details) * len(guidances), 0
    cells = []
    for case in cases:
        for guidance in guidances:
            cells.append(Cell(images=(case.references[0].squared(),), caption=case.kind))
            for detail in details:
                if cancelled():
                    raise Cancelled(f"Interrupted after {done} of {total} pictures; nothing was written.")
                output = np.asarray(answer(case, detail, guidance, seed))
                cells.append(Cell(images=(Image.fromarray(output),), caption=f"m {detail:g}, s {guidance:g}"))
                done += 1
                on_progress(done, total)
    return contact_sheet(cells, columns=1 + len(details), side=160)
