"""Organizers: their names and passwords, and what attendees and they themselves are told."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

from webapp import clock
from webapp.errors import InvalidInput, LinkExpired, NameTaken, Problem, Unavailable
from webapp.extensions import PerApp
from webapp.logs import log_event
from webapp.storage import outbox
from webapp.storage.batcher import Batcher
from webapp.storage.engines import WAIT_SECONDS
from webapp.storage.tables import logins, organizers, tokens
from webapp.storage.transaction import new_id, read, write

SHORTEST_PASSWORD = 8
LONGEST_USERNAME = 64
# A check costs tens of milliseconds and 32 MB; more at once would only delay the bookings.
_checks = BoundedSemaphore(2)


@cache
def _decoy_hash() -> str:
    """Checked in place of a password that does not exist, so that an unknown name takes as long."""
    return generate_password_hash(secrets.token_urlsafe())


class Level(StrEnum):
    """How much a caller may do for an organizer, each level all of the one before."""

    READ = "read"
    BOOK = "book"
    MANAGE = "manage"

    def includes(self, other: "Level") -> bool:
        order = list(Level)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Account:
    """An organizer who has proved who they are, and what they may do with that proof."""

    id: int
    username: str
    credential_version: int
    level: Level = Level.MANAGE


_accounts = select(organizers.c.id, organizers.c.username, organizers.c.credential_version)


def create_organizer(*, username: str, password: str) -> int:
    """Make an account and return its id. Raises `InvalidInput`, `NameTaken`."""
    username = _checked_username(username)
    values = {
        "username": username,
        "password_hash": _hashed(password),
        "created_at": clock.now(),
    }

    def work(connection: Connection) -> int:
        return new_id(connection.execute(insert(organizers), values))

    try:
        return write(work)
    except IntegrityError as error:
        raise NameTaken(username=username) from error


def ensure_organizer(*, username: str, password: str) -> bool:
    """Make the account unless it exists; say whether it was made. A password is never changed."""
    try:
        create_organizer(username=username, password=password)
    except NameTaken:
        return False
    return True


def first_username() -> str | None:
    """The name of the oldest account, if there is any."""
    query = select(organizers.c.username).order_by(organizers.c.id).limit(1)
    return read(lambda connection: connection.execute(query).scalar())


def set_password(
    organizer_id: int,
    *,
    password: str,
    version: int | None = None,
    kept_login: int | None = None,
    revoke_tokens: bool = False,
    field: str = "password",
) -> int:
    """Give an account a new password and end its sign-ins, but for one that is kept.

    Its API tokens end, too, where that is wanted; says how many were revoked, or work on. With
    `version` the password has to be the one that it was then. A proven address is told of it.
    `field` is the one in which a wrong password is told.
    Raises `InvalidInput`, `LinkExpired` after another new password.
    """
    hashed = _hashed(password, field)

    def work(connection: Connection) -> int:
        organizer = lock_organizer(connection, organizer_id)
        if version is not None and organizer.credential_version != version:
            raise LinkExpired("password")
        change = update(organizers).where(organizers.c.id == organizer_id)
        values = {"password_hash": hashed, "credential_version": organizer.credential_version + 1}
        connection.execute(change.values(values))
        ended = delete(logins).where(logins.c.organizer_id == organizer_id)
        connection.execute(ended if kept_login is None else ended.where(logins.c.id != kept_login))
        if organizer.email is not None and organizer.email_is_proven:
            tell_organizer(connection, organizer_id, "password_changed", to=organizer.email)
        mine = tokens.c.organizer_id == organizer_id
        if revoke_tokens:
            return connection.execute(delete(tokens).where(mine)).rowcount
        count = select(func.count()).select_from(tokens).where(mine)
        return int(connection.execute(count).scalar_one())

    count = write(work)
    log_event("new password", organizer_id=organizer_id)
    return count


def tell_organizer(connection: Connection, organizer_id: int, what: str, *, to: str) -> None:
    """Enqueue a mail about an account."""
    about = {"organizer_id": organizer_id}
    outbox.enqueue(connection, what, recipient=to, details=about, now=clock.now())


def set_language(organizer_id: int, code: str) -> None:
    """Have an organizer written to in a language."""
    change = update(organizers).where(organizers.c.id == organizer_id).values(language=code)
    write(lambda connection: connection.execute(change))


def check_login(*, username: str, password: str) -> Account | None:
    """The account, if name and password are right. Slow on purpose, for unknown names too.

    Raises `Unavailable`.
    """
    row = _find_by_name(username)
    if not _checks.acquire(timeout=WAIT_SECONDS):
        raise Unavailable
    try:
        right = check_password_hash(row.password_hash if row else _decoy_hash(), password)
    finally:
        _checks.release()
    return Account(row.id, row.username, row.credential_version) if row and right else None


def is_known(username: str) -> bool:
    """Whether there is an account of that name. Raises `Unavailable`."""
    return _find_by_name(username) is not None


def _find_by_name(username: str) -> Row[Any] | None:
    """The account of exactly that name, but for the space around it."""
    try:
        username = _checked_username(username)
    except InvalidInput:
        return None
    query = select(organizers).where(organizers.c.username == username)
    return read(lambda connection: connection.execute(query).one_or_none())


def find_account(account_id: int) -> Account | None:
    """The account of an id, as it is now; those who ask at the same time share one query.

    Raises `Unavailable`.
    """
    return _account_reads.own.submit(account_id, None)


def _read_account(account_id: int, askers: list[None]) -> list[Account | None]:
    return [_one_account(_accounts.where(organizers.c.id == account_id))] * len(askers)


_account_reads: PerApp[Batcher[int, None, Account | None]] = PerApp(lambda: Batcher(_read_account))


def _one_account(query: Select[Any]) -> Account | None:
    row = read(lambda connection: connection.execute(query).one_or_none())
    return Account(*row) if row else None


class Known(NamedTuple):
    """An organizer as an operator sees them; `last_seen_at` is null where nobody is logged in."""

    username: str
    email: str | None
    last_seen_at: datetime | None


def list_organizers() -> list[Known]:
    """Every organizer, by name."""
    last_seen = select(func.max(logins.c.last_seen_at)).where(
        logins.c.organizer_id == organizers.c.id
    )
    query = select(organizers.c.username, organizers.c.email, last_seen.scalar_subquery()).order_by(
        organizers.c.username
    )
    return read(lambda connection: [Known(*row) for row in connection.execute(query)])


def id_of(username: str) -> int:
    """The id of an organizer. Raises `InvalidInput` where there is none of that name."""
    row = _find_by_name(_checked_username(username))
    if row is None:
        raise InvalidInput({"username": Problem("unknown_organizer", username=username)})
    return int(row.id)


def lock_organizer(connection: Connection, organizer_id: int) -> Row[Any]:
    """The account, whose password, address and tokens nobody else changes meanwhile."""
    query = select(organizers).where(organizers.c.id == organizer_id).with_for_update()
    return connection.execute(query).one()


def _checked_username(username: str) -> str:
    username = username.strip()
    fits = 1 <= len(username) <= LONGEST_USERNAME
    if not fits or ":" in username or not username.isprintable():
        raise InvalidInput({"username": Problem("username", limit=LONGEST_USERNAME)})
    return username


def _hashed(password: str, field: str = "password") -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidInput({field: Problem("too_short", limit=SHORTEST_PASSWORD)})
    return generate_password_hash(password)
