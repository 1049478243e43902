"""Counters of rate limits, in memory or in Redis: exact, one round trip, never a reason to fail.

Flask-Limiter finds them by the scheme of RATELIMIT_STORAGE_URI, in place of those of the `limits`
library: the one in memory there may admit one request too few or too many when threads count at the
same time and starts a thread for its cleaning, and the one for Redis needs three round trips for a
count with its window.
"""

import logging
import math
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from limits.storage import RedisStorage, Storage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from webapp.errors import Unavailable
from webapp.storage.batcher import Batcher

log = logging.getLogger(__name__)

T = TypeVar("T")

# Windows kept in memory before the first cleaning; the next one comes at twice of what it left.
FEW_WINDOWS = 1024
REDIS_TIMEOUT_SECONDS = 0.5
# How long we count in memory before Redis is asked again.
REDIS_REST_SECONDS = 5.0

# For each KEYS[i] ARGV holds the seconds of its window and the amount to add; returned are its
# count and the milliseconds left of its window.
COUNT = """
local counted = {}
for i, key in ipairs(KEYS) do
    local count = redis.call("INCRBY", key, ARGV[2 * i])
    local left = redis.call("PTTL", key)
    if left < 0 then
        left = ARGV[2 * i - 1] * 1000
        redis.call("PEXPIRE", key, left)
    end
    counted[2 * i - 1] = count
    counted[2 * i] = left
end
return counted
"""


class Window(NamedTuple):
    """How often something was counted, and when counting begins anew (seconds since the epoch)."""

    hits: int
    resets_at: float


class Hit(NamedTuple):
    """Something to count, in a window of so many seconds."""

    key: str
    seconds: int
    amount: int


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
        """Add `amount` to a count, in a window that begins with its first count."""
        now = time.time()
        with self._lock:
            window = self._windows.get(key)
            if window is not None and window[1] > now:
                window = Window(window[0] + amount, window[1])
            else:
                if len(self._windows) >= self._clean_at:
                    self._clean(now)
                window = Window(amount, now + seconds)
            self._windows[key] = window
        return window

    def _clean(self, now: float) -> None:
        self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
        self._clean_at = max(FEW_WINDOWS, 2 * len(self._windows))

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


class RedisCounters(RedisStorage):
    """Counts in Redis for all processes; in this process's memory while Redis is away.

    Threads that count at the same time share one round trip, which costs as much as a whole request
    without it.
    """

    STORAGE_SCHEME = ["redis", "rediss", "redis+unix"]

    def __init__(self, uri: str, **options: Any) -> None:
        bounds = {
            "socket_timeout": REDIS_TIMEOUT_SECONDS,
            "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        super().__init__(uri, **{**bounds, **options})
        self._count = self.get_connection().register_script(COUNT.encode())
        self._hits: Batcher[None, Hit, Window] = Batcher(self._count_all)
        self._substitute = MemoryCounters()
        self._away = False
        self._ask_again_at = 0.0
        self._lock = Lock()

    def hit(self, key: str, seconds: int, amount: int = 1) -> Window:
        """Like `MemoryCounters.hit`."""
        hit = Hit(key, seconds, amount)
        try:
            # While Redis is away, nobody waits for the one who asks whether it is back.
            return self._count_all(None, [hit])[0] if self._away else self._hits.submit(None, hit)
        except Unavailable:
            return self._substitute.hit(*hit)

    def reset(self) -> int | None:
        return self._try(super().reset, self._substitute.reset)

    def _count_all(self, _: None, hits: list[Hit]) -> list[Window]:
        def ask() -> list[Window]:
            numbers = [number for hit in hits for number in (hit.seconds, hit.amount)]
            counted = self._count([self.prefixed_key(hit.key) for hit in hits], numbers)
            now = time.time()
            return [
                Window(count, now + left / 1000)
                for count, left in zip(counted[::2], counted[1::2], strict=True)
            ]

        return self._try(ask, lambda: [self._substitute.hit(*hit) for hit in hits])

    def _try(self, ask: Callable[[], T], otherwise: Callable[[], T]) -> T:
        if self._away and not self._may_ask_again():
            return otherwise()
        try:
            answer = ask()
        except RedisError as error:
            with self._lock:
                news, self._away = not self._away, True
                self._ask_again_at = time.monotonic() + REDIS_REST_SECONDS
            if news:
                log.warning("rate limits are counted in memory, Redis is away: %s", error)
            return otherwise()
        if self._away:
            self._away = False
            log.warning("rate limits are counted in Redis again")
        return answer

    def _may_ask_again(self) -> bool:
        """Say so to one caller at a time, so that a Redis that hangs holds up one thread only."""
        with self._lock:
            now = time.monotonic()
            if now < self._ask_again_at:
                return False
            self._ask_again_at = now + REDIS_REST_SECONDS
            return True
