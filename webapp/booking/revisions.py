"""What the history tells of an event's revisions: who wrote one, and what was edited since."""

from typing import Any

from sqlalchemy import Connection, select

from webapp.booking.load import lock_event
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import activities


def is_committed(connection: Connection, event_id: int, *, revision: int, batch: str) -> bool:
    """Say, under the event's lock, whether the batch that wrote this revision has committed.

    Without the lock the answer could be no while that commit is still on its way.
    """
    lock_event(connection, event_id)
    query = select(activities.c.batch).where(
        activities.c.event_id == event_id, activities.c.revision == revision
    )
    return connection.execute(query.limit(1)).scalar() == batch


def edited_since(connection: Connection, event: LockedEvent, seen: int) -> set[str]:
    """The columns of an event that were edited after the revision `seen` of it."""
    return {column for details in _edits_since(connection, event, seen) for column in details}


def part_edited_since(
    connection: Connection, event: LockedEvent, seen: int, part: tuple[str, int]
) -> set[str]:
    """The same of a part of an event by its kind and number, such as `("ticket_type", 2)`."""
    kind, number = part
    edited: set[str] = set()
    for details in _edits_since(connection, event, seen):
        before, after = details.get(kind) or (None, None)
        if before and after and after["number"] == number:
            edited.update(name for name in after if after[name] != before[name])
    return edited


def _edits_since(connection: Connection, event: LockedEvent, seen: int) -> list[dict[str, Any]]:
    if seen == event.revision:
        return []
    query = select(activities.c.details).where(
        activities.c.event_id == event.id,
        activities.c.position.is_(None),
        # A revision that is still to come was seen in a database that was restored since.
        activities.c.revision > (seen if seen < event.revision else 0),
    )
    return [details for details in connection.execute(query).scalars() if details]
