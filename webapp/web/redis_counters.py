"""Counters of rate limits in Redis: one round trip, never a reason to fail.

A module of its own, imported where Redis is used: the library is an eighth of what a start takes.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from webapp.errors import Unavailable
from webapp.storage.batcher import Batcher
from webapp.web.counters import MemoryCounters, Window

log = logging.getLogger(__name__)

T = TypeVar("T")

REDIS_TIMEOUT_SECONDS = 0.5
# How long we count in memory before Redis is asked again.
REDIS_REST_SECONDS = 5.0

# For each KEYS[i] ARGV holds the seconds of its window and the amount to add; returned are its
# count, which is never less than 0, and the milliseconds left of its window.
COUNT = """
local counted = {}
for i, key in ipairs(KEYS) do
    local count = redis.call("INCRBY", key, ARGV[2 * i])
    if count < 0 then
        count = redis.call("INCRBY", key, -count)
    end
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


class Hit(NamedTuple):
    """Something to count, in a window of so many seconds."""

    key: str
    seconds: int
    amount: int


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
