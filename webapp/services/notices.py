"""What is told at its time and not by a change: reminders, and what organizers asked to hear.

The deliverer calls `write_due` every minute. Each notice has a name that it can be told under one
time only, so that several deliverers, or the same one again, do no harm.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from webapp.models import activities, bookings, deliveries, events, organizers
from webapp.services import clock
from webapp.services.commands import Status, What
from webapp.services.delivery import NothingToTell
from webapp.services.events import change_event
from webapp.services.outbox import MAIL, enqueue
from webapp.services.transaction import read, write

REMIND_BEFORE = timedelta(days=1)
# In UTC.
SUMMARY_HOUR = 6
PORTION = 500
DAY = timedelta(days=1)
# In the order of `EventNews`.
COUNTED = (What.BOOKED, What.CANCELLED, What.PROMOTED)


# An address, and the event and booking it is told about.
Person = tuple[str, int | None, int | None]


class EventNews(NamedTuple):
    """What happened to an event, and how it stands."""

    event: Row[Any]
    booked: int
    cancelled: int
    promoted: int


class Summary(NamedTuple):
    """What happened to an organizer's events from the first to the last of some days, in UTC."""

    first_day: date
    last_day: date
    events: list[EventNews]


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
        for organizer in _without_summary(now):
            # Another deliverer may have been first.
            with suppress(IntegrityError):
                write(partial(_write_summary, organizer=organizer, now=now))


def _write(what: str, name: str, people: Sequence[Person], *, now: datetime) -> None:
    """Have those told who have not been told under this name yet."""
    known = select(deliveries.c.once).where(deliveries.c.once.startswith(name))
    told = set(read(lambda connection: connection.execute(known).scalars().all()))
    lines = [
        {
            "receiver": MAIL,
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


def _without_summary(now: datetime) -> list[Row[Any]]:
    """The organizers who want a summary and for whom none was written today."""
    wanting: Select[Any] = select(organizers.c.id, organizers.c.email).where(
        organizers.c.wants_summary.is_(True), organizers.c.email.is_not(None)
    )

    def work(connection: Connection) -> list[Row[Any]]:
        found = connection.execute(wanting).all()
        keys = [_summary_key(organizer.id, now.date()) for organizer in found]
        known = select(deliveries.c.once).where(deliveries.c.once.in_(keys))
        written = set(connection.execute(known).scalars()) if found else set()
        pairs = zip(found, keys, strict=True)
        return [organizer for organizer, key in pairs if key not in written]

    return read(work)


def _summary_key(organizer_id: int, written_on: date) -> str:
    return f"summary:{organizer_id}:{written_on}:0"


def _write_summary(connection: Connection, *, organizer: Row[Any], now: datetime) -> None:
    """Write the summary of yesterday, and of the days before that no summary has told.

    A quiet day gets its row as well: the history has no index by time, so to ask each minute
    whether there is something to tell would cost more than one row, and the row tells later
    which days are done.
    """
    today = now.date()
    earlier: Select[Any] = (
        select(deliveries.c.details, deliveries.c.created_at)
        .where(
            deliveries.c.once >= _summary_key(organizer.id, date.min),
            deliveries.c.once < _summary_key(organizer.id, today),
        )
        .order_by(deliveries.c.once.desc())
        .limit(1)
    )
    last_day = first_day = today - DAY
    if (previous := connection.execute(earlier).one_or_none()) is not None:
        first_day = _days_of(previous)[1] + DAY
    enqueue(
        connection,
        "summary",
        recipient=organizer.email,
        details={
            "organizer_id": organizer.id,
            "first_day": first_day.isoformat(),
            "last_day": last_day.isoformat(),
        },
        bulk=True,
        once=_summary_key(organizer.id, today),
        now=now,
    )


def _days_of(delivery: Row[Any]) -> tuple[date, date]:
    """The first and the last day that a summary tells."""
    if delivery.details is None:  # The release before wrote none, and told the day before.
        day = delivery.created_at.date() - DAY
        return day, day
    first_day, last_day = delivery.details["first_day"], delivery.details["last_day"]
    return date.fromisoformat(first_day), date.fromisoformat(last_day)


def summary_of(delivery: Row[Any]) -> Summary:
    """What a summary tells, whenever it is sent. Raises `NothingToTell` after quiet days."""
    details = delivery.details or {"organizer_id": int(delivery.once.split(":")[1])}
    first_day, last_day = _days_of(delivery)
    since = datetime.combine(first_day, time(), UTC)
    until = datetime.combine(last_day + DAY, time(), UTC)
    own = select(events).where(
        events.c.organizer_id == details["organizer_id"],
        events.c.status == "published",
        or_(events.c.starts_at.is_(None), events.c.starts_at > since),
    )
    counts = (
        select(activities.c.event_id, activities.c.what, func.count())
        .where(
            activities.c.event_id.in_(own.with_only_columns(events.c.id)),
            activities.c.at >= since,
            activities.c.at < until,
            activities.c.what.in_(COUNTED),
        )
        .group_by(activities.c.event_id, activities.c.what)
    )

    def work(connection: Connection) -> list[EventNews]:
        happened = {(row[0], row[1]): row[2] for row in connection.execute(counts)}
        rows = connection.execute(own.order_by(events.c.starts_at, events.c.id)).all()
        found = [
            EventNews(row, *(happened.get((row.id, what), 0) for what in COUNTED)) for row in rows
        ]
        return [news for news in found if any(news[1:])]

    found = read(work)
    if not found:
        raise NothingToTell
    return Summary(first_day, last_day, found)


def set_reminder(event_id: int, *, organizer_id: int, wanted: bool) -> None:
    """Have the attendees of an event reminded a day before, or not.

    Raises `EventNotFound`, `EventClosed` when it is cancelled.
    """
    change_event(event_id, "edited", {"reminds": wanted}, organizer_id=organizer_id)


def notices_of(organizer_id: int) -> Row[Any]:
    """Where an organizer wants to be written to, and about what."""
    query: Select[Any] = select(
        organizers.c.email, organizers.c.wants_sold_out, organizers.c.wants_summary
    ).where(organizers.c.id == organizer_id)
    return read(lambda connection: connection.execute(query).one())


def set_notices(
    organizer_id: int, *, email: str | None, wants_sold_out: bool, wants_summary: bool
) -> None:
    """Set what `notices_of` tells."""
    change = (
        update(organizers)
        .where(organizers.c.id == organizer_id)
        .values(email=email, wants_sold_out=wants_sold_out, wants_summary=wants_summary)
    )
    write(lambda connection: connection.execute(change).rowcount)
