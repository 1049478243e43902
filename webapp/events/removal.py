"""Delete events with all that belongs to them."""

from collections.abc import Collection

from sqlalchemy import Connection, Table, delete

from webapp.booking.access import lock_own_event
from webapp.booking.commands import Actor
from webapp.errors import EventClosed
from webapp.events import running
from webapp.extensions import Base
from webapp.logs import log_event
from webapp.storage.tables import events, used_keys
from webapp.storage.transaction import write


def delete_event(event_id: int, *, actor: Actor) -> None:
    """Delete an event that never had a booking, with its history: only its organizer is in it.

    Under the event's lock: of a delete and a first booking at the same time one is refused. Raises
    `EventNotFound`, also when it is deleted already, and `EventClosed` where there are bookings.
    """

    def work(connection: Connection) -> None:
        if lock_own_event(connection, event_id, actor).next_position > 1:
            raise EventClosed("has_bookings")
        drop_events(connection, [event_id])

    write(work)
    running.forget()
    log_event("event deleted", event_id=event_id, actor=actor)


def drop_events(connection: Connection, ids: Collection[int]) -> None:
    """Delete locked events and every row that names one of them, whatever table it is in."""
    for table in (used_keys, *_tables_of_events()):
        connection.execute(delete(table).where(table.c.event_id.in_(ids)))
    connection.execute(delete(events).where(events.c.id.in_(ids)))


def _tables_of_events() -> list[Table]:
    """The tables whose rows belong to an event, by foreign keys, in an order that these allow."""
    found: list[Table] = []
    owned = {events}
    for table in Base.metadata.sorted_tables:
        if "event_id" in table.c and {key.column.table for key in table.foreign_keys} & owned:
            owned.add(table)
            found.insert(0, table)
    return found
