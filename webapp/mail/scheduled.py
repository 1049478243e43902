"""What is told at its time and not by a change: reminders, questions, what organizers asked for.

The deliverer calls `write_due` every minute. Each notice has a dedupe key, so that several
deliverers, or the same one again, do no harm. A look that finds all of them written reads little
and locks nothing.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    cast,
    literal,
    or_,
    select,
    union_all,
    update,
)

from webapp import clock
from webapp.booking import load
from webapp.booking.commands import Actor, Status
from webapp.booking.questions import ask_still_coming
from webapp.booking.terms import LEAST_LEFT
from webapp.config import current_settings
from webapp.errors import EditConflict, EventNotFound
from webapp.events.services import change_event
from webapp.mail.summaries import write_summaries
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey, StoredAnswer
from webapp.storage.outbox import enqueue
from webapp.storage.tables import bookings, deliveries, events, organizers
from webapp.storage.transaction import read, write

REMIND_BEFORE = timedelta(days=1)
# The operations of the one-time keys, by what is told.
OPERATIONS = {"reminder": "reminders", "still_coming": "still_coming"}
# How many positions are gone through in one transaction.
PORTION = 500


class StartingEvent(NamedTuple):
    """An event whose attendees are reminded, or asked whether they are still coming.

    `days` is how many days before the start they are.
    """

    what: str
    id: int
    starts_at: datetime
    days: int


class Notices(NamedTuple):
    """About what an organizer is written to."""

    wants_sold_out: bool
    wants_summary: bool


def write_due() -> None:
    """Write the deliveries whose time has come. Raises `Unavailable`."""
    now = clock.now()
    for event in _to_tell(now):
        # A sample event may be gone by now.
        with suppress(EventNotFound):
            _tell(event, now=now)
    for event_id in read(lambda connection: connection.execute(_sold_out(now)).scalars().all()):
        with suppress(EventNotFound):
            write(partial(_write_sold_out, event_id=event_id, now=now))
    write_summaries(now)


def _starting(connection: Connection, now: datetime, *where: Any) -> list[StartingEvent]:
    """The events whose attendees are reminded of them, or asked, now."""
    to_come = (events.c.status == "published", events.c.starts_at > now, *where)
    reminding = select(
        literal("reminder").label("what"),
        events.c.id,
        events.c.starts_at,
        literal(REMIND_BEFORE.days).label("days"),
    ).where(*to_come, events.c.reminds.is_(True), events.c.starts_at <= now + REMIND_BEFORE)
    asking = select(
        literal("still_coming"), events.c.id, events.c.starts_at, events.c.still_coming_days
    ).where(*to_come, events.c.still_coming_days.is_not(None))
    found = [StartingEvent(*row) for row in connection.execute(union_all(reminding, asking))]
    can_ask = current_settings().mail_url is not None
    return [
        event
        for event in found
        if event.starts_at - timedelta(days=event.days) <= now
        and (event.what == "reminder" or (can_ask and now + LEAST_LEFT <= event.starts_at))
    ]


def _to_tell(now: datetime) -> list[StartingEvent]:
    """Those of the events for which something is still to be written."""

    def work(connection: Connection) -> list[StartingEvent]:
        found = _starting(connection, now)
        # Without the locks; whoever writes looks again with them.
        keys = [_key_of(event).for_event(event.id) for event in found]
        used = idempotency.find(connection, keys)
        return [event for event, key in zip(found, keys, strict=True) if key not in used]

    return read(work)


def _key_of(event: StartingEvent) -> IdempotencyKey:
    """The one-time key for what is told of an event at its start, used with the last of it.

    It is remembered for a day; to write again what was written before changes nothing.
    """
    start, operation = event.starts_at.isoformat(), OPERATIONS[event.what]
    return idempotency.bind_key(operation, caller="deliverer", key=start)


def _tell(event: StartingEvent, *, now: datetime) -> None:
    """Write what an event's attendees are told a portion at a time, so that nobody waits long."""
    after: int | None = 0
    while after is not None:
        after = write(partial(_write_portion, event=event, after=after, now=now))


def _write_portion(
    connection: Connection, *, event: StartingEvent, after: int, now: datetime
) -> int | None:
    """Tell who holds the next positions, and say which was the last; `None` at the end."""
    last = after + PORTION
    locked = load.lock_event(connection, event.id)
    one_time = _key_of(event)
    key = one_time.for_event(event.id)
    still = _starting(connection, now, events.c.id == event.id)
    if event not in still or idempotency.find(connection, [key]):
        return None
    whom = (
        bookings.c.position > after,
        bookings.c.position <= last,
        # Who has booked since then has just been told.
        bookings.c.created_at < event.starts_at - timedelta(days=event.days),
    )
    if event.what == "reminder":
        _remind(connection, event, *whom, now=now)
    else:
        ask_still_coming(connection, locked, *whom, bulk=True, now=now)
    if last < locked.next_position - 1:
        return last
    idempotency.remember(connection, {key: StoredAnswer(one_time.content_hash, {})})
    return None


def _remind(
    connection: Connection, event: StartingEvent, *whom: ColumnElement[bool], now: datetime
) -> None:
    start = int(event.starts_at.timestamp())
    name = literal(f"reminder:{event.id}:{start}:") + cast(bookings.c.position, String(20))
    known = select(deliveries.c.id).where(
        deliveries.c.event_id == bookings.c.event_id,
        deliveries.c.position == bookings.c.position,
        deliveries.c.dedupe_key == name,
    )
    enqueue(
        connection,
        "reminder",
        bookings.c.event_id == event.id,
        bookings.c.status == Status.CONFIRMED,
        bookings.c.email.is_not(None),
        ~known.exists(),
        *whom,
        recipient=bookings.c.email,
        event_id=event.id,
        position=bookings.c.position,
        details={"starts_at": event.starts_at.isoformat()},
        bulk=True,
        dedupe_key=name,
        now=now,
    )


def _sold_out(now: datetime) -> Select[Any]:
    """The events that are sold out, where the organizer wants to hear of it and has not yet."""
    event_id, capacity = (cast(column, String(20)) for column in (events.c.id, events.c.capacity))
    name = literal("sold_out:") + event_id + ":" + capacity + ":0"
    known = select(deliveries.c.id).where(
        deliveries.c.event_id == events.c.id,
        deliveries.c.position.is_(None),
        deliveries.c.dedupe_key == name,
    )
    return (
        select(events.c.id, organizers.c.email, name.label("dedupe_key"))
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
    load.lock_event(connection, event_id)
    event = connection.execute(_sold_out(now).where(events.c.id == event_id)).one_or_none()
    if event is not None:
        enqueue(
            connection,
            "sold_out",
            recipient=event.email,
            event_id=event_id,
            bulk=True,
            dedupe_key=event.dedupe_key,
            now=now,
        )


def set_reminder(event_id: int, *, actor: Actor, wanted: bool) -> None:
    """Have the attendees of an event reminded a day before, or not.

    Raises `EventNotFound`, `EventClosed` when it is cancelled.
    """
    change_event(event_id, "edited", {"reminds": wanted}, actor=actor)


_notices: Select[Any] = select(*(organizers.c[name] for name in Notices._fields))


def notices_of(organizer_id: int) -> Notices:
    """What an organizer has asked to be told."""
    query = _notices.where(organizers.c.id == organizer_id)
    return read(lambda connection: Notices(*connection.execute(query).one()))


def set_notices(
    organizer_id: int,
    *,
    wants_sold_out: bool,
    wants_summary: bool,
    seen: Mapping[str, object] | None = None,
) -> None:
    """Set what `notices_of` returns.

    `seen` is {column: value} as the caller has read it: nothing is set if one that would change is
    another by now. Raises `EditConflict`.
    """
    own = organizers.c.id == organizer_id
    wanted = {"wants_sold_out": wants_sold_out, "wants_summary": wants_summary}

    def work(connection: Connection) -> None:
        now = Notices(*connection.execute(_notices.where(own).with_for_update()).one())
        changed = {
            name: value
            for name, value in now._asdict().items()
            if seen is not None and value not in (wanted[name], seen[name])
        }
        if changed:
            raise EditConflict(changed, row=now)
        connection.execute(update(organizers).where(own).values(wanted))

    write(work)
