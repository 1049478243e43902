"""Whether attendees are still coming: their terms, and the deliveries that ask them."""

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    delete,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import cast as sql_cast

from webapp.booking.commands import Status, TermKind
from webapp.storage.outbox import enqueue
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import bookings, deliveries, terms


def ask_address_anew(connection: Connection, event_id: int, position: int) -> bool:
    """Have the term of a booking begin anew if its address has not answered; whether it had not.

    The caller writes the question, and lets those lapse before whose terms are over.
    """
    unanswered = update(terms).where(
        terms.c.event_id == event_id,
        terms.c.position == position,
        terms.c.kind == TermKind.ADDRESS,
        terms.c.is_open.is_(True),
    )
    return connection.execute(unanswered.values(lapses_at=None)).rowcount > 0


def ask_still_coming(
    connection: Connection,
    event: LockedEvent,
    *which: ColumnElement[bool],
    bulk: bool = False,
    now: datetime,
) -> None:
    """Ask holders of tickets of a locked event, each once for a start; few enough to be named.

    Whose question before is open, and has an end or is about the address, is passed over.
    """
    assert event.starts_at is not None
    start = int(event.starts_at.timestamp())
    name = literal(f"still_coming:{event.id}:{start}:") + sql_cast(bookings.c.position, String(20))
    known = select(deliveries.c.id).where(
        deliveries.c.event_id == bookings.c.event_id,
        deliveries.c.position == bookings.c.position,
        deliveries.c.dedupe_key == name,
    )
    has_end = or_(terms.c.kind == TermKind.ADDRESS, terms.c.lapses_at.is_not(None))
    answering = select(terms.c.position).where(
        terms.c.event_id == bookings.c.event_id,
        terms.c.position == bookings.c.position,
        terms.c.is_open.is_(True),
        has_end,
    )
    whom = select(bookings.c.position).where(
        bookings.c.event_id == event.id,
        bookings.c.status == Status.CONFIRMED,
        bookings.c.email.is_not(None),
        ~known.exists(),
        ~answering.exists(),
        *which,
    )
    positions = connection.execute(whom.order_by(bookings.c.position)).scalars().all()
    if not positions:
        return
    here = and_(terms.c.event_id == event.id, terms.c.position.in_(positions))
    connection.execute(delete(terms).where(here))
    asked = [
        {"event_id": event.id, "position": position, "kind": TermKind.COMING}
        for position in positions
    ]
    connection.execute(insert(terms), asked)
    enqueue(
        connection,
        "still_coming",
        bookings.c.event_id == event.id,
        bookings.c.position.in_(positions),
        recipient=bookings.c.email,
        event_id=event.id,
        position=bookings.c.position,
        details={"starts_at": event.starts_at.isoformat(), "lapses": event.still_coming_lapses},
        bulk=bulk,
        dedupe_key=name,
        now=now,
        in_order_of=(bookings.c.position,),
    )
