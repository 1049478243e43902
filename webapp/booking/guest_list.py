"""The guests of an event by name, as a list for its door has them."""

from typing import Any, NamedTuple

from sqlalchemy import select

from webapp.booking.access import check_own
from webapp.booking.commands import Actor, Status, takes_tickets
from webapp.storage.rows import LockedEvent
from webapp.storage.search import folded
from webapp.storage.tables import bookings
from webapp.storage.transaction import read

# What a list needs of a booking: whole rows of 50,000 would be a hundred megabytes.
_columns = ("position", "status", "tickets", "name", "attendee_id", "ticket_code", "wants")


class Guest(NamedTuple):
    """An active booking as a guest list has it; one without a name goes by its attendee id."""

    position: int
    status: str
    tickets: int
    name: str
    ticket_code: str
    wants: str = ""


class GuestList(NamedTuple):
    """Who has tickets, by name whatever its accents and case, and who waits, in order."""

    guests: list[Guest]
    waiting: list[Guest]

    @property
    def tickets(self) -> int:
        """How many people come, if all do."""
        return sum(guest.tickets for guest in self.guests)


def guest_list_of(event: LockedEvent, *, actor: Actor) -> GuestList:
    """All active bookings of an event; for its organizer. Raises `EventNotFound`."""
    check_own(event, actor)
    query = (
        select(*(bookings.c[name] for name in _columns))
        .where(bookings.c.event_id == event.id, bookings.c.active == 1)
        .order_by(bookings.c.position)
    )
    rows: Any = read(lambda connection: connection.execute(query).all())
    active = [
        Guest(
            row.position,
            row.status,
            row.tickets,
            row.name or row.attendee_id,
            row.ticket_code,
            row.wants,
        )
        for row in rows
    ]
    found = [guest for guest in active if takes_tickets(guest.status)]
    return GuestList(
        sorted(found, key=lambda guest: (folded(guest.name), guest.position)),
        [guest for guest in active if guest.status == Status.WAITING],
    )
