"""Offers: the head of a waiting list is told, once, of tickets that it could take at once.

The deliverer calls `write_offers` every minute, so that no booking and no cancel pays for it. A
list stands still only while tickets are free for a smaller party than its head, which is seldom.
"""

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from webapp import clock
from webapp.booking import load
from webapp.errors import EventNotFound
from webapp.storage.outbox import enqueue
from webapp.storage.tables import bookings, deliveries, events
from webapp.storage.transaction import read, write

KIND = "free_now"
# Left alone, MySQL reads all events as long as most of them are still to come.
UPCOMING = "FORCE INDEX (ix_event_status_starts_at)"


def write_offers() -> None:
    """Write the offers that are due and missing. Raises `Unavailable`."""
    now = clock.now()
    for event_id in read(lambda connection: connection.execute(_untold(now)).scalars().all()):
        # A sample event may be gone by now.
        with suppress(EventNotFound):
            write(partial(_write_offer, event_id=event_id, now=now))


def _untold(now: datetime) -> Select[Any]:
    """The events whose list stands still, each with its head that was not told of it."""
    at_head = and_(bookings.c.event_id == events.c.id, bookings.c.position == load.head_position)
    known = select(deliveries.c.id).where(
        deliveries.c.event_id == bookings.c.event_id,
        deliveries.c.position == bookings.c.position,
        deliveries.c.what == KIND,
    )
    return (
        select(events.c.id, bookings.c.position, bookings.c.email)
        .with_hint(events, UPCOMING, "mysql")
        .join(bookings, at_head)
        .where(
            events.c.status == "published",
            or_(events.c.starts_at.is_(None), events.c.starts_at > now),
            events.c.waiting > 0,
            events.c.confirmed < events.c.capacity,
            bookings.c.email.is_not(None),
            ~known.exists(),
        )
    )


def _write_offer(connection: Connection, *, event_id: int, now: datetime) -> None:
    """Tell the head of an event's list of what is free, if it still stands still."""
    load.lock_event(connection, event_id)
    found = connection.execute(_untold(now).where(events.c.id == event_id)).one_or_none()
    if found is not None:
        enqueue(
            connection,
            KIND,
            recipient=found.email,
            event_id=event_id,
            position=found.position,
            dedupe_key=f"{KIND}:{event_id}:{found.position}",
            now=now,
        )
