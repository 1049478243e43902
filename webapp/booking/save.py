"""Writes what a ledger decided, as one more revision of each event.

It comes after `load` in the same transaction: rows, figures, history and what has to be sent are
committed together or not at all.
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
    Update,
    and_,
    bindparam,
    case,
    insert,
    or_,
    select,
    update,
)

from webapp.booking.commands import ActivityKind, Claim, HistoryLine, Status
from webapp.booking.ledger import InconsistentLedger, Ledger
from webapp.booking.load import lock_event
from webapp.storage import outbox
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import activities, bookings, events
from webapp.storage.transaction import Conflict

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
_promote = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.status == Status.WAITING,
        bookings.c.position <= bindparam("last"),
    )
    .values(status=Status.CONFIRMED)
)
guarded_update = update(events).where(
    events.c.id == bindparam("of_event"), events.c.revision == bindparam("seen")
)


@dataclass(slots=True)
class BookingDetails:
    """What a booking carries besides its claim.

    Made before the transaction, as its reference is: one that is run again writes the same.
    `language` is the code of the one it was made in, if not that of the setting LANGUAGE.
    """

    ticket_code: str
    name: str = ""
    email: str | None = None
    language: str | None = None


@dataclass(slots=True)
class EventChange:
    """What one run of a batch decides about one event.

    `details` completes each created booking: `{position: details}`. `columns` are further ones of
    the event and `history` further lines for its activity.
    """

    batch: str
    event: LockedEvent
    ledger: Ledger
    details: dict[int, BookingDetails] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.ledger.history or self.history)

    @property
    def revision(self) -> int:
        """The revision that this change makes of the event."""
        return self.event.revision + 1


def save(connection: Connection, changes: Sequence[EventChange], *, now: datetime) -> None:
    """Write what was decided, as one more revision of each event.

    Raises `Conflict` when another writer was first (on a cluster the lock is not enough), and
    `InconsistentLedger` when the rows are not what a ledger was told.
    """
    for change in changes:
        _write_changed_bookings(connection, change)
    created = [
        _booking(change.event.id, claim, change.details[claim.position], now)
        for change in changes
        for claim in change.ledger.created
    ]
    if created:
        # One statement for all of them names a column for all or for none.
        if not any(row["language"] for row in created):
            for row in created:
                del row["language"]
        connection.execute(insert(bookings), created)
    _write_history(connection, changes, now)
    for kind, places in _mails(changes).items():
        whom = [
            and_(bookings.c.event_id == event_id, bookings.c.position.in_(list(networks)))
            for event_id, networks in places.items()
        ]
        enqueue_mails(connection, kind, or_(*whom), network=_network_of(places), now=now)
    _write_figures(connection, changes)


def _write_changed_bookings(connection: Connection, change: EventChange) -> None:
    """Cancel, reduce and promote bookings that were there before."""
    ledger, of_event = change.ledger, {"of_event": change.event.id}
    if ledger.cancelled:
        positions = list(ledger.cancelled)
        _expect(len(positions), connection, _cancel, {**of_event, "positions": positions})
    for claim in ledger.reduced.values():
        values = {**of_event, "at_position": claim.position, "left": claim.tickets}
        _expect(1, connection, _reduce, values)
    if ledger.promoted:
        # Strict order makes the promoted a run at the head of the list: one statement moves all.
        values = {**of_event, "last": max(ledger.promoted)}
        _expect(len(ledger.promoted), connection, _promote, values)


def _expect(wanted: int, connection: Connection, statement: Update, values: Any) -> None:
    changed = connection.execute(statement, values).rowcount
    if changed != wanted:
        raise InconsistentLedger(f"{wanted} bookings should have changed, {changed} did")


def _write_history(connection: Connection, changes: Sequence[EventChange], now: datetime) -> None:
    lines = [
        {**stamp_of(change, now), **_activity(line)}
        for change in changes
        for line in change.ledger.history
    ]
    if lines:
        connection.execute(insert(activities), lines)
    for change in changes:
        for further in change.history:
            connection.execute(insert(activities), {**stamp_of(change, now), **further})


def stamp_of(change: EventChange, now: datetime) -> dict[str, Any]:
    """What every line of history of a change carries."""
    return {
        "event_id": change.event.id,
        "revision": change.revision,
        "batch": change.batch,
        "at": now,
    }


def _activity(line: HistoryLine) -> dict[str, Any]:
    return {
        "actor": str(line.actor),
        "what": line.what,
        "position": line.position,
        "cause": line.cause,
        "status_before": line.status_before,
        "status_after": line.status_after,
        "tickets_before": line.tickets_before,
        "tickets_after": line.tickets_after,
    }


def _mails(changes: Iterable[EventChange]) -> dict[str, dict[int, dict[int, str | None]]]:
    """Mails to enqueue: `{kind: {event_id: {position: the network that caused it}}}`.

    A new booking without an address gets none.
    """
    mails: dict[str, dict[int, dict[int, str | None]]] = {}
    for change in changes:
        for line in change.ledger.history:
            made = change.details.get(line.position)
            if made is None or made.email is not None:
                booked = line.what is ActivityKind.BOOKED
                kind = line.status_after.value if booked else line.what.value
                networks = mails.setdefault(kind, {}).setdefault(change.event.id, {})
                networks[line.position] = line.actor.network
    return mails


def _network_of(places: Mapping[int, Mapping[int, str | None]]) -> outbox.Value:
    """The network of each booking, from `{event_id: {position: network}}`."""
    networks = {network for of_event in places.values() for network in of_event.values()}
    if len(networks) == 1:
        return networks.pop()
    by_position = {
        event_id: case(
            {position: network for position, network in of_event.items() if network},
            value=bookings.c.position,
        )
        for event_id, of_event in places.items()
        if any(of_event.values())
    }
    if len(places) == 1:
        return next(iter(by_position.values()))
    return case(
        *((bookings.c.event_id == event_id, found) for event_id, found in by_position.items())
    )


def enqueue_mails(
    connection: Connection,
    kind: str,
    *which: ColumnElement[bool],
    network: outbox.Value = None,
    now: datetime,
) -> None:
    """Enqueue a mail for each of the bookings that left an address, by one statement."""
    outbox.enqueue(
        connection,
        kind,
        bookings.c.email.is_not(None),
        *which,
        recipient=bookings.c.email,
        event_id=bookings.c.event_id,
        position=bookings.c.position,
        network=network,
        in_order_of=(bookings.c.event_id, bookings.c.position),
        now=now,
    )


def _write_figures(connection: Connection, changes: Sequence[EventChange]) -> None:
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
            "revision": change.revision,
            **change.columns,
        }
        statement = guarded_update
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
    """Set the figures of `count` events by one statement, each only at the revision seen."""
    numbers = range(count)
    ids = [bindparam(f"id{number}", type_=events.c.id.type) for number in numbers]
    matches = [
        and_(events.c.id == ids[number], events.c.revision == bindparam(f"seen{number}"))
        for number in numbers
    ]
    figures = {
        column: case(
            *[
                (events.c.id == ids[number], bindparam(f"{column}{number}", type_=Integer))
                for number in numbers
            ]
        )
        for column in FIGURES
    }
    return (
        update(events).where(or_(*matches)).values(figures).values(revision=events.c.revision + 1)
    )


def is_committed(connection: Connection, event_id: int, *, revision: int, batch: str) -> bool:
    """Say, under the event's lock, whether the batch that wrote this revision has committed.

    Without the lock the answer could be no while that commit is still on its way.
    """
    lock_event(connection, event_id)
    query = select(activities.c.batch).where(
        activities.c.event_id == event_id, activities.c.revision == revision
    )
    return connection.execute(query.limit(1)).scalar() == batch


def edited_since(connection: Connection, event: LockedEvent, seen: int) -> set[str]:
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


def _booking(event_id: int, claim: Claim, details: BookingDetails, now: datetime) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "position": claim.position,
        "attendee_id": claim.attendee_id,
        "status": claim.status,
        "tickets": claim.tickets,
        "reference": claim.reference,
        "ticket_code": details.ticket_code,
        "name": details.name,
        "email": details.email,
        "language": details.language,
        "created_at": now,
    }
