"""Who is asking: an organizer by Basic or by a Bearer token, or nobody in particular."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from threading import Lock
from typing import cast

from flask import g, request

from webapp.accounts import services as accounts
from webapp.accounts.services import Account
from webapp.errors import DomainError
from webapp.extensions import PerApp, basic_auth, token_auth
from webapp.logs import log_event
from webapp.storage.batcher import Batcher
from webapp.web.rate_limits import WRONG_LOGINS, WRONG_LOGINS_FOR_NAME, client, hashed

REMEMBERED_SECONDS = 60
MOST_REMEMBERED = 1024


class Unauthorized(DomainError):
    """Whoever asks has to say who they are.

    `reason` is "login_needed", "reference_or_login_needed" or "wrong_credentials".
    """

    code = "unauthorized"


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
        # A username that arrives by Basic holds no colon, so two logins never look the same.
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
    """The account of a username and its password. Raises `TooManyRequests`, `Unavailable`."""
    username = username.strip()
    if not username:
        return None
    logins = verified_logins.own
    name = logins.name(username, password)
    account = logins.find(name)
    if account is None:
        # Each caller for themselves: only the check is shared.
        _refuse_after_failures(username)
        account = _checks.submit(name, (username, password))
        if account is None:
            _note_failure(username)
    return account


def _check_slowly(name: bytes, logins: list[tuple[str, str]]) -> list[Account | None]:
    """Check one login for all who present it at the same time."""
    username, password = logins[0]
    verified = verified_logins.own
    account = verified.find(name)
    if account is None:
        account = accounts.check_login(username=username, password=password)
        if account is not None:
            verified.remember(name, account)
    return [account] * len(logins)


_checks: Batcher[bytes, tuple[str, str], Account | None] = Batcher(_check_slowly)


def check_token(token: str) -> Account | None:
    """The account of a Bearer token. A token is random: guesses need no throttle but the limit."""
    return accounts.check_token(token) if token else None


basic_auth.verify_password(check_password)
token_auth.verify_token(check_token)
# Flask-HTTPAuth's own choice between several schemes takes "bearer" for another word than "Bearer".
_identify = {
    "basic": basic_auth.login_required(optional=True)(basic_auth.current_user),
    "bearer": token_auth.login_required(optional=True)(token_auth.current_user),
}


def presented_account() -> Account | None:
    """The account whose credentials the request carries; none where they are wrong.

    Raises `TooManyRequests` after too many failures, `Unavailable`.
    """
    given = request.authorization
    identify = _identify.get(given.type) if given is not None else None
    return cast(Account | None, identify()) if identify is not None else None


def required_account() -> Account:
    """The organizer who asks; everybody else is told to say who they are."""
    account = cast(Account | None, g.caller)
    if account is None:
        raise Unauthorized("login_needed")
    return account


def _refuse_after_failures(username: str) -> None:
    of_client = WRONG_LOGINS.hit(client(), cost=0)
    of_name = WRONG_LOGINS_FOR_NAME.hit(hashed(username), cost=0)
    for state in (of_client, of_name):
        if state is not None and state.left <= 0:
            log_event("login throttled", username=username[:64], client=client())
            raise state.refusal()


def _note_failure(username: str) -> None:
    log_event("login refused", username=username[:64], client=client())
    WRONG_LOGINS.hit(client())
    WRONG_LOGINS_FOR_NAME.hit(hashed(username))
