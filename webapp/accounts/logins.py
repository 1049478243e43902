"""Where organizers are logged in: a row for each sign-in, which ends on the server.

The device keeps a random code in its session, the database the hash of it. So a cookie that
somebody has copied is worth nothing once its sign-in has ended, and a row opens nothing.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from webapp import clock
from webapp.accounts.services import Account
from webapp.extensions import PerApp
from webapp.storage.batcher import Batcher
from webapp.storage.tables import logins, organizers
from webapp.storage.transaction import execute, read, write

# A sign-in ends when it has not been used for so long; its use is noted so often.
UNUSED = timedelta(days=30)
NOTED_EVERY = timedelta(minutes=5)
# Of each organizer; the one that has not been used for longest gives way.
MOST_LOGINS = 100


class Login(NamedTuple):
    """An organizer who is logged in on a device."""

    id: int
    organizer_id: int
    last_seen_at: datetime


def begin_login(account: Account, *, device: str) -> str | None:
    """Note a sign-in and return its code; None where the password has changed since it was checked.

    Raises `Unavailable`.
    """
    code, now = secrets.token_urlsafe(32), clock.now()
    version = select(organizers.c.credential_version).where(organizers.c.id == account.id)
    latest_first = (
        select(logins.c.id, logins.c.last_seen_at)
        .where(logins.c.organizer_id == account.id)
        .order_by(logins.c.last_seen_at.desc(), logins.c.id.desc())
    )
    values = {
        "organizer_id": account.id,
        "code_hash": _code_hash(code),
        "device": device,
        "first_seen_at": now,
        "last_seen_at": now,
    }

    def work(connection: Connection) -> str | None:
        # A new password ends all sign-ins under the same lock: none of the old one comes after it.
        if connection.execute(version.with_for_update()).scalar() != account.credential_version:
            return None
        there = connection.execute(latest_first).all()
        kept = [row.id for row in there if now - row.last_seen_at <= UNUSED][: MOST_LOGINS - 1]
        if gone := [row.id for row in there if row.id not in kept]:
            connection.execute(delete(logins).where(logins.c.id.in_(gone)))
        connection.execute(insert(logins), values)
        return code

    return write(work)


def find_login(code: str) -> Login | None:
    """The sign-in of a code while it lasts; who asks at the same time shares a query.

    Raises `Unavailable`.
    """
    login = _login_reads.own.submit(_code_hash(code), None)
    return login if login is not None and clock.now() - login.last_seen_at <= UNUSED else None


def _read_login(code_hash: str, askers: list[None]) -> list[Login | None]:
    values = {"of_code": code_hash}
    row = read(lambda connection: connection.execute(_of_code, values).one_or_none())
    return [Login(*row) if row else None] * len(askers)


_of_code = select(logins.c.id, logins.c.organizer_id, logins.c.last_seen_at).where(
    logins.c.code_hash == bindparam("of_code")
)
_login_reads: PerApp[Batcher[str, None, Login | None]] = PerApp(lambda: Batcher(_read_login))


def note_use(login: Login) -> bool:
    """Note that a sign-in is used now, unless that was noted a moment ago; whether it was noted.

    Raises `Unavailable`.
    """
    now = clock.now()
    if now - login.last_seen_at < NOTED_EVERY:
        return False
    unnoted = logins.c.last_seen_at <= now - NOTED_EVERY
    change = update(logins).where(logins.c.id == login.id, unnoted).values(last_seen_at=now)
    return execute(change) == 1


def end_login(code: str) -> None:
    """End the sign-in of a code. Raises `Unavailable`."""
    execute(delete(logins).where(logins.c.code_hash == _code_hash(code)))


class Device(NamedTuple):
    """Where an organizer is logged in: browser and system in words, which may be empty."""

    id: int
    device: str
    first_seen_at: datetime
    last_seen_at: datetime


def devices_of(organizer_id: int) -> list[Device]:
    """Where an organizer is logged in, the last used first."""
    query = (
        select(*(logins.c[name] for name in Device._fields))
        .where(
            logins.c.organizer_id == organizer_id,
            logins.c.last_seen_at >= clock.now() - UNUSED,
        )
        .order_by(logins.c.last_seen_at.desc(), logins.c.id.desc())
    )
    return read(lambda connection: [Device(*row) for row in connection.execute(query)])


def end_logins(organizer_id: int, *, only: int | None = None, all_but: int | None = None) -> int:
    """End an organizer's sign-ins, or one of them, or all but one; say how many ended."""
    ended = delete(logins).where(logins.c.organizer_id == organizer_id)
    if only is not None:
        ended = ended.where(logins.c.id == only)
    if all_but is not None:
        ended = ended.where(logins.c.id != all_but)
    return execute(ended)


def _code_hash(code: str) -> str:
    # The code is 256 random bits, so a plain hash cannot be searched.
    return hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest()
