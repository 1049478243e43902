"""The figures of events, written under a guard: nobody else may have written them meanwhile."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Integer, Update, and_, bindparam, case, or_, update

from webapp.booking.change import EventChange
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import events
from webapp.storage.transaction import Conflict

# What bookings, cancels and changes of tickets may move.
FIGURES = ("confirmed", "waiting", "next_position")

guarded_update = update(events).where(
    events.c.id == bindparam("of_event"), events.c.revision == bindparam("seen")
)


def write_figures(connection: Connection, changes: Sequence[EventChange]) -> None:
    """Write what a batch has made of the figures of its events, as one more revision of each.

    Raises `Conflict` when another writer was first.
    """
    alone = [change for change in changes if len(changes) == 1 or change.moves_next_lapse]
    for change in alone:
        _write_figures_of(connection, change)
    merged = [change for change in changes if change not in alone] if alone else changes
    if not merged:
        return
    values: dict[str, Any] = {}
    for number, change in enumerate(merged):
        values[f"id{number}"] = change.event.id
        values[f"seen{number}"] = change.event.revision
        for column in FIGURES:
            values[f"{column}{number}"] = getattr(change.ledger.inventory, column)
    if connection.execute(_figures_of(len(merged)), values).rowcount != len(merged):
        raise Conflict


def _write_figures_of(connection: Connection, change: EventChange) -> None:
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
    if change.moves_next_lapse:
        values["next_lapse_at"] = change.next_lapse_at
    if connection.execute(guarded_update, values).rowcount != 1:
        raise Conflict


def move_next_lapse(
    connection: Connection, event: LockedEvent, next_lapse_at: datetime | None
) -> None:
    """Set when the next term of an event ends, without a new revision. Raises `Conflict`."""
    values = {"of_event": event.id, "seen": event.revision, "next_lapse_at": next_lapse_at}
    if connection.execute(guarded_update, values).rowcount != 1:
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
