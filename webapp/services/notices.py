"""What is told at its time and not by a change: reminders, and what organizers asked to hear.

The deliverer calls `write_due` every minute. Each notice has a name that it can be told under one
time only, so that several deliverers, or the same one again, do no harm.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from webapp.errors import EditConflict, EventNotFound
from webapp.models import activities, bookings, deliveries, events, organizers
from webapp.services import book, clock
from webapp.services.commands import Status, What
from webapp.services.delivery import NothingToTell
from webapp.services.messages import RECEIVER
from webapp.services.transaction import read, write

REMIND_BEFORE = timedelta(days=1)
# In UTC.
SUMMARY_HOUR = 6
PORTION = 500
# In the order of `Day`.
COUNTED = (What.BOOKED, What.CANCELLED, What.PROMOTED)


# An address, and the event and booking it is told about.
Person = tuple[str, int | None, int | None]


class Day(NamedTuple):
    """What happened to an event in a day, and how it stands."""

    event: Row[Any]
    booked: int
    cancelled: int
    promoted: int


def write_due() -> None:
    """Write the deliveries whose time has come. Raises `Unavailable`."""
    now = clock.now()
    for event in _to_remind(now):
        start = int(event.starts_at.timestamp())
        _write("reminder", f"reminder:{event.id}:{start}:", _reminded(event), now=now)
    for event in _sold_out(now):
        name = f"sold_out:{event.id}:{event.capacity}:"
        _write("sold_out", name, [(event.email, event.id, None)], now=now)
    if now.hour >= SUMMARY_HOUR:
        for organizer in _wanting_summary():
            name = f"summary:{organizer.id}:{now:%Y-%m-%d}:"
            _write("summary", name, [(organizer.email, None, None)], now=now)


def _write(what: str, name: str, people: Sequence[Person], *, now: datetime) -> None:
    """Have those told who have not been told under this name yet."""
    known = select(deliveries.c.once).where(deliveries.c.once.startswith(name))
    told = set(read(lambda connection: connection.execute(known).scalars().all()))
    lines = [
        {
            "receiver": RECEIVER,
            "what": what,
            "recipient": email,
            "event_id": event_id,
            "position": position,
            "bulk": True,
            "once": f"{name}{position or 0}",
            "state": "pending",
            "attempts": 0,
            "next_try_at": now,
            "created_at": now,
        }
        for email, event_id, position in people
        if f"{name}{position or 0}" not in told
    ]
    for start in range(0, len(lines), PORTION):
        # Another deliverer may have been first.
        with suppress(IntegrityError):
            write(partial(_insert, lines=lines[start : start + PORTION]))


def _insert(connection: Connection, *, lines: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(insert(deliveries), lines)


def _to_remind(now: datetime) -> Sequence[Row[Any]]:
    query: Select[Any] = select(events.c.id, events.c.starts_at).where(
        events.c.status == "published",
        events.c.reminds.is_(True),
        events.c.starts_at > now,
        events.c.starts_at <= now + REMIND_BEFORE,
    )
    return read(lambda connection: connection.execute(query).all())


def _reminded(event: Row[Any]) -> Sequence[Person]:
    """Who has known about a ticket for longer than the reminder is early."""
    query = select(bookings.c.email, bookings.c.event_id, bookings.c.position).where(
        bookings.c.event_id == event.id,
        bookings.c.status == Status.CONFIRMED,
        bookings.c.email.is_not(None),
        bookings.c.created_at < event.starts_at - REMIND_BEFORE,
    )
    return read(lambda connection: [tuple(row) for row in connection.execute(query)])


def _sold_out(now: datetime) -> Sequence[Row[Any]]:
    query: Select[Any] = (
        select(events.c.id, events.c.capacity, organizers.c.email)
        .join(organizers, organizers.c.id == events.c.organizer_id)
        .where(
            events.c.status == "published",
            events.c.is_sample.is_(False),
            or_(events.c.starts_at.is_(None), events.c.starts_at > now),
            or_(events.c.confirmed == events.c.capacity, events.c.waiting > 0),
            organizers.c.wants_sold_out.is_(True),
            organizers.c.email.is_not(None),
        )
    )
    return read(lambda connection: connection.execute(query).all())


def _wanting_summary() -> Sequence[Row[Any]]:
    query: Select[Any] = select(organizers.c.id, organizers.c.email).where(
        organizers.c.wants_summary.is_(True), organizers.c.email.is_not(None)
    )
    return read(lambda connection: connection.execute(query).all())


def summary_of(delivery: Row[Any]) -> list[Day]:
    """The day before a summary, event by event. Raises `NothingToTell` after a quiet one."""
    organizer_id = int(delivery.once.split(":")[1])
    since = delivery.created_at - timedelta(days=1)
    own = select(events).where(
        events.c.organizer_id == organizer_id,
        events.c.status == "published",
        or_(events.c.starts_at.is_(None), events.c.starts_at > since),
    )
    counts = (
        select(activities.c.event_id, activities.c.what, func.count())
        .where(
            activities.c.event_id.in_(own.with_only_columns(events.c.id)),
            activities.c.at > since,
            activities.c.what.in_(COUNTED),
        )
        .group_by(activities.c.event_id, activities.c.what)
    )

    def work(connection: Connection) -> list[Day]:
        happened = {(row[0], row[1]): row[2] for row in connection.execute(counts)}
        rows = connection.execute(own.order_by(events.c.starts_at, events.c.id)).all()
        days = [Day(row, *(happened.get((row.id, what), 0) for what in COUNTED)) for row in rows]
        return [day for day in days if any(day[1:])]

    days = read(work)
    if not days:
        raise NothingToTell
    return days


def set_reminder(event_id: int, *, organizer_id: int, wanted: bool) -> None:
    """Have the attendees of an event reminded a day before, or not. Raises `EventNotFound`."""

    def work(connection: Connection) -> None:
        if book.lock_event(connection, event_id).organizer_id != organizer_id:
            raise EventNotFound
        change = update(events).where(events.c.id == event_id).values(reminds=wanted)
        connection.execute(change)

    write(work)


_notices: Select[Any] = select(
    organizers.c.email, organizers.c.wants_sold_out, organizers.c.wants_summary
)


def notices_of(organizer_id: int) -> Row[Any]:
    """Where an organizer wants to be written to, and about what."""
    query = _notices.where(organizers.c.id == organizer_id)
    return read(lambda connection: connection.execute(query).one())


def set_notices(
    organizer_id: int,
    *,
    email: str | None,
    wants_sold_out: bool,
    wants_summary: bool,
    seen: Mapping[str, object] | None = None,
) -> None:
    """Set what `notices_of` tells.

    `seen` is {column: value} as the caller has read it: nothing is set if one that would change is
    another by now. Raises `EditConflict`.
    """
    own = organizers.c.id == organizer_id
    wanted = {"email": email, "wants_sold_out": wants_sold_out, "wants_summary": wants_summary}

    def work(connection: Connection) -> None:
        now = connection.execute(_notices.where(own).with_for_update()).one()
        changed = {
            name: value
            for name, value in now._mapping.items()
            if seen is not None and value not in (wanted[name], seen[name])
        }
        if changed:
            raise EditConflict(changed, row=now)
        connection.execute(update(organizers).where(own).values(wanted))

    write(work)
