"""Offers: who holds up a waiting list is told, once, of tickets that they could take at once.

That is the head of the list; of an event with ticket types whoever keeps those of a type from all
behind them. The deliverer calls `write_offers` every minute, so that no booking and no cancel pays
for it. A list stands still only while tickets are free for a smaller party than its head, which is
seldom.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, or_, select

from webapp import clock
from webapp.booking import load
from webapp.booking.queries import BookingView, takeable_now
from webapp.booking.takeable import holders
from webapp.booking.ticket_types import words_of
from webapp.booking.type_queries import names_of, typed_event
from webapp.errors import EventNotFound
from webapp.mail.failures import NothingToSend
from webapp.storage.outbox import enqueue
from webapp.storage.tables import bookings, deliveries, events
from webapp.storage.transaction import read, write

KIND = "free_now"
# Left alone, MySQL reads all events as long as most of them are still to come.
UPCOMING = "FORCE INDEX (ix_event_status_starts_at)"

_known = select(deliveries.c.id).where(
    deliveries.c.event_id == bookings.c.event_id,
    deliveries.c.position == bookings.c.position,
    deliveries.c.what == KIND,
)


def write_offers() -> None:
    """Write the offers that are due and missing. Raises `Unavailable`."""
    now = clock.now()
    for found in read(lambda connection: connection.execute(_untold(now)).all()):
        # A sample event may be gone by now.
        with suppress(EventNotFound):
            if not found.types:
                write(partial(_write_offer, event_id=found.id, now=now))
            elif read(partial(_holding, event_id=found.id, now=now)):
                write(partial(_write_offers_of_types, event_id=found.id, now=now))


def _untold(now: datetime) -> Select[Any]:
    """The events whose list stands still, each with its head that was not told of it.

    Of those with ticket types all whose lists may stand still.
    """
    at_head = and_(bookings.c.event_id == events.c.id, bookings.c.position == load.head_position)
    return (
        select(events.c.id, events.c.types, bookings.c.position, bookings.c.email)
        .with_hint(events, UPCOMING, "mysql")
        .join(bookings, at_head)
        .where(
            events.c.status == "published",
            or_(events.c.starts_at.is_(None), events.c.starts_at > now),
            events.c.waiting > 0,
            events.c.confirmed < events.c.capacity,
            or_(events.c.types > 0, and_(bookings.c.email.is_not(None), ~_known.exists())),
        )
    )


def _write_offer(connection: Connection, *, event_id: int, now: datetime) -> None:
    """Tell the head of an event's list of what is free, if it still stands still."""
    load.lock_event(connection, event_id)
    found = connection.execute(_untold(now).where(events.c.id == event_id)).one_or_none()
    if found is not None:
        _enqueue(connection, event_id, found, now)


def _holding(connection: Connection, *, event_id: int, now: datetime) -> Sequence[Any]:
    """Who holds up the list of an event with types and was not told of it: position and email."""
    found = typed_event(connection, event_id, now)
    holding = [holder.claim.position for holder in holders(found.heads, found.inventory)]
    if not holding:
        return []
    query = select(bookings.c.position, bookings.c.email).where(
        bookings.c.event_id == event_id,
        bookings.c.position.in_(holding),
        bookings.c.email.is_not(None),
        ~_known.exists(),
    )
    return connection.execute(query).all()


def _write_offers_of_types(connection: Connection, *, event_id: int, now: datetime) -> None:
    load.lock_event(connection, event_id)
    for found in _holding(connection, event_id=event_id, now=now):
        _enqueue(connection, event_id, found, now)


def _enqueue(connection: Connection, event_id: int, found: Row[Any], now: datetime) -> None:
    enqueue(
        connection,
        KIND,
        recipient=found.email,
        event_id=event_id,
        position=found.position,
        dedupe_key=f"{KIND}:{event_id}:{found.position}",
        now=now,
    )


class OfTypes(NamedTuple):
    """What a booking waits for, and what of it is free, in words."""

    wanted: str
    offered: str


def offer_to(found: BookingView) -> dict[str, Any]:
    """What the mail says of the tickets that a booking could take; of which types, if of any.

    Raises `NothingToSend` where there are none any more.
    """
    part = takeable_now(found)
    if not part:
        raise NothingToSend
    told: dict[str, Any] = {"free": part.tickets, "of_types": None}
    if part.wants:
        names = names_of(found.event)
        wanted, offered = words_of(found.booking.wants, names), words_of(part.wants, names)
        told["of_types"] = OfTypes(wanted, offered)
    return told
