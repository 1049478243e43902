"""Rate limits of pages and API: who counts as one client, the table of limits, and counting.

Flask-Limiter is configured (RATELIMIT_*) and owns the storage, which is one of `counters`.
"""

import hashlib
import hmac
import math
import time
from collections.abc import Callable
from functools import lru_cache, wraps
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple, cast

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from limits import parse_many
from werkzeug.exceptions import TooManyRequests

from webapp.config import Settings
from webapp.errors import UnknownCode
from webapp.storage.idempotency import IdempotencyKey, find
from webapp.storage.transaction import read
from webapp.web.counters import Counters
from webapp.web.fast_flask import request_context

View = Callable[..., ResponseReturnValue]

NO_ADDRESS = "unknown"
# An IPv6 address in full, with brackets, a zone and a port.
LONGEST_ADDRESS = 80


def client() -> str:
    """Who counts as one client: an IPv4 address, or the /64 that IPv6 gives a customer.

    The address is the one of the hop that TRUSTED_PROXIES names, without its port. All that is no
    address is one client, "unknown": else whoever makes some up could be as many as they like.
    """
    return client_at(request_context().request.remote_addr or "")


def client_at(address: str) -> str:
    """The client that an address as the server or a proxy names it belongs to."""
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


def network() -> str:
    """A client as it is kept: a keyed hash tells them apart and not where they are."""
    secret = current_app.secret_key
    assert isinstance(secret, str)
    return _network_hash(secret, client())


@lru_cache(maxsize=4096)
def _network_hash(secret: str, client: str) -> str:
    return hmac.digest(secret.encode(), client.encode(), "sha256").hex()[:32]


def hashed(text: str) -> str:
    """A short key for a text that a storage others may read should not hold, such as an address.

    It is made with the secret key: a plain hash of an address or name is found by trying.
    """
    key = hashlib.sha256(str(current_app.secret_key).encode()).digest()
    return hashlib.blake2b(text.encode(errors="surrogatepass"), key=key, digest_size=16).hexdigest()


class LimitState(NamedTuple):
    """What is left of a limit; `left` is negative once it is exceeded."""

    limit: int
    left: int
    resets_at: float

    def refuse_if_exceeded(self) -> None:
        """Raise `TooManyRequests`, with when to come back, for a request that is one too many."""
        if self.left < 0:
            raise self.refusal()

    def refusal(self) -> TooManyRequests:
        seconds = math.ceil(self.resets_at - time.time())
        return TooManyRequests(retry_after=max(1, seconds))


class RateLimit:
    """Limits that count together for one caller, such as "100 per 15 minutes; 10 per second".

    Without `limits` they are those of a setting, `times` as large.
    """

    def __init__(
        self, name: str, limits: str = "", *, setting: str = "RATELIMIT_DEFAULT", times: int = 1
    ) -> None:
        self._name, self._limits, self._setting, self._times = name, limits, setting, times

    def hit(self, caller: str, cost: int = 1) -> LimitState | None:
        """Count a request of `caller` and return the tightest limit; None while limits are off.

        With a cost of 0 nothing is counted, with one of -1 a request is taken back.
        """
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # asked twice
        counters = cast(Counters | None, app.extensions["counters"])
        if counters is None:
            return None
        limits = self._limits or app.config[self._setting]
        tightest: LimitState | None = None
        for prefix, amount, seconds in _windows(self._name, limits, self._times):
            count, resets_at = counters.hit(prefix + caller, seconds, cost)
            if tightest is None or amount - count < tightest[1]:
                tightest = LimitState(amount, amount - count, resets_at)
        return tightest


@lru_cache(maxsize=64)
def _windows(name: str, limits: str, times: int) -> list[tuple[str, int, int]]:
    """(prefix of the key, amount, seconds) of each limit in a text."""
    return [
        (f"{name}/{item.amount}/{item.get_expiry()}/", item.amount * times, item.get_expiry())
        for item in parse_many(limits)
    ]


# Every limit there is. A caller is the client, unless the name says otherwise.
API_CALLS = RateLimit("api/client")
API_CALLS_OF_ACCOUNT = RateLimit("api/account", times=10)
BOOKING_FORMS = RateLimit("book/client", "120 per minute")
# A caller is a client at one event; what it counts are tickets.
TICKETS_BOOKED_FREELY = RateLimit("tickets/client", setting="BOOKINGS_FREELY")
FIND_FORMS = RateLimit("find/client", "10 per 15 minutes")
NEW_ADDRESSES_OF_BOOKING = RateLimit("new address/booking", "5 per hour")
# A caller is an account.
NEW_ADDRESSES_OF_ACCOUNT = RateLimit("new address/account", "5 per hour")
TRIAL_MAILS = RateLimit("trial mail/account", "5 per 15 minutes")
CHECKS_OF_SITE = RateLimit("checks/account", "5 per 15 minutes")
# Only what is no pass of anybody's.
WRONG_DOOR_PASSES = RateLimit("wrong door pass/client", "10 per 15 minutes")
# Only what is no use: who comes beyond it learns nothing of right ones either.
WRONG_CODES = RateLimit("wrong code/client", "20 per 15 minutes")
# A caller is a door pass: a device that scans asks for figures and changes as well.
DOOR_PASS_CALLS = RateLimit("door pass", times=30)
# Of passwords only those that are wrong are counted; `passwords` says for whom.
LOGIN_FAILURES = RateLimit("wrong login/client", "10 per 15 minutes")
LOGIN_FAILURES_FOR_NAME = RateLimit("wrong login/name and client", "10 per 15 minutes")
LOGIN_FAILURES_OF_DEVICE = RateLimit("wrong login/device", "10 per 15 minutes")


class FreeTickets:
    """Tickets of an event that the client of this request books without having to answer for them.

    They are counted from the start, so that requests at the same time cannot take more together.
    Leaving the block by an exception takes the count back. Without tickets nothing is counted.
    """

    def __init__(self, event_id: int, tickets: int, key: IdempotencyKey | None) -> None:
        self._caller, self._tickets = f"{client()}/{event_id}", max(0, tickets)
        self._key = None if key is None else key.for_event(event_id)

    def __enter__(self) -> "FreeTickets":
        self._state = self._count(self._tickets)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.take_back()

    def take_back(self) -> None:
        """Count nothing: nothing new was booked."""
        self._count(-self._tickets)

    @property
    def are_too_many(self) -> bool:
        """Whether they are beyond BOOKINGS_FREELY."""
        return self._state is not None and self._state.left < 0

    def refuse_if_too_many(self) -> None:
        """Raise `TooManyRequests` beyond BOOKINGS_FREELY, but to who asks again for an answer."""
        if self._state is not None and self.are_too_many and not self._is_answered():
            raise self._state.refusal()

    def _is_answered(self) -> bool:
        key = self._key
        return key is not None and key in read(lambda connection: find(connection, [key]))

    def _count(self, tickets: int) -> LimitState | None:
        return TICKETS_BOOKED_FREELY.hit(self._caller, tickets) if tickets else None


class CodeTry:
    """The client of this request uses a code of an event; only wrong ones count.

    Whoever has tried too many is refused before it is looked at. An `UnknownCode` that leaves the
    block is counted. Right ones are not even while they are looked at: those of a school behind one
    address come at the same moment. Without a code nothing happens.
    """

    def __init__(self, code: str | None) -> None:
        self._caller = client() if code else ""

    def __enter__(self) -> "CodeTry":
        state = WRONG_CODES.hit(self._caller, 0) if self._caller else None
        if state is not None and state.left <= 0:
            raise state.refusal()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._caller and kind is UnknownCode:
            state = WRONG_CODES.hit(self._caller)
            if state is not None:
                state.refuse_if_exceeded()


def admit_new_address(booking: str) -> None:
    """Count a mail that asks an address whether it is a booking's. Raises `TooManyRequests`."""
    state = NEW_ADDRESSES_OF_BOOKING.hit(booking)
    if state is not None:
        state.refuse_if_exceeded()


def limited(limit: RateLimit, *, caller: Callable[[], str] = client) -> Callable[[View], View]:
    """Count the requests to a view; those without a caller are not counted.

    The view raises `TooManyRequests` beyond the limit. With Flask-Limiter's own decorator a form
    that is refused takes 11 to 17 % longer (in process, SQLite).
    """

    def mark(view: View) -> View:
        @wraps(view)
        def count_first(**values: Any) -> ResponseReturnValue:
            who = caller()
            state = limit.hit(who) if who else None
            if state is not None:
                state.refuse_if_exceeded()
            return view(**values)

        return count_first

    return mark


limiter = Limiter(key_func=client)


def init_app(app: Flask) -> None:
    """Count in the storage that RATELIMIT_STORAGE_URI names, unless RATELIMIT_ENABLED is false."""
    settings: Settings = app.extensions["settings"]
    app.config.update(
        RATELIMIT_DEFAULT=settings.ratelimit_default,
        RATELIMIT_STORAGE_URI=settings.ratelimit_storage_uri,
        RATELIMIT_ENABLED=settings.ratelimit_enabled,
        BOOKINGS_FREELY=f"{settings.bookings_freely} per 15 minutes",
    )
    if not settings.ratelimit_storage_uri.startswith("memory:"):
        # Makes its scheme known.
        import webapp.web.redis_counters  # noqa: F401
    # Told that it has been attached before, the extension leaves out its work around every single
    # request, which halves the rate of a bare route. Views and API count for themselves.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    app.extensions["counters"] = limiter.storage if limiter.enabled else None
