"""An event's book as it stands in the database, read under the event's lock for a ledger.

Every change of tickets passes through `lock_event`, a `Ledger` and `record.save`, in this order
and in one transaction.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    select,
)

from webapp.errors import EventNotFound
from webapp.models import bookings, events
from webapp.randomness import random_bytes
from webapp.services.commands import Claim, Inventory, Status
from webapp.services.rows import named, names_of

# A page of the waiting list; promotions rarely need a second one.
WAITING_PAGE = 64
# One of 32 letters for each byte there is.
CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" * 8

# Left alone, MySQL walks the whole event in order of position and picks out those who wait.
BY_STATUS = "FORCE INDEX (ix_booking_event_id_status_position)"

_claim_columns = (
    bookings.c.event_id,
    bookings.c.position,
    bookings.c.attendee_id,
    bookings.c.tickets,
    bookings.c.status,
    bookings.c.reference,
)
# The columns that decide; what an event says of itself is left where it is.
_deciding = (
    events.c.id,
    events.c.organizer_id,
    events.c.status,
    events.c.time_zone,
    events.c.starts_at,
    events.c.sales_open_at,
    events.c.sales_close_at,
    events.c.cancel_until,
    events.c.max_tickets_per_booking,
    events.c.waiting_list_limit,
    events.c.capacity,
    events.c.confirmed,
    events.c.waiting,
    events.c.next_position,
    events.c.revision,
)
_lock: Select[Any] = (
    select(*_deciding).where(events.c.id == bindparam("event_id")).with_for_update()
)
# Locks what nobody else holds, so that no event of a batch waits for the lock of another one.
_lock_free = (
    select(*_deciding)
    .where(events.c.id.in_(bindparam("event_ids", expanding=True)))
    .order_by(events.c.id)
    .with_for_update(skip_locked=True)
)
_waiting = (
    select(*_claim_columns)
    .with_hint(bookings, BY_STATUS, "mysql")
    .where(
        bookings.c.event_id == bindparam("event_id"),
        bookings.c.status == Status.WAITING,
        bookings.c.position > bindparam("after"),
    )
    .order_by(bookings.c.position)
    .limit(WAITING_PAGE)
)
_attendee = (bookings.c.event_id, bookings.c.attendee_id)
_place = (bookings.c.event_id, bookings.c.position)


@cache
def _active(count: int) -> Select[Any]:
    return select(*_claim_columns).where(bookings.c.active == 1, named(_attendee, count))


@cache
def _latest(count: int) -> Select[Any]:
    last = func.max(bookings.c.position)
    return select(bookings.c.event_id, last).where(named(_attendee, count)).group_by(*_attendee)


@cache
def _at(count: int) -> Select[Any]:
    return select(*_claim_columns).where(named(_place, count))


def new_reference() -> str:
    """128 random bits, URL-safe: whoever knows it may see and cancel the booking."""
    return urlsafe_b64encode(random_bytes())[:22].decode()


def new_ticket_code() -> str:
    """80 random bits in letters that are not mistaken for each other: it can be typed at a door."""
    return random_bytes().translate(CROCKFORD).decode()


def lock_event(connection: Connection, event_id: int) -> Row[Any]:
    """Lock the event against every other writer and return what decides about its tickets.

    Raises `EventNotFound`.
    """
    event: Row[Any] | None = connection.execute(_lock, {"event_id": event_id}).one_or_none()
    if event is None:
        raise EventNotFound
    return event


def lock_free_events(connection: Connection, event_ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Lock those of the events that nobody else holds and return them by id, without waiting.

    What is not returned is held by another writer, or not there.
    """
    found: Iterable[Row[Any]] = connection.execute(_lock_free, {"event_ids": list(event_ids)})
    return {event.id: event for event in found}


def inventory_of(event: Row[Any] | Any, now: datetime) -> Inventory:
    """The figures of an event row and what its settings allow at `now`."""
    started = event.starts_at is not None and event.starts_at <= now
    published = event.status == "published"
    until = event.cancel_until or event.starts_at
    return Inventory(
        capacity=event.capacity,
        confirmed=event.confirmed,
        waiting=event.waiting,
        next_position=event.next_position,
        max_tickets=event.max_tickets_per_booking,
        waiting_list_limit=event.waiting_list_limit,
        open=published
        and not started
        and (event.sales_open_at is None or event.sales_open_at <= now)
        and (event.sales_close_at is None or now < event.sales_close_at),
        promotes=event.status != "cancelled" and not started,
        attendees_may_cancel=until is None or now < until,
    )


def claims_of(
    connection: Connection,
    *,
    attendees: Iterable[tuple[int, str]] = (),
    positions: Iterable[tuple[int, int]] = (),
    or_latest: Iterable[tuple[int, str]] = (),
) -> dict[int, list[Claim]]:
    """The claims at `positions` and the active ones of `attendees`, by event.

    Positions and attendees are named with their event. An attendee in `or_latest` who has no
    active claim is represented by the latest cancelled one.
    """
    found: dict[tuple[int, int], Claim] = {}
    wanted = set(positions)
    if names := list(set(attendees)):
        found = _claims(connection, _active(len(names)), names_of(_attendee, names))
        held = {(event_id, claim.attendee_id) for (event_id, _), claim in found.items()}
        if missing := [name for name in set(or_latest) if name not in held]:
            rows = connection.execute(_latest(len(missing)), names_of(_attendee, missing))
            wanted.update((event_id, position) for event_id, position in rows)
    if places := list(wanted.difference(found)):
        found.update(_claims(connection, _at(len(places)), names_of(_place, places)))
    by_event: dict[int, list[Claim]] = {}
    for (event_id, _), claim in found.items():
        by_event.setdefault(event_id, []).append(claim)
    return by_event


def waiting_list(connection: Connection, event_id: int) -> Iterator[Claim]:
    """The waiting bookings in order, a page at a time and only as far as somebody asks."""
    after = 0
    while True:
        page = _claims(connection, _waiting, {"event_id": event_id, "after": after})
        yield from page.values()
        if len(page) < WAITING_PAGE:
            return
        _, after = max(page)


def _claims(
    connection: Connection, query: Any, values: dict[str, Any]
) -> dict[tuple[int, int], Claim]:
    return {
        (row[0], row[1]): Claim(row[1], row[2], row[3], Status(row[4]), row[5])
        for row in connection.execute(query, values)
    }
