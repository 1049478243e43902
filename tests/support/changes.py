"""Changes that many tests make."""

from dataclasses import replace

from sqlalchemy import Connection, insert, select, update

from webapp.models import activities, bookings, events
from webapp.services import book, clock
from webapp.services.commands import Status, What, takes_tickets
from webapp.services.events import details_of, edit_event
from webapp.services.transaction import write


def set_capacity(event_id: int, capacity: int, *, organizer_id: int) -> list[int]:
    """Give an event another number of tickets and leave all else as it is; say who moved up."""
    return edit_event(
        event_id,
        lambda event: replace(details_of(event), capacity=capacity),
        organizer_id=organizer_id,
    )


def set_status(event_id: int, position: int, status: Status) -> None:
    """Have a booking lapsed, or its tickets held, with figures and history as the rules want it.

    Nothing of the application does so yet. Nobody is promoted.
    """
    now = clock.now()

    def work(connection: Connection) -> None:
        event = book.lock_event(connection, event_id)
        here = (bookings.c.event_id == event_id, bookings.c.position == position)
        before = connection.execute(select(bookings).where(*here)).one()
        taken = before.tickets * (takes_tickets(status) - takes_tickets(before.status))
        waits = (status == Status.WAITING) - (before.status == Status.WAITING)
        connection.execute(update(bookings).where(*here).values(status=status))
        line = {
            "event_id": event_id,
            "revision": event.revision + 1,
            "batch": book.new_reference(),
            "what": What.LAPSED if status is Status.LAPSED else What.PROMOTED,
            "actor": "system",
            "at": now,
            "position": position,
            "status_before": before.status,
            "status_after": status,
            "tickets_before": before.tickets,
            "tickets_after": before.tickets,
        }
        connection.execute(insert(activities), line)
        figures = {
            "confirmed": event.confirmed + taken,
            "waiting": event.waiting + waits,
            "revision": event.revision + 1,
        }
        connection.execute(update(events).where(events.c.id == event_id).values(figures))

    write(work)
