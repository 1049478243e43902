"""Whom the rate limiter counts, and where: exact, one round trip, never a reason to fail.

Flask-Limiter finds the storages here by the scheme of RATELIMIT_STORAGE_URI in place of those of
the `limits` library: the one in memory there may admit one request too few or too many when threads
count at the same time and starts a thread for its cleaning, and the one for Redis needs three
round trips for a count with its window.
"""

import logging
import math
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from threading import Lock
from typing import Any, NamedTuple, TypeVar, cast

from flask import request
from limits import RateLimitItem, parse_many
from limits.storage import RedisStorage, Storage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from webapp.services.group_commit import GroupCommit, Overloaded

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_ADDRESS = "unknown"
# An IPv6 address in full, with brackets, a zone and a port.
LONGEST_ADDRESS = 80
# Windows kept before the first cleaning; then it waits for twice of what it left.
FEW_WINDOWS = 1024
REDIS_TIMEOUT_SECONDS = 0.5
# How long we count in memory before Redis is asked again.
REDIS_REST_SECONDS = 5.0

# For each key: seconds and amount in; count and milliseconds that are left out.
TAKE = """
local taken = {}
for i, key in ipairs(KEYS) do
    local count = redis.call("INCRBY", key, ARGV[2 * i])
    local left = redis.call("PTTL", key)
    if left < 0 then
        left = ARGV[2 * i - 1] * 1000
        redis.call("PEXPIRE", key, left)
    end
    taken[2 * i - 1] = count
    taken[2 * i] = left
end
return taken
"""


def client() -> str:
    """Who counts as one client: an IPv4 address, or the /64 that IPv6 gives a customer.

    The address is the one of the hop that TRUSTED_PROXIES names, without its port. All that is no
    address is one client, "unknown": else whoever makes some up could be as many as they like.
    """
    address = request.remote_addr or ""
    return _network(address) if len(address) <= LONGEST_ADDRESS else NO_ADDRESS


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    host = address
    if address.startswith("["):
        host = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        host = address.partition(":")[0]
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return NO_ADDRESS
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"


class Window(NamedTuple):
    """How often something was counted, and when counting begins anew (seconds since the epoch)."""

    taken: int
    resets_at: float


class Take(NamedTuple):
    """Something to be counted, in a window of so many seconds."""

    key: str
    expiry: float
    amount: int


class Counters(Storage):
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

    def take(self, key: str, expiry: float, amount: int = 1) -> Window:
        """Count, in a window of `expiry` seconds that begins with its first count."""
        now = time.time()
        with self._lock:
            window = self._windows.get(key)
            if window is not None and window[1] > now:
                window = Window(window[0] + amount, window[1])
            else:
                if len(self._windows) >= self._clean_at:
                    self._clean(now)
                window = Window(amount, now + expiry)
            self._windows[key] = window
        return window

    def _clean(self, now: float) -> None:
        self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
        self._clean_at = max(FEW_WINDOWS, 2 * len(self._windows))

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self.take(key, expiry, amount)[0]

    def get(self, key: str) -> int:
        window = self._windows.get(key)
        return window[0] if window is not None and window[1] > time.time() else 0

    def get_expiry(self, key: str) -> float:
        window = self._windows.get(key)
        return window[1] if window is not None else time.time()

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        with self._lock:
            count = len(self._windows)
            self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)


class SharedCounters(RedisStorage):
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
        self._take = self.get_connection().register_script(TAKE.encode())
        self._takes: GroupCommit[None, Take, Window] = GroupCommit(self._take_all)
        self._substitute = Counters()
        self._away = False
        self._ask_again_at = 0.0
        self._lock = Lock()

    def take(self, key: str, expiry: float, amount: int = 1) -> Window:
        """Like `Counters.take`."""
        take = Take(key, expiry, amount)
        try:
            # While Redis is away, nobody waits for the one who asks whether it is back.
            return self._take_all(None, [take])[0] if self._away else self._takes.submit(None, take)
        except Overloaded:
            return self._substitute.take(*take)

    def _take_all(self, _: None, takes: list[Take]) -> list[Window]:
        def ask() -> list[Window]:
            numbers = [n for take in takes for n in (math.ceil(take.expiry), take.amount)]
            taken = self._take([self.prefixed_key(take.key) for take in takes], numbers)
            now = time.time()
            return [
                Window(count, now + left / 1000)
                for count, left in zip(taken[::2], taken[1::2], strict=True)
            ]

        return self._try(ask, lambda: [self._substitute.take(*take) for take in takes])

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self.take(key, expiry, amount)[0]

    def get(self, key: str) -> int:
        ask = super().get
        return self._try(lambda: ask(key), lambda: self._substitute.get(key))

    def get_expiry(self, key: str) -> float:
        ask = super().get_expiry
        return self._try(lambda: ask(key), lambda: self._substitute.get_expiry(key))

    def clear(self, key: str) -> None:
        ask = super().clear
        self._try(lambda: ask(key), lambda: self._substitute.clear(key))

    def reset(self) -> int | None:
        ask = super().reset
        return self._try(ask, self._substitute.reset)

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


class Budget:
    """Limits that count together for one caller, such as "100 per 15 minutes; 10 per second"."""

    def __init__(self, name: str, limits: str, *, storage: Storage, times: int = 1) -> None:
        self._take = cast(Counters | SharedCounters, storage).take
        self._items = [self._prepared(name, item, times) for item in parse_many(limits)]

    @staticmethod
    def _prepared(name: str, item: RateLimitItem, times: int) -> tuple[str, int, int]:
        return f"{name}/{item.amount}/{item.get_expiry()}/", item.amount * times, item.get_expiry()

    def spend(self, caller: str, *, cost: int = 1) -> "Spent":
        """Count a request of `caller` and tell of the limit that is tightest for them.

        With a cost of 0 nothing is counted.
        """
        tightest: Spent | None = None
        for prefix, amount, expiry in self._items:
            count, resets_at = self._take(prefix + caller, expiry, cost)
            spent = Spent(amount, amount - count, resets_at)
            if tightest is None or spent[1] < tightest[1]:
                tightest = spent
        assert tightest is not None
        return tightest


class Spent(NamedTuple):
    """What is left of a limit; `left` is negative once it is exceeded."""

    limit: int
    left: int
    resets_at: float

    @property
    def retry_after(self) -> int:
        """Seconds, at least one."""
        return max(1, math.ceil(self.resets_at - time.time()))
