"""Changes that many tests make."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection, insert, select, update

from webapp import clock
from webapp.booking import load
from webapp.booking.codes import new_reference
from webapp.booking.commands import ActivityKind, Status, TermKind, organizer, takes_tickets
from webapp.events.services import details_of, edit_event
from webapp.storage.tables import activities, bookings, events, terms
from webapp.storage.transaction import write


def set_capacity(event_id: int, capacity: int, *, organizer_id: int) -> dict[int, str]:
    """Give an event another number of tickets only; who was promoted, `{position: reference}`."""
    return edit_event(
        event_id,
        lambda event: replace(details_of(event), capacity=capacity),
        actor=organizer(organizer_id),
    )


def set_status(event_id: int, position: int, status: Status) -> None:
    """Have a booking lapsed, or its tickets held, with figures and history as the rules want it.

    As if its attendee had been asked. Nobody is promoted.
    """
    now = clock.now()

    def work(connection: Connection) -> None:
        event = load.lock_event(connection, event_id)
        here = (bookings.c.event_id == event_id, bookings.c.position == position)
        before = connection.execute(select(bookings).where(*here)).one()
        taken = before.tickets * (takes_tickets(status) - takes_tickets(before.status))
        waits = (status == Status.WAITING) - (before.status == Status.WAITING)
        connection.execute(update(bookings).where(*here).values(status=status))
        line: dict[str, object] = {
            "event_id": event_id,
            "actor": "system",
            "at": now,
            "position": position,
            "status_before": before.status,
            "tickets_before": before.tickets,
            "tickets_after": before.tickets,
        }
        lines: list[dict[str, object]] = [{"what": ActivityKind.PROMOTED, "status_after": status}]
        if status is Status.LAPSED:
            asked = {"term": [None, TermKind.ADDRESS]}
            lines = [
                {"what": ActivityKind.ASKED, "status_after": before.status, "details": asked},
                {"what": ActivityKind.LAPSED, "status_after": status, "details": asked},
            ]
            over = {"kind": TermKind.ADDRESS, "lapses_at": now - timedelta(minutes=1)}
            term = {"event_id": event_id, "position": position, "is_open": False, **over}
            connection.execute(insert(terms), term)
        revision = event.revision
        for told in lines:
            revision += 1
            stamp = {"revision": revision, "batch": new_reference()}
            connection.execute(insert(activities), {**line, **told, **stamp})
        figures = {
            "confirmed": event.confirmed + taken,
            "waiting": event.waiting + waits,
            "revision": revision,
        }
        connection.execute(update(events).where(events.c.id == event_id).values(figures))

    write(work)
