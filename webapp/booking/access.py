"""Whose event it is: every verb that is for an event's organizer alone asks here.

So none of them relies on its caller to have asked. Neither costs a query: a lock reads the owner
anyway, and so has whoever holds the row.
"""

from sqlalchemy import Connection

from webapp.booking.commands import Actor, organizer
from webapp.booking.load import lock_event
from webapp.errors import EventNotFound
from webapp.storage.rows import LockedEvent


def lock_own_event(connection: Connection, event_id: int, actor: Actor) -> LockedEvent:
    """`lock_event` for the event's organizer. Raises `EventNotFound` for anybody else."""
    event = lock_event(connection, event_id)
    check_own(event, actor)
    return event


def check_own(event: LockedEvent, actor: Actor) -> None:
    """Raise `EventNotFound` unless the event is the organizer's who acts."""
    if actor != organizer(event.organizer_id):
        raise EventNotFound
