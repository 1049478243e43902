"""API tokens of organizers: random, shown once, kept as a hash, with a level and an end."""

import hashlib
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from webapp import clock
from webapp.accounts.services import Account, Level, lock_organizer
from webapp.errors import InvalidInput, Problem, TokenNotFound, Unavailable
from webapp.storage.columns import MAX_NAME
from webapp.storage.tables import organizers, tokens
from webapp.storage.transaction import execute, new_id, read, write

# Of each organizer.
MOST_TOKENS = 100
MOST_DAYS = 3650
# A use is noted so often: who books by token pays for it once an hour.
NOTED_EVERY = timedelta(hours=1)


class Token(NamedTuple):
    """What may be known of a token; the token itself is kept by its user alone."""

    id: int
    name: str
    level: Level
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= clock.now()


def create_token(
    organizer_id: int, *, name: str, level: Level = Level.MANAGE, days: int | None = None
) -> str:
    """Make a Bearer token and return it; it cannot be shown again.

    It is good for `days`, or for as long as nobody revokes it. Raises `InvalidInput`.
    """
    name, now = name.strip(), clock.now()
    problems = {}
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        problems["name"] = Problem("token_name", limit=MAX_NAME)
    if days is not None and not 1 <= days <= MOST_DAYS:
        problems["days"] = Problem("token_days", limit=MOST_DAYS)
    if problems:
        raise InvalidInput(problems)
    token = f"nextup_{secrets.token_urlsafe(32)}"
    values = {
        "organizer_id": organizer_id,
        "name": name,
        "token_hash": _token_hash(token),
        "level": level,
        "created_at": now,
        "expires_at": None if days is None else now + timedelta(days=days),
    }
    count = select(func.count()).select_from(tokens).where(tokens.c.organizer_id == organizer_id)

    def work(connection: Connection) -> int:
        lock_organizer(connection, organizer_id)
        if connection.execute(count).scalar_one() >= MOST_TOKENS:
            raise InvalidInput({"name": Problem("most_tokens", limit=MOST_TOKENS)})
        return new_id(connection.execute(insert(tokens), values))

    write(work)
    return token


_presented = (
    select(
        organizers.c.id,
        organizers.c.username,
        organizers.c.credential_version,
        tokens.c.level,
        tokens.c.id.label("token_id"),
        tokens.c.expires_at,
        tokens.c.last_used_at,
    )
    .join(tokens, tokens.c.organizer_id == organizers.c.id)
    .limit(1)
)


def check_token(token: str) -> Account | None:
    """The account that a token stands for, with the token's level; none for one that is over.

    Its use is noted, seldom. Raises `Unavailable`.
    """
    query = _presented.where(tokens.c.token_hash == _token_hash(token))
    row = read(lambda connection: connection.execute(query).one_or_none())
    now = clock.now()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    if row.last_used_at is None or row.last_used_at <= now - NOTED_EVERY:
        _note_use(row.token_id, now)
    return Account(row.id, row.username, row.credential_version, Level(row.level))


def _note_use(token_id: int, now: datetime) -> None:
    """Note that a token is used, unless somebody else has just done so."""
    last = tokens.c.last_used_at
    unnoted = and_(tokens.c.id == token_id, or_(last.is_(None), last <= now - NOTED_EVERY))
    # Whoever only reads can do so while nothing can be written.
    with suppress(Unavailable):
        execute(update(tokens).where(unnoted).values(last_used_at=now))


def tokens_of(organizer_id: int) -> list[Token]:
    """An organizer's tokens, oldest first; those that have expired, too."""
    query = (
        select(*(tokens.c[name] for name in Token._fields))
        .where(tokens.c.organizer_id == organizer_id)
        .order_by(tokens.c.id)
    )
    rows = read(lambda connection: connection.execute(query).all())
    return [Token(row[0], row[1], Level(row[2]), *row[3:]) for row in rows]


def revoke_token(token_id: int, *, organizer_id: int | None = None) -> str:
    """End a token at once, of that organizer if one is named, and return its name.

    Raises `TokenNotFound`, also the second time.
    """
    here: Any = tokens.c.id == token_id
    if organizer_id is not None:
        here = and_(here, tokens.c.organizer_id == organizer_id)
    query = select(tokens.c.organizer_id, tokens.c.name).where(here)

    def work(connection: Connection) -> str:
        row = connection.execute(query).one_or_none()
        if row is None or connection.execute(delete(tokens).where(here)).rowcount == 0:
            raise TokenNotFound
        return str(row.name)

    return write(work)


def _token_hash(token: str) -> str:
    # The token is 256 random bits, so a plain hash cannot be searched.
    return hashlib.sha256(token.encode()).hexdigest()
