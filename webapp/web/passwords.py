"""Names with passwords, from the form and by Basic: checked by one rule, counted by one counter.

At most ten failures in 15 minutes count for a network, whatever names it tries. A device that has
logged in to the account before is counted by itself, so that others of its network cannot lock its
owner out; those of other networks cannot anyway.
"""

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from werkzeug.exceptions import TooManyRequests

from webapp.accounts import services as accounts
from webapp.accounts.services import Account
from webapp.errors import Unavailable
from webapp.extensions import PerApp
from webapp.logs import log_event
from webapp.storage.batcher import Batcher
from webapp.web import devices
from webapp.web.rate_limits import (
    LOGIN_FAILURES,
    LOGIN_FAILURES_FOR_NAME,
    LOGIN_FAILURES_OF_DEVICE,
    RateLimit,
    client,
    hashed,
)

REMEMBERED_SECONDS = 60
MOST_REMEMBERED = 1024


class Budget(NamedTuple):
    """How often a caller may fail."""

    limit: RateLimit
    caller: str


class Attempt(NamedTuple):
    """A name with a password, under the name by which it is remembered, and who pays for it."""

    fingerprint: bytes
    username: str
    password: str
    budgets: Sequence[Budget]


@dataclass(frozen=True, slots=True)
class Verified:
    account: Account
    until: float


class VerifiedLogins:
    """Logins found right in the last minute, each under a keyed hash of name and password."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = Lock()
        self._logins: dict[bytes, Verified] = {}

    def name(self, username: str, password: str) -> bytes:
        # Names of accounts hold no colon, so no two logins that may be right look the same.
        login = f"{username}:{password}".encode(errors="surrogatepass")
        return hashlib.blake2b(login, key=self._key, digest_size=32).digest()

    def find(self, name: bytes) -> Account | None:
        """The account as it is now, unless its password has changed since."""
        verified = self._logins.get(name)
        if verified is None or verified.until < time.monotonic():
            return None
        account = accounts.find_account(verified.account.id)
        return account if account == verified.account else None

    def remember(self, name: bytes, account: Account) -> None:
        verified = Verified(account, time.monotonic() + REMEMBERED_SECONDS)
        with self._lock:
            self._logins.pop(name, None)
            while len(self._logins) >= MOST_REMEMBERED:
                del self._logins[next(iter(self._logins))]
            self._logins[name] = verified


verified_logins = PerApp(VerifiedLogins)


def check_password(username: str, password: str) -> Account | None:
    """The account of a name and its password. Raises `TooManyRequests`, `Unavailable`."""
    username = username.strip()
    if not username:
        return None
    fingerprint = verified_logins.own.name(username, password)
    attempt = Attempt(fingerprint, username, password, _budgets(username))
    account = None
    # Who guesses too often learns nothing from what is remembered either.
    if not _refusals(attempt.budgets, least=1, cost=0):
        account = verified_logins.own.find(fingerprint)
    if account is None:
        try:
            account = _checks.own.submit(attempt.budgets[0], attempt)
        except TooManyRequests:
            log_event("login throttled", client=client())
            raise
    if account is None:
        # People type their password where the name belongs.
        named = {"username": username} if accounts.is_known(username) else {}
        log_event("login refused", **named, client=client())
    return account


def remember_device(account: Account) -> None:
    """From now on failures of others do not count against this device and account."""
    devices.remember_device(hashed(account.username))


def _budgets(username: str) -> Sequence[Budget]:
    name, network = hashed(username), client()
    device = devices.known_device(name)
    if device is not None:
        return [Budget(LOGIN_FAILURES_OF_DEVICE, device)]
    return [Budget(LOGIN_FAILURES, network), Budget(LOGIN_FAILURES_FOR_NAME, f"{name}/{network}")]


def _check_in_turn(_: Budget, attempts: list[Attempt]) -> list[Account | Exception | None]:
    """Check what one network or device tries at the same time, one after the other.

    So that no more are looked at than may fail, and who is right does not meet a limit that others
    have only reached by being looked at. The same attempt sent twice is one.
    """
    answers: dict[bytes, Account | Exception | None] = {}
    for attempt in attempts:
        if attempt.fingerprint not in answers:
            answers[attempt.fingerprint] = _answer_to(attempt)
    return [answers[attempt.fingerprint] for attempt in attempts]


def _answer_to(attempt: Attempt) -> Account | Exception | None:
    verified, failed = verified_logins.own, False
    # Counted before it is known, because other processes look at what this network tries, too.
    refusals = _refusals(attempt.budgets, least=0, cost=1)
    try:
        if refusals:
            return refusals[0]
        account = verified.find(attempt.fingerprint)
        if account is not None:
            return account
        account = accounts.check_login(username=attempt.username, password=attempt.password)
        failed = account is None
        if account is not None:
            verified.remember(attempt.fingerprint, account)
        return account
    except Unavailable as error:
        return error
    finally:
        if not failed:
            for limit, caller in attempt.budgets:
                limit.hit(caller, cost=-1)


def _refusals(budgets: Sequence[Budget], *, least: int, cost: int) -> list[TooManyRequests]:
    """Count, and say which budgets have less than `least` left then."""
    states = [limit.hit(caller, cost=cost) for limit, caller in budgets]
    return [state.refusal() for state in states if state is not None and state.left < least]


_checks: PerApp[Batcher[Budget, Attempt, Account | None]] = PerApp(lambda: Batcher(_check_in_turn))
