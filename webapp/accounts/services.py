"""Organizers, their passwords and their API tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

from webapp import clock
from webapp.errors import InvalidInput, NameTaken, Problem, Unavailable
from webapp.extensions import PerApp
from webapp.storage.batcher import Batcher
from webapp.storage.columns import MAX_NAME
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


@dataclass(frozen=True, slots=True)
class Account:
    """An organizer who has proved who they are."""

    id: int
    username: str
    credential_version: int


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


def any_organizer() -> bool:
    """Say whether there is an account at all."""
    query = select(organizers.c.id).limit(1)
    return read(lambda connection: connection.execute(query).first()) is not None


def set_password(*, username: str, password: str, revoke_tokens: bool = False) -> int:
    """Give an account a new password and end its sign-ins; its API tokens too where it is wanted.

    Says how many tokens were revoked, or work on. Raises `InvalidInput`.
    """
    values = {
        "password_hash": _hashed(password),
        "credential_version": organizers.c.credential_version + 1,
    }

    def work(connection: Connection) -> int:
        organizer_id = _find_organizer(connection, username, lock=True)
        change = update(organizers).where(organizers.c.id == organizer_id).values(values)
        connection.execute(change)
        connection.execute(delete(logins).where(logins.c.organizer_id == organizer_id))
        mine = tokens.c.organizer_id == organizer_id
        if revoke_tokens:
            return connection.execute(delete(tokens).where(mine)).rowcount
        count = select(func.count()).select_from(tokens).where(mine)
        return int(connection.execute(count).scalar_one())

    return write(work)


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


def create_token(*, username: str, name: str) -> str:
    """Make a Bearer token and return it; it cannot be shown again. Raises `InvalidInput`."""
    token = f"nextup_{secrets.token_urlsafe(32)}"
    if not 1 <= len(name.strip()) <= MAX_NAME or not name.isprintable():
        raise InvalidInput({"name": Problem("token_name", limit=MAX_NAME)})

    def work(connection: Connection) -> None:
        values = {
            "organizer_id": _find_organizer(connection, username, lock=True),
            "name": name.strip(),
            "token_hash": _token_hash(token),
            "created_at": clock.now(),
        }
        connection.execute(insert(tokens), values)

    write(work)
    return token


def check_token(token: str) -> Account | None:
    """The account that a Bearer token stands for."""
    of_token = _accounts.join(tokens, tokens.c.organizer_id == organizers.c.id)
    return _one_account(of_token.where(tokens.c.token_hash == _token_hash(token)))


def _one_account(query: Select[Any]) -> Account | None:
    row = read(lambda connection: connection.execute(query).one_or_none())
    return Account(*row) if row else None


class Token(NamedTuple):
    """What may be known of a Bearer token; the token itself is kept by its user alone."""

    id: int
    name: str
    created_at: datetime


def tokens_of(username: str) -> list[Token]:
    """An organizer's tokens, oldest first. Raises `InvalidInput`."""

    def work(connection: Connection) -> list[Token]:
        return _tokens_of(connection, _find_organizer(connection, username))

    return read(work)


def revoke_tokens(*, username: str, name: str) -> int:
    """End the tokens of that name and say how many there were. Raises `InvalidInput`."""

    def work(connection: Connection) -> int:
        # MySQL would take "Till" for "till".
        found = _tokens_of(connection, _find_organizer(connection, username, lock=True))
        ids = [token.id for token in found if token.name.strip() == name.strip()]
        return connection.execute(delete(tokens).where(tokens.c.id.in_(ids))).rowcount

    return write(work)


def _tokens_of(connection: Connection, organizer_id: int) -> list[Token]:
    query = select(tokens.c.id, tokens.c.name, tokens.c.created_at)
    mine = query.where(tokens.c.organizer_id == organizer_id).order_by(tokens.c.id)
    return [Token(*row) for row in connection.execute(mine)]


def _find_organizer(connection: Connection, username: str, *, lock: bool = False) -> int:
    """The id of an organizer; with `lock` nobody else changes password or tokens meanwhile."""
    username = _checked_username(username)
    query: Select[Any] = select(organizers.c.id).where(organizers.c.username == username)
    organizer_id = connection.execute(query.with_for_update() if lock else query).scalar()
    if organizer_id is None:
        raise InvalidInput({"username": Problem("unknown_organizer", username=username)})
    return int(organizer_id)


def _token_hash(token: str) -> str:
    # The token is 256 random bits, so a plain hash cannot be searched.
    return hashlib.sha256(token.encode()).hexdigest()


def _checked_username(username: str) -> str:
    username = username.strip()
    fits = 1 <= len(username) <= LONGEST_USERNAME
    if not fits or ":" in username or not username.isprintable():
        raise InvalidInput({"username": Problem("username", limit=LONGEST_USERNAME)})
    return username


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidInput({"password": Problem("too_short", limit=SHORTEST_PASSWORD)})
    return generate_password_hash(password)
