"""Writes what a ledger decided into an event's book, as one more revision of the event.

It comes after `book.lock_event` in the same transaction: rows, figures, history and what has to be
sent are committed together or not at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    insert,
    literal,
    select,
    update,
)

from webapp.models import activities, bookings, deliveries, events
from webapp.services.book import lock_event
from webapp.services.commands import Claim, Entry, Status, What
from webapp.services.ledger import BrokenBook, Ledger
from webapp.services.transaction import Conflict

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
    for news, positions in _news(ledger, particulars).items():
        tell(connection, news, event.id, bookings.c.position.in_(positions), now=now)
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


def tell(
    connection: Connection, what: str, event_id: int, *whom: ColumnElement[bool], now: datetime
) -> None:
    """Have those bookings of an event that left an address told `what`, by one statement."""
    line = {
        "receiver": literal("mail"),
        "what": literal(what),
        "recipient": bookings.c.email,
        "event_id": bookings.c.event_id,
        "position": bookings.c.position,
        "state": literal("pending"),
        "attempts": literal(0),
        "next_try_at": literal(now, deliveries.c.next_try_at.type),
        "created_at": literal(now, deliveries.c.created_at.type),
    }
    told = (
        select(*line.values())
        .where(bookings.c.event_id == event_id, bookings.c.email.is_not(None), *whom)
        .order_by(bookings.c.position)
    )
    connection.execute(insert(deliveries).from_select(list(line), told))


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


def _news(ledger: Ledger, particulars: Mapping[int, Particulars]) -> dict[str, list[int]]:
    """Who has to be told what; of the bookings just made, those that left an address."""
    news: dict[str, list[int]] = {}
    for entry in ledger.history:
        made = particulars.get(entry.position)
        if made is None or made.email is not None:
            what = entry.status_after if entry.what is What.BOOKED else entry.what
            news.setdefault(what.value, []).append(entry.position)
    return news


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
