"""What tests of several rooms do."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import Row, text, update

from webapp import clock
from webapp.booking import queries
from webapp.booking.commands import Outcome, organizer
from webapp.booking.inventory import available
from webapp.booking.queries import find_event
from webapp.booking.services import book_tickets
from webapp.extensions import db
from webapp.storage.rows import ActivityRow, BookingRow
from webapp.storage.tables import organizers
from webapp.storage.transaction import write

T = TypeVar("T")

LONG = 30.0


def together(app: Flask, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Make all calls at the same moment, each in a thread; what one raises is its result."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | Exception:
        with app.app_context():
            start.wait(LONG)
            try:
                return call()
            except Exception as error:
                return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def fill(event_id: int, *parties: int) -> list[Outcome]:
    """Book for guest1, guest2 ... with so many tickets each."""
    return [
        book_tickets(event_id, attendee_id=f"guest{number}", tickets=tickets)
        for number, tickets in enumerate(parties, start=1)
    ]


def event_bookings(event_id: int, **which: Any) -> list[BookingRow]:
    """What `queries.event_bookings` tells the organizer of the event."""
    event = find_event(event_id, with_drafts=True)
    return queries.event_bookings(event, actor=organizer(event.organizer_id), **which)


def booking_at(event_id: int, position: int) -> BookingRow:
    """What `queries.booking_at` tells the organizer of the event."""
    event = find_event(event_id, with_drafts=True)
    return queries.booking_at(event, position, actor=organizer(event.organizer_id))


def history(event_id: int, **which: Any) -> list[ActivityRow]:
    """What `queries.history` tells the organizer of the event."""
    event = find_event(event_id, with_drafts=True)
    return queries.history(event, actor=organizer(event.organizer_id), **which)


def statuses(event_id: int) -> list[str]:
    """The status of every booking in order of position."""
    return [row.status for row in event_bookings(event_id, limit=100_000)]


def figures(event_id: int) -> tuple[int, int, int]:
    """Confirmed tickets, waiting bookings and what is for sale."""
    event = find_event(event_id, with_drafts=True)
    return event.confirmed, event.waiting, available(event, clock.now())


def set_own_address(organizer_id: int, email: str, **wishes: bool) -> None:
    """Give an account a proven address, and say what it wants to hear of."""
    values = {"email": email, "email_is_proven": True, **wishes}
    change = update(organizers).where(organizers.c.id == organizer_id).values(values)
    write(lambda connection: connection.execute(change))


def rows(query: str, **values: object) -> Sequence[Row[Any]]:
    """What the database holds, asked in plain SQL."""
    with db.engine.connect() as connection:
        return connection.execute(text(query), values).all()
