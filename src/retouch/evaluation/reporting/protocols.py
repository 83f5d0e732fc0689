"""Whether two runs measured the same thing: benchmark, version and the protocol of every metric that both have."""

from collections.abc import Sequence

from retouch.core.errors import DataError
from retouch.evaluation.results import Results


def differences(one: Results, other: Results) -> list[str]:
    """What keeps figures of two runs from being set side by side, a clause each; none where they can be."""
    found = []
    if one.bench.name != other.bench.name:
        found.append(f"the benchmark is '{one.bench.name}' in one and '{other.bench.name}' in the other")
    elif one.bench.version != other.bench.version:
        found.append(f"the version of '{one.bench.name}' is {one.bench.version} and {other.bench.version}")
    for column in one.columns:
        match = other.column(column.name)
        if match is not None and match.protocol != column.protocol:
            found.append(f"the protocol of '{column.name}' is {column.protocol} and {match.protocol}")
    digests = {case.id: case.digest for case in other.cases}
    changed = [case.id for case in one.cases if digests.get(case.id, case.digest) != case.digest]
    if changed and not found:
        found.append(f"the case {changed[0]} is not the same in both ({len(changed)} are not)")
    return found


def check_comparable(runs: Sequence[Results]) -> None:
    """Raises DataError that names everything in which a run differs from the first."""
    for other in runs[1:]:
        found = differences(runs[0], other)
        if found:
            raise DataError(f"The runs cannot be compared: {'; '.join(found)}; run both by the same protocols.")
