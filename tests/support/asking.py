"""Questions whether somebody is still coming, written without waiting for their day."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from webapp.booking.commands import Status, TermKind
from webapp.storage.outbox import enqueue
from webapp.storage.tables import bookings, events, terms
from webapp.storage.transaction import write


def ask_whether_coming(event_id: int, *, lapses_too: bool, now: datetime) -> None:
    """Have everybody with tickets asked; the questions are yet to be sent."""
    confirmed = (bookings.c.event_id == event_id, bookings.c.status == Status.CONFIRMED)
    starts = select(events.c.starts_at).where(events.c.id == event_id)

    def work(connection: Connection) -> None:
        starts_at = connection.execute(starts).scalar_one()
        positions = connection.execute(select(bookings.c.position).where(*confirmed)).scalars()
        for position in positions.all():
            row = {"event_id": event_id, "position": position, "kind": TermKind.COMING}
            connection.execute(insert(terms), row)
        details = {"lapses": lapses_too}
        if starts_at is not None:
            details["starts_at"] = starts_at.isoformat()
        enqueue(
            connection,
            "still_coming",
            *confirmed,
            recipient=bookings.c.email,
            event_id=event_id,
            position=bookings.c.position,
            details=details,
            in_order_of=(bookings.c.position,),
            now=now,
        )

    write(work)
