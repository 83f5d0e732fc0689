"""How often anybody may ask: a bucket of tokens for each, in this process, filled up evenly."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

_MOST = 10_000
"""How many buckets are kept; the one that was used longest ago goes, and would be full again by then."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What somebody may do: `burst` at once, then `per_second`. A burst of 0 sets no bound."""

    per_second: float
    burst: float


@dataclass
class Buckets:
    """The buckets of all who ask; `clock` is in seconds."""

    rate: Rate
    clock: Callable[[], float] = time.monotonic
    _levels: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, who: str, cost: float = 1.0) -> float:
        """Take from a bucket: 0 where there was enough, else how many seconds to wait, and nothing is taken."""
        if not self.rate.burst:
            return 0.0
        with self._lock:
            level = self._level(who)
            if level < cost:
                self._set(who, level)
                return (cost - level) / self.rate.per_second
            self._set(who, level - cost)
            return 0.0

    def give_back(self, who: str, cost: float = 1.0) -> None:
        """Put back what was taken."""
        with self._lock:
            self._set(who, min(self.rate.burst, self._level(who) + cost))

    def _level(self, who: str) -> float:
        level, at = self._levels.get(who, (self.rate.burst, self.clock()))
        return min(self.rate.burst, level + (self.clock() - at) * self.rate.per_second)

    def _set(self, who: str, level: float) -> None:
        self._levels[who] = (level, self.clock())
        self._levels.move_to_end(who)
        while len(self._levels) > _MOST:
            self._levels.popitem(last=False)
