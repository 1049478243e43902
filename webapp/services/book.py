"""An event's book in the database: locked, read into a ledger, and what the ledger did, written.

Every change of tickets passes through `lock_event`, a `Ledger` and `save`, in this order and in
one transaction.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)

from webapp.errors import EventNotFound
from webapp.models import Activity, Booking, Event
from webapp.services.ledger import BrokenBook, Claim, Entry, Inventory, Ledger, Status, What
from webapp.services.transaction import Conflict

events = cast(Table, Event.__table__)
bookings = cast(Table, Booking.__table__)
activities = cast(Table, Activity.__table__)

# A page of the waiting list; promotions rarely need a second one.
WAITING_PAGE = 200
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

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
    .where(
        bookings.c.event_id == bindparam("event_id"),
        bookings.c.status == Status.WAITING,
        bookings.c.position > bindparam("after"),
    )
    .order_by(bookings.c.position)
    .limit(WAITING_PAGE)
)
_cancel = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.position.in_(bindparam("positions", expanding=True)),
        bookings.c.status != Status.CANCELLED,
    )
    .values(status=Status.CANCELLED)
)
_reduce = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.position == bindparam("at_position"),
    )
    .values(tickets=bindparam("left"))
)
_figures = update(events).where(
    events.c.id == bindparam("of_event"), events.c.revision == bindparam("seen")
)
_promote = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.status == Status.WAITING,
        bookings.c.position <= bindparam("last"),
    )
    .values(status=Status.CONFIRMED)
)
_line_of_booking = {
    **{
        name: bindparam(name, type_=activities.c[name].type)
        for name in ("event_id", "revision", "batch", "at", "actor")
    },
    "what": literal(What.BOOKED.value),
    "position": bookings.c.position,
    "status_after": bookings.c.status,
    "tickets_after": bookings.c.tickets,
}
_booked = insert(activities).from_select(
    list(_line_of_booking),
    select(*_line_of_booking.values())
    .where(bookings.c.event_id == bindparam("event_id"), bookings.c.position >= bindparam("first"))
    .order_by(bookings.c.position),
)


@dataclass(slots=True)
class Particulars:
    """What a booking carries besides its claim; made before the transaction, as its reference
    is, so that a transaction that is run again writes the same."""

    ticket_code: str
    name: str = ""
    email: str | None = None


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


def save(
    connection: Connection,
    event: Row[Any],
    ledger: Ledger,
    *,
    actors: Sequence[str],
    particulars: Mapping[int, Particulars],
    batch: str,
    now: datetime,
    changes: Mapping[str, Any] | None = None,
    history: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Write what the ledger decided, as one more revision of the event.

    `actors` names who gave each command, `particulars` completes each created position. `changes`
    are further columns of the event and `history` further lines for its activity.
    Raises `Conflict` when another writer got there first (on a cluster the lock is not enough),
    `BrokenBook` when the rows are not what the ledger was told.
    """
    first_new = event.next_position
    of_event = {"of_event": event.id}
    gone = [claim.position for claim in ledger.cancelled if claim.position < first_new]
    if gone:
        _expect(len(gone), connection.execute(_cancel, {**of_event, "positions": gone}).rowcount)
    reduced = {claim.position: claim for claim in ledger.reduced if claim.position < first_new}
    for claim in reduced.values():
        values = {**of_event, "at_position": claim.position, "left": claim.tickets}
        _expect(1, connection.execute(_reduce, values).rowcount)
    promoted = [
        claim.position
        for claim in ledger.promoted
        if claim.position < first_new and claim.status is Status.CONFIRMED
    ]
    if promoted:
        # Strict order makes the promoted a run at the head of the list: one statement moves all.
        count = connection.execute(_promote, {**of_event, "last": promoted[-1]}).rowcount
        _expect(len(promoted), count)
    if ledger.created:
        rows = [_booking(event.id, c, particulars[c.position], now) for c in ledger.created]
        connection.execute(insert(bookings), rows)
    stamp = {"event_id": event.id, "revision": event.revision + 1, "batch": batch, "at": now}
    if len(ledger.history) == len(ledger.created) and len(set(actors)) == 1:
        # Nothing but bookings, as in the opening minute: the database has just been sent them
        # and copies them into the history, which costs less than sending as many lines again.
        connection.execute(_booked, {**stamp, "actor": actors[0], "first": first_new})
    elif ledger.history:
        lines = [{**stamp, **_line(entry, actors)} for entry in ledger.history]
        connection.execute(insert(activities), lines)
    for line in history:
        connection.execute(insert(activities), {**stamp, **line})
    inventory = ledger.inventory
    figures = {
        "of_event": event.id,
        "seen": event.revision,
        "capacity": inventory.capacity,
        "confirmed": inventory.confirmed,
        "waiting": inventory.waiting,
        "next_position": inventory.next_position,
        "revision": event.revision + 1,
        **(changes or {}),
    }
    if connection.execute(_figures, figures).rowcount != 1:
        raise Conflict


def has_landed(connection: Connection, event_id: int, *, revision: int, batch: str) -> bool:
    """Say, under the event's lock, whether the transaction that wrote this revision committed.

    Without the lock the answer could be no while that commit is still on its way.
    """
    lock_event(connection, event_id)
    query = select(activities.c.batch).where(
        activities.c.event_id == event_id, activities.c.revision == revision
    )
    return connection.execute(query.limit(1)).scalar() == batch


def _booking(
    event_id: int, claim: Claim, particulars: Particulars, now: datetime
) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "position": claim.position,
        "attendee_id": claim.attendee_id,
        "status": claim.status,
        "tickets": claim.tickets,
        "reference": claim.reference,
        "ticket_code": particulars.ticket_code,
        "name": particulars.name,
        "email": particulars.email,
        "created_at": now,
    }


def _line(entry: Entry, actors: Sequence[str]) -> dict[str, Any]:
    return {
        "actor": actors[entry.command],
        "what": entry.what,
        "position": entry.position,
        "cause": entry.cause,
        "status_before": entry.status_before,
        "status_after": entry.status_after,
        "tickets_before": entry.tickets_before,
        "tickets_after": entry.tickets_after,
    }


def _expect(wanted: int, changed: int) -> None:
    if changed != wanted:
        raise BrokenBook(f"{wanted} bookings should have changed, {changed} did")
