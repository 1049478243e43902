"""Who is asking: an organizer by Basic or by a Bearer token, or nobody in particular."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from threading import Lock
from typing import NoReturn, cast

from flask import abort, g, request
from werkzeug.exceptions import TooManyRequests

from webapp import budgets, errors
from webapp.errors import Unavailable
from webapp.extensions import PerApp, basic_auth, token_auth
from webapp.limits import client
from webapp.logs import operation
from webapp.services import accounts
from webapp.services.accounts import Account
from webapp.services.group_commit import GroupCommit, Overloaded

REMEMBERED_SECONDS = 60
MOST_REMEMBERED = 1024
CHALLENGE = 'Basic realm="Nextup", charset="UTF-8", Bearer realm="Nextup"'


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
        try:
            account = _checks.submit(name, (username, password))
        except Overloaded as error:
            raise Unavailable from error
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


_checks: GroupCommit[bytes, tuple[str, str], Account | None] = GroupCommit(_check_slowly)


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
        refuse("Send an organizer's username and password, or an API token.")
    return account


def refuse(detail: str) -> NoReturn:
    """Answer 401."""
    headers = {"WWW-Authenticate": CHALLENGE}
    abort(errors.show(401, "unauthorized", "Unauthorized", detail, headers=headers))


def _refuse_after_failures(username: str) -> None:
    limits = budgets.current()
    if limits is None:
        return
    of_client = limits.failures_of_client.spend(client(), cost=0)
    of_username = limits.failures_of_username.spend(_short(username), cost=0)
    for spent in (of_client, of_username):
        if spent.left <= 0:
            operation("login throttled", username=username[:64], client=client())
            raise TooManyRequests(retry_after=spent.retry_after)


def _note_failure(username: str) -> None:
    operation("login refused", username=username[:64], client=client())
    limits = budgets.current()
    if limits is not None:
        limits.failures_of_client.spend(client())
        limits.failures_of_username.spend(_short(username))


def _short(username: str) -> str:
    """A name of bounded length for whatever was sent as username."""
    return hashlib.sha256(username.encode(errors="surrogatepass")).hexdigest()[:32]
