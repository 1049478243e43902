"""What is told at its time and not by a change: reminders, and what organizers asked to hear.

The deliverer calls `write_due` every minute. Each notice has a dedupe key, so that several
deliverers, or the same one again, do no harm. A look that finds all of them written reads little
and locks nothing.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Row,
    Select,
    String,
    cast,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from webapp.errors import EditConflict, EventNotFound
from webapp.models import activities, bookings, deliveries, events, organizers
from webapp.services import book, clock, idempotency
from webapp.services.commands import Status, What
from webapp.services.delivery import NothingToTell
from webapp.services.events import change_event
from webapp.services.idempotency import Once
from webapp.services.outbox import enqueue
from webapp.services.transaction import read, write

REMIND_BEFORE = timedelta(days=1)
# In UTC.
SUMMARY_HOUR = 6
# How many positions are gone through in one transaction.
PORTION = 500
DAY = timedelta(days=1)
# In the order of `EventNews`.
COUNTED = (What.BOOKED, What.CANCELLED, What.PROMOTED)


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
        # A sample event may be gone by now.
        with suppress(EventNotFound):
            _remind(event, now=now)
    for event_id in read(lambda connection: connection.execute(_sold_out(now)).scalars().all()):
        with suppress(EventNotFound):
            write(partial(_write_sold_out, event_id=event_id, now=now))
    if now.hour >= SUMMARY_HOUR:
        for organizer in _without_summary(now):
            # Another deliverer may have been first.
            with suppress(IntegrityError):
                write(partial(_write_summary, organizer=organizer, now=now))


def _reminding(now: datetime) -> Select[Any]:
    """The events whose attendees are reminded of them now."""
    return select(events.c.id, events.c.starts_at).where(
        events.c.status == "published",
        events.c.reminds.is_(True),
        events.c.starts_at > now,
        events.c.starts_at <= now + REMIND_BEFORE,
    )


def _to_remind(now: datetime) -> list[Row[Any]]:
    """Those of the events for which reminders are still to be written."""

    def work(connection: Connection) -> list[Row[Any]]:
        found = connection.execute(_reminding(now)).all()
        # Without the locks; whoever writes looks again with them.
        keys = [_reminders_of(event).name_in(event.id) for event in found]
        used = idempotency.find(connection, keys)
        return [event for event, key in zip(found, keys, strict=True) if key not in used]

    return read(work)


def _reminders_of(event: Row[Any]) -> Once:
    """The one-time key for the reminders of an event at its start, used with the last of them.

    It is remembered for a day, and so until the start.
    """
    start = event.starts_at.isoformat()
    return idempotency.once("reminders", caller="deliverer", key=start)


def _remind(event: Row[Any], *, now: datetime) -> None:
    """Write an event's reminders a portion at a time, so that nobody waits long for its lock."""
    after: int | None = 0
    while after is not None:
        after = write(partial(_write_reminders, event=event, after=after, now=now))


def _write_reminders(
    connection: Connection, *, event: Row[Any], after: int, now: datetime
) -> int | None:
    """Remind who holds the next positions, and say which was the last; `None` at the end."""
    last = after + PORTION
    locked = book.lock_event(connection, event.id)
    once = _reminders_of(event)
    key = once.name_in(event.id)
    still = _reminding(now).where(events.c.id == event.id, events.c.starts_at == event.starts_at)
    if connection.execute(still).first() is None or idempotency.find(connection, [key]):
        return None
    start = int(event.starts_at.timestamp())
    name = literal(f"reminder:{event.id}:{start}:") + cast(bookings.c.position, String(20))
    known = select(deliveries.c.id).where(
        deliveries.c.event_id == bookings.c.event_id,
        deliveries.c.position == bookings.c.position,
        deliveries.c.once == name,
    )
    enqueue(
        connection,
        "reminder",
        bookings.c.event_id == event.id,
        bookings.c.position > after,
        bookings.c.position <= last,
        bookings.c.status == Status.CONFIRMED,
        bookings.c.email.is_not(None),
        # Who has booked since then has just been told.
        bookings.c.created_at < event.starts_at - REMIND_BEFORE,
        ~known.exists(),
        recipient=bookings.c.email,
        event_id=event.id,
        position=bookings.c.position,
        details={"starts_at": event.starts_at.isoformat()},
        bulk=True,
        once=name,
        now=now,
    )
    if last < locked.next_position - 1:
        return last
    idempotency.remember(connection, {key: (once.content_hash, {})})
    return None


def _sold_out(now: datetime) -> Select[Any]:
    """The events that are sold out, where the organizer wants to hear of it and has not yet."""
    event_id, capacity = (cast(column, String(20)) for column in (events.c.id, events.c.capacity))
    name = literal("sold_out:") + event_id + ":" + capacity + ":0"
    known = select(deliveries.c.id).where(
        deliveries.c.event_id == events.c.id,
        deliveries.c.position.is_(None),
        deliveries.c.once == name,
    )
    return (
        select(events.c.id, organizers.c.email, name.label("once"))
        .join(organizers, organizers.c.id == events.c.organizer_id)
        .where(
            events.c.status == "published",
            events.c.is_sample.is_(False),
            or_(events.c.starts_at.is_(None), events.c.starts_at > now),
            or_(events.c.confirmed == events.c.capacity, events.c.waiting > 0),
            organizers.c.wants_sold_out.is_(True),
            organizers.c.email.is_not(None),
            ~known.exists(),
        )
    )


def _write_sold_out(connection: Connection, *, event_id: int, now: datetime) -> None:
    """Tell the organizer that an event is sold out, if it still is."""
    book.lock_event(connection, event_id)
    event = connection.execute(_sold_out(now).where(events.c.id == event_id)).one_or_none()
    if event is not None:
        enqueue(
            connection,
            "sold_out",
            recipient=event.email,
            event_id=event_id,
            bulk=True,
            once=event.once,
            now=now,
        )


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
