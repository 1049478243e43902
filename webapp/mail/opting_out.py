"""No more messages of an organizer, and messages again, by a token that only such a message has.

The reference of a booking does not do: anybody has one who books with somebody else's address.
"""

import hmac
from base64 import urlsafe_b64encode
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from webapp import clock
from webapp.config import current_settings
from webapp.errors import BookingNotFound
from webapp.storage.tables import bookings, events, opt_outs
from webapp.storage.transaction import execute, read


class Reader(NamedTuple):
    """Who got a message of an organizer, and because of which event."""

    organizer_id: int
    recipient: str
    event_name: str


def token_for(event_id: int, position: int, recipient: str) -> str:
    """What a message that goes to an address because of a booking has in its link."""
    secret = current_settings().secret_key
    assert secret is not None
    signed = f"messages {event_id} {position} {recipient}"
    return urlsafe_b64encode(hmac.digest(secret.encode(), signed.encode(), "sha256"))[:32].decode()


def reader_of(event_id: int, position: int, token: str) -> Reader:
    """Whose token this is. Raises `BookingNotFound` where it is nobody's."""
    query = (
        select(events.c.organizer_id, bookings.c.email, events.c.name)
        .join(bookings, bookings.c.event_id == events.c.id)
        .where(
            bookings.c.event_id == event_id,
            bookings.c.position == position,
            bookings.c.email.is_not(None),
        )
    )
    row = read(lambda connection: connection.execute(query).one_or_none())
    if row is not None:
        good = token_for(event_id, position, row.email)
        if hmac.compare_digest(token.encode("utf-8", "replace"), good.encode()):
            return Reader(*row)
    raise BookingNotFound


def gets_messages(reader: Reader) -> bool:
    """Whether the organizer's messages are sent to them."""
    query = select(opt_outs.c.recipient).where(
        opt_outs.c.organizer_id == reader.organizer_id, opt_outs.c.recipient == reader.recipient
    )
    return read(lambda connection: connection.execute(query).first()) is None


def stop_messages(reader: Reader) -> None:
    """Send them no more messages of the organizer."""
    values = {"organizer_id": reader.organizer_id, "recipient": reader.recipient}
    # They may have said so before.
    with suppress(IntegrityError):
        execute(insert(opt_outs).values(**values, created_at=clock.now()))


def resume_messages(reader: Reader) -> None:
    """Send them messages of the organizer again."""
    execute(
        delete(opt_outs).where(
            opt_outs.c.organizer_id == reader.organizer_id,
            opt_outs.c.recipient == reader.recipient,
        )
    )
