"""Counters of rate limits in memory; `redis_counters` has those in Redis. Both are exact.

Flask-Limiter finds them by the scheme of RATELIMIT_STORAGE_URI, in place of those of the `limits`
library: the one in memory there may admit one request too few or too many when threads count at the
same time and starts a thread for its cleaning, and the one for Redis needs three round trips for a
count with its window.
"""

import math
import time
from threading import Lock
from typing import Any, NamedTuple, Protocol

from limits.storage import Storage

# Windows kept in memory before the first cleaning; the next one comes at twice of what it left.
FEW_WINDOWS = 1024
# At most so many are kept, some 50 MB; the oldest give way to new ones.
MOST_WINDOWS = 200_000


class Window(NamedTuple):
    """How often something was counted, and when counting begins anew (seconds since the epoch)."""

    hits: int
    resets_at: float


class Counters(Protocol):
    """What counts, wherever it keeps its counts."""

    def hit(self, key: str, seconds: int, amount: int = 1) -> Window: ...


class MemoryCounters(Storage):
    """Counts in fixed windows, each from its first count on; one lock makes them exact."""

    STORAGE_SCHEME = ["memory"]
    base_exceptions = ()  # nothing here can fail

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **_: Any) -> None:
        super().__init__(uri, wrap_exceptions)
        self._lock = Lock()
        self._windows: dict[str, Window] = {}
        self._clean_at = FEW_WINDOWS

    @property
    def size(self) -> int:
        """How many windows are kept, finished ones that nobody has cleaned away included."""
        return len(self._windows)

    def hit(self, key: str, seconds: int, amount: int = 1) -> Window:
        """Add `amount` to a count, in a window that begins with its first count.

        A count is never less than 0, so what is taken back too late frees nothing.
        """
        now = time.time()
        with self._lock:
            window = self._windows.get(key)
            if window is not None and window[1] > now:
                window = Window(max(0, window[0] + amount), window[1])
            elif amount <= 0:
                return Window(0, now + seconds)
            else:
                # In the order of their beginning.
                self._windows.pop(key, None)
                if len(self._windows) >= self._clean_at:
                    self._clean(now)
                window = Window(amount, now + seconds)
            self._windows[key] = window
        return window

    def _clean(self, now: float) -> None:
        current = [(key, window) for key, window in self._windows.items() if window[1] > now]
        if len(current) >= MOST_WINDOWS:
            current = current[MOST_WINDOWS // 2 :]
        self._windows = dict(current)
        self._clean_at = min(max(FEW_WINDOWS, 2 * len(current)), MOST_WINDOWS)

    def reset(self) -> int:
        with self._lock:
            count = len(self._windows)
            self._windows.clear()
        return count

    # The rest is what the base class asks of every storage.

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self.hit(key, math.ceil(expiry), amount).hits

    def get(self, key: str) -> int:
        window = self._windows.get(key)
        return window.hits if window is not None and window.resets_at > time.time() else 0

    def get_expiry(self, key: str) -> float:
        window = self._windows.get(key)
        return window.resets_at if window is not None else time.time()

    def check(self) -> bool:
        return True

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)
