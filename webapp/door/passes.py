"""Door passes: a link for each device at the door of one event, shown once, kept as a hash."""

import hashlib
import secrets
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update

from webapp import clock
from webapp.booking.access import lock_own_event
from webapp.booking.commands import Actor
from webapp.booking.inventory import Closure, end_of
from webapp.errors import EventClosed, InvalidInput, PassNotFound, Problem, Unavailable
from webapp.logs import log_event
from webapp.storage.door_tables import MAX_PASS_NAME
from webapp.storage.rows import EventTimes
from webapp.storage.tables import door_passes, events
from webapp.storage.transaction import execute, new_id, read, write

# Of each event, those that were revoked left out.
MOST_PASSES = 100
# For an event without a date.
WITHOUT_DATE = timedelta(days=7)
# A use is noted so often.
NOTED_EVERY = timedelta(minutes=10)
LONGEST_TOKEN = 200
TOKEN_PREFIX = "door_"  # noqa: S105 - what a token begins with is no secret


class DoorPass(NamedTuple):
    """What may be known of a door pass; its token is kept by the device alone.

    It ends with the day after the event, where that takes place: when the event is moved, the end
    moves with it. Without a date it ends 7 days after it was made.
    """

    id: int
    event_id: int
    name: str
    may_sell: bool
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or was revoked."""
        return self.revoked_at is not None or self.expires_at <= clock.now()


_passes: Select[Any] = select(
    *(door_passes.c[name] for name in DoorPass._fields if name != "expires_at"),
    events.c.starts_at,
    events.c.ends_at,
    events.c.time_zone,
).join(events, events.c.id == door_passes.c.event_id)


def create_pass(event_id: int, *, actor: Actor, name: str, may_sell: bool = False) -> str:
    """Make a pass for a device and return its token; it cannot be shown again.

    Raises `EventNotFound`, `EventClosed` (over, where it would have ended), `InvalidInput` (name),
    `Unavailable`.
    """
    name, now = name.strip(), clock.now()
    if not 1 <= len(name) <= MAX_PASS_NAME or not name.isprintable():
        raise InvalidInput({"name": Problem("pass_name", limit=MAX_PASS_NAME)})
    token = f"{TOKEN_PREFIX}{secrets.token_urlsafe(32)}"
    values = {
        "event_id": event_id,
        "name": name,
        "token_hash": _token_hash(token),
        "may_sell": may_sell,
        "created_at": now,
    }
    count = select(func.count()).where(
        door_passes.c.event_id == event_id, door_passes.c.revoked_at.is_(None)
    )

    def work(connection: Connection) -> int:
        event = lock_own_event(connection, event_id, actor)
        if end_of_pass(event, now) <= now:
            raise EventClosed(Closure.OVER)
        if connection.execute(count).scalar_one() >= MOST_PASSES:
            raise InvalidInput({"name": Problem("most_passes", limit=MOST_PASSES)})
        return new_id(connection.execute(insert(door_passes), values))

    pass_id = write(work)
    log_event("door pass", event_id=event_id, door_pass=pass_id, actor=actor)
    return token


def find_pass(token: str) -> DoorPass | None:
    """The pass that a token stands for, also one that is over; its use is noted, seldom.

    Raises `Unavailable`.
    """
    if len(token) > LONGEST_TOKEN:
        return None
    query = _passes.where(door_passes.c.token_hash == _token_hash(token))
    row = read(lambda connection: connection.execute(query).one_or_none())
    if row is None:
        return None
    found, now = _pass_of(row), clock.now()
    last = found.last_used_at
    if not found.is_over and (last is None or last <= now - NOTED_EVERY):
        _note_use(found.id, now)
    return found


def passes_of(event_id: int, *, actor: Actor) -> list[DoorPass]:
    """The passes of an organizer's event, oldest first, those that are over too.

    There are none of anybody else's event. Raises `Unavailable`.
    """
    own = actor.account_id if actor.is_organizer else None
    query = _passes.where(
        door_passes.c.event_id == event_id, events.c.organizer_id == own
    ).order_by(door_passes.c.id)
    return [_pass_of(row) for row in read(lambda connection: connection.execute(query).all())]


def revoke_pass(event_id: int, pass_id: int, *, actor: Actor) -> str:
    """End a pass at once and return its name; again is harmless.

    Raises `EventNotFound`, `PassNotFound`, `Unavailable`.
    """
    here = and_(door_passes.c.event_id == event_id, door_passes.c.id == pass_id)
    now = clock.now()

    def work(connection: Connection) -> str:
        lock_own_event(connection, event_id, actor)
        name = connection.execute(select(door_passes.c.name).where(here)).scalar()
        if name is None:
            raise PassNotFound
        unrevoked = and_(here, door_passes.c.revoked_at.is_(None))
        connection.execute(update(door_passes).where(unrevoked).values(revoked_at=now))
        return str(name)

    # The same again does no harm, so nothing has to be known of a commit that was lost.
    name = write(work, already_committed=lambda _: False)
    log_event("door pass revoked", event_id=event_id, door_pass=pass_id, actor=actor)
    return name


def end_of_pass(event: EventTimes, created_at: datetime) -> datetime:
    """When a pass ends that was made at `created_at`."""
    end = end_of(starts_at=event.starts_at, ends_at=event.ends_at, time_zone=event.time_zone)
    if end is None:
        return created_at + WITHOUT_DATE
    zone = ZoneInfo(event.time_zone)
    # An event that ends at midnight is of the day before.
    last_day = (end - timedelta(microseconds=1)).astimezone(zone).date()
    return datetime.combine(last_day + timedelta(days=2), time(), zone).astimezone(end.tzinfo)


def _pass_of(row: Any) -> DoorPass:
    return DoorPass(
        id=row.id,
        event_id=row.event_id,
        name=row.name,
        may_sell=bool(row.may_sell),
        created_at=row.created_at,
        expires_at=end_of_pass(row, row.created_at),
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _note_use(pass_id: int, now: datetime) -> None:
    last = door_passes.c.last_used_at
    unnoted = and_(door_passes.c.id == pass_id, or_(last.is_(None), last <= now - NOTED_EVERY))
    # Whoever only reads can do so while nothing can be written.
    with suppress(Unavailable):
        execute(update(door_passes).where(unnoted).values(last_used_at=now))


def _token_hash(token: str) -> str:
    # The token is 256 random bits, so a plain hash cannot be searched.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
