"""Whose event it is: every verb that is for an event's organizer alone asks here.

So none of them relies on its caller to have asked: it takes `organizer_id` and begins with one of
these. Neither costs a query: a lock reads the owner anyway, and so has whoever holds the row.
"""

from typing import Any

from sqlalchemy import Connection, Row

from webapp.errors import EventNotFound
from webapp.services import book


def lock_own_event(connection: Connection, event_id: int, *, organizer_id: int) -> Row[Any]:
    """`book.lock_event` for the event's organizer. Raises `EventNotFound` for anybody else."""
    return check_own(book.lock_event(connection, event_id), organizer_id=organizer_id)


def check_own(event: Row[Any], *, organizer_id: int) -> Row[Any]:
    """An event that has been read, for its organizer. Raises `EventNotFound` for anybody else."""
    if event.organizer_id != organizer_id:
        raise EventNotFound
    return event
