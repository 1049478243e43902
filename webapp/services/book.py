"""An event's book as it stands in the database, read under the event's lock for a ledger.

Every change of tickets passes through `lock_event`, a `Ledger` and `record.save`, in this order
and in one transaction.
"""

import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
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
from webapp.services.commands import Claim, Inventory, Status

# A page of the waiting list; promotions rarely need a second one.
WAITING_PAGE = 64
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# Left alone, MySQL walks the whole event in order of position and picks out those who wait.
BY_STATUS = "FORCE INDEX (ix_booking_event_id_status_position)"

_claim_columns = (
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
_active = select(*_claim_columns).where(
    bookings.c.event_id == bindparam("event_id"),
    bookings.c.active == 1,
    bookings.c.attendee_id.in_(bindparam("attendees", expanding=True)),
)
_latest = (
    select(func.max(bookings.c.position))
    .where(
        bookings.c.event_id == bindparam("event_id"),
        bookings.c.attendee_id.in_(bindparam("attendees", expanding=True)),
    )
    .group_by(bookings.c.attendee_id)
)
_at = select(*_claim_columns).where(
    bookings.c.event_id == bindparam("event_id"),
    bookings.c.position.in_(bindparam("positions", expanding=True)),
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


def new_reference() -> str:
    """128 random bits, URL-safe: whoever knows it may see and cancel the booking."""
    return secrets.token_urlsafe(16)


def new_ticket_code() -> str:
    """80 random bits in letters that are not mistaken for each other: it can be typed at a door."""
    return "".join([CROCKFORD[byte & 31] for byte in secrets.token_bytes(16)])


def lock_event(connection: Connection, event_id: int) -> Row[Any]:
    """Lock the event against every other writer and return what decides about its tickets.

    Raises `EventNotFound`.
    """
    event: Row[Any] | None = connection.execute(_lock, {"event_id": event_id}).one_or_none()
    if event is None:
        raise EventNotFound
    return event


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
    event_id: int,
    *,
    attendees: Iterable[str] = (),
    positions: Iterable[int] = (),
    or_latest: Iterable[str] = (),
) -> list[Claim]:
    """The claims at `positions` and the active ones of `attendees`.

    An attendee in `or_latest` who has no active one is represented by the latest cancelled one.
    """
    found: dict[int, Claim] = {}
    wanted = set(positions)
    if names := list(set(attendees)):
        found = _claims(connection, _active, {"event_id": event_id, "attendees": names})
        held = {claim.attendee_id for claim in found.values()}
        if missing := [name for name in set(or_latest) if name not in held]:
            values = {"event_id": event_id, "attendees": missing}
            wanted.update(connection.execute(_latest, values).scalars())
    if missing_positions := list(wanted.difference(found)):
        values = {"event_id": event_id, "positions": missing_positions}
        found.update(_claims(connection, _at, values))
    return list(found.values())


def waiting_list(connection: Connection, event_id: int) -> Iterator[Claim]:
    """The waiting bookings in order, a page at a time and only as far as somebody asks."""
    after = 0
    while True:
        page = _claims(connection, _waiting, {"event_id": event_id, "after": after})
        yield from page.values()
        if len(page) < WAITING_PAGE:
            return
        after = max(page)


def _claims(connection: Connection, query: Any, values: dict[str, Any]) -> dict[int, Claim]:
    return {
        row[0]: Claim(row[0], row[1], row[2], Status(row[3]), row[4])
        for row in connection.execute(query, values)
    }
