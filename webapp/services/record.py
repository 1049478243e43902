"""Writes what a ledger decided into an event's book, as one more revision of the event.

It comes after `book.lock_event` in the same transaction: rows, figures, history and what has to be
sent are committed together or not at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Update,
    and_,
    bindparam,
    case,
    insert,
    literal,
    or_,
    select,
    update,
)

from webapp.models import activities, bookings, deliveries, events
from webapp.services.book import lock_event
from webapp.services.commands import Claim, Entry, Status, What, takes_tickets
from webapp.services.ledger import BrokenBook, Ledger
from webapp.services.transaction import Conflict

# What bookings, cancels and changes of tickets may move.
FIGURES = ("confirmed", "waiting", "next_position")

_cancel = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.position.in_(bindparam("positions", expanding=True)),
        bookings.c.active == 1,
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


@dataclass(slots=True)
class Change:
    """What a ledger decided about one event.

    `actors` names who gave each command, `particulars` completes each created position. `columns`
    are further ones of the event and `history` further lines for its activity.
    """

    event: Row[Any]
    ledger: Ledger
    actors: list[str] = field(default_factory=list)
    particulars: dict[int, Particulars] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()

    def revision(self) -> dict[str, int]:
        """Which revision of which event this is."""
        return {"event_id": self.event.id, "revision": self.event.revision + 1}

    def only_books_for_one_actor(self) -> bool:
        ledger = self.ledger
        only_books = len(ledger.history) == len(ledger.created) and not self.history
        return only_books and len(set(self.actors)) == 1


def save(connection: Connection, changes: Sequence[Change], *, batch: str, now: datetime) -> None:
    """Write what was decided, as one more revision of each event.

    Raises `Conflict` when another writer got there first (on a cluster the lock is not enough),
    `BrokenBook` when the rows are not what a ledger was told.
    """
    for change in changes:
        _move(connection, change)
    created = [
        _booking(change.event.id, claim, change.particulars[claim.position], now)
        for change in changes
        for claim in change.ledger.created
    ]
    if created:
        connection.execute(insert(bookings), created)
    _write_history(connection, changes, {"batch": batch, "at": now})
    for news, places in _news(changes).items():
        whom = [
            and_(bookings.c.event_id == event_id, bookings.c.position.in_(positions))
            for event_id, positions in places.items()
        ]
        tell(connection, news, or_(*whom), now=now)
    _write_figures(connection, changes)


def _move(connection: Connection, change: Change) -> None:
    """Cancel, reduce and promote bookings that were there before."""
    ledger, first_new = change.ledger, change.event.next_position
    of_event = {"of_event": change.event.id}
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
        if claim.position < first_new and takes_tickets(claim.status)
    ]
    if promoted:
        # Strict order makes the promoted a run at the head of the list: one statement moves all.
        count = connection.execute(_promote, {**of_event, "last": promoted[-1]}).rowcount
        _expect(len(promoted), count)


def _write_history(
    connection: Connection, changes: Sequence[Change], stamp: Mapping[str, Any]
) -> None:
    [first, *others] = changes
    if not others and first.only_books_for_one_actor():
        # As in the opening minute: the database has just been sent the bookings and copies them
        # into the history, which costs less than sending as many lines again.
        values = {"actor": first.actors[0], "first": first.event.next_position}
        connection.execute(_booked, {**stamp, **first.revision(), **values})
        return
    lines = [
        {**stamp, **change.revision(), **_line(entry, change.actors)}
        for change in changes
        for entry in change.ledger.history
    ]
    if lines:
        connection.execute(insert(activities), lines)
    for change in changes:
        for line in change.history:
            connection.execute(insert(activities), {**stamp, **change.revision(), **line})


def _write_figures(connection: Connection, changes: Sequence[Change]) -> None:
    values: dict[str, Any]
    if len(changes) == 1:
        [change] = changes
        inventory = change.ledger.inventory
        values = {
            "of_event": change.event.id,
            "seen": change.event.revision,
            "capacity": inventory.capacity,
            "confirmed": inventory.confirmed,
            "waiting": inventory.waiting,
            "next_position": inventory.next_position,
            "revision": change.event.revision + 1,
            **change.columns,
        }
        statement = _figures
    else:
        statement, values = _figures_of(len(changes)), {}
        for number, change in enumerate(changes):
            values[f"id{number}"] = change.event.id
            values[f"seen{number}"] = change.event.revision
            for column in FIGURES:
                values[f"{column}{number}"] = getattr(change.ledger.inventory, column)
    if connection.execute(statement, values).rowcount != len(changes):
        raise Conflict


@cache
def _figures_of(count: int) -> Update:
    """Set the figures of so many events by one statement, each only at the revision seen."""
    numbers = range(count)
    ids = [bindparam(f"id{number}", type_=events.c.id.type) for number in numbers]
    return (
        update(events)
        .where(
            or_(
                *[
                    and_(
                        events.c.id == ids[number], events.c.revision == bindparam(f"seen{number}")
                    )
                    for number in numbers
                ]
            )
        )
        .values(
            {
                column: case(
                    *[
                        (events.c.id == ids[number], bindparam(f"{column}{number}", type_=Integer))
                        for number in numbers
                    ]
                )
                for column in FIGURES
            }
        )
        .values(revision=events.c.revision + 1)
    )


def tell(connection: Connection, what: str, *whom: ColumnElement[bool], now: datetime) -> None:
    """Have those bookings that left an address told `what`, by one statement."""
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
        .where(bookings.c.email.is_not(None), *whom)
        .order_by(bookings.c.event_id, bookings.c.position)
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


def edited_since(connection: Connection, event: Row[Any], seen: int) -> set[str]:
    """The columns of an event that were edited after the revision `seen` of it."""
    if seen == event.revision:
        return set()
    query = select(activities.c.details).where(
        activities.c.event_id == event.id,
        activities.c.position.is_(None),
        # A revision that is still to come was seen in a database that was restored since.
        activities.c.revision > (seen if seen < event.revision else 0),
    )
    return {column for details in connection.execute(query).scalars() for column in details or ()}


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


def _news(changes: Iterable[Change]) -> dict[str, dict[int, list[int]]]:
    """What has to be told, to whom by event and position; to new bookings if with an address."""
    news: dict[str, dict[int, list[int]]] = {}
    for change in changes:
        for entry in change.ledger.history:
            made = change.particulars.get(entry.position)
            if made is None or made.email is not None:
                what = entry.status_after if entry.what is What.BOOKED else entry.what
                places = news.setdefault(what.value, {})
                places.setdefault(change.event.id, []).append(entry.position)
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
