"""How long to wait before asking again: longer each time, spread by chance, and as long as the other side says."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from retouch.core.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often something is tried, and the waits between, in seconds.

    The n-th wait is drawn from the upper half of `first` · 2ⁿ, at most `longest`; or longer where the other side
    asks for it. Raises SettingsError.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 <= self.first <= self.longest:
            raise SettingsError(
                f"{self.attempts} attempts with waits from {self.first:g} to {self.longest:g} s were asked for; "
                "give at least one attempt, and waits that rise from 0 or more."
            )

    def wait(self, failures: int, generator: random.Random) -> float:
        """Seconds to wait after that many failures, at least one."""
        return min(self.longest, self.first * 2.0 ** (failures - 1)) * generator.uniform(0.5, 1.0)


def asked_wait(header: str | None, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks for, as a number or as a date; 0 where it cannot be read."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds())
