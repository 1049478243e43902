"""What the mails of a batch tell, read together, with the slots that they take.

Two transactions for a batch in place of two for each mail: a third of a mail's processor time.
What was read a while ago is read anew, so that a slow mail server makes no mail less true.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, and_, bindparam, select

from webapp.booking.commands import Status
from webapp.booking.queries import row_of_event
from webapp.mail.limits import let_first_through
from webapp.storage.plain import plain
from webapp.storage.rows import BookingRow, DeliveryRow, EventRow
from webapp.storage.tables import bookings, terms
from webapp.storage.transaction import read

# What a flood of bookings writes: `{kind: the status that it tells}`.
LOOKED_AT = {
    "confirmed": Status.CONFIRMED,
    "waiting": Status.WAITING,
    "cancelled": Status.CANCELLED,
}
FRESH_SECONDS = 1.0

IS_ASKED = and_(
    terms.c.event_id == bookings.c.event_id,
    terms.c.position == bookings.c.position,
    terms.c.is_open.is_(True),
)
QUESTION = (terms.c.kind.label("term"), terms.c.lapses_at)
# Every mail of a booking begins with it, and to put it together takes as long as to run it.
_asked_bookings = (
    select(bookings, *QUESTION)
    .join(terms, IS_ASKED, isouter=True)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.position.in_(bindparam("at", expanding=True)),
    )
)


class AskedBooking(BookingRow, Protocol):
    """A booking with what its attendee is asked, if anything is, and until when."""

    @property
    def term(self) -> str | None: ...

    @property
    def lapses_at(self) -> datetime | None: ...


# An event and a position.
Place = tuple[int | None, int | None]
# {place: (booking, event)}
Told = Mapping[Place, tuple[AskedBooking, EventRow]]


class Ahead(NamedTuple):
    """What was read, when, and the ids of the deliveries that have their slot."""

    told: Told
    let_through: Collection[int]
    read_at: float

    def told_by(self, delivery: DeliveryRow) -> tuple[AskedBooking, EventRow] | None:
        """A delivery's booking and event, if they were read just now."""
        is_fresh = time.monotonic() < self.read_at + FRESH_SECONDS
        return self.told.get(place_of(delivery)) if is_fresh else None


NOTHING = Ahead({}, (), 0.0)


def look_ahead(deliveries: Iterable[DeliveryRow]) -> Ahead:
    """Read what mails tell that follow from bookings alone, and take slots for those still true."""
    looked_at = [delivery for delivery in deliveries if delivery.what in LOOKED_AT]
    if not looked_at:
        return NOTHING
    read_at, told = time.monotonic(), read_told(looked_at)

    def is_true(delivery: DeliveryRow) -> bool:
        booking, _ = told.get(place_of(delivery), (None, None))
        return (
            booking is not None
            and booking.status == LOOKED_AT[delivery.what]
            and booking.email == delivery.recipient
            and booking.term is None
        )

    return Ahead(told, let_first_through(filter(is_true, looked_at)), read_at)


def place_of(delivery: DeliveryRow) -> Place:
    return delivery.event_id, delivery.position


def read_told(deliveries: Iterable[DeliveryRow]) -> Told:
    """The bookings of deliveries, with their events."""
    positions: dict[int | None, list[int | None]] = {}
    for delivery in deliveries:
        positions.setdefault(delivery.event_id, []).append(delivery.position)

    def work(connection: Connection) -> Told:
        told: dict[Place, tuple[AskedBooking, EventRow]] = {}
        for event_id, at in positions.items():
            event = row_of_event(connection, event_id)
            if event is None:
                continue
            rows = connection.execute(_asked_bookings, {"of_event": event_id, "at": at})
            for booking in plain(rows):
                told[event_id, booking.position] = booking, event
        return told

    return read(work)
