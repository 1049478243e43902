"""Lists of events: an organizer's own, and those that everybody can see."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, bindparam, or_, select

from webapp import clock
from webapp.errors import EventNotFound
from webapp.storage.columns import MAX_ID
from webapp.storage.rows import EventRow
from webapp.storage.tables import events
from webapp.storage.transaction import read

# Left alone, MySQL walks the events of everybody in order of id, according to how long rows are.
BY_ORGANIZER = "FORCE INDEX (ix_event_organizer_id)"
# Each part is read in the order of the index, which has those without a date apart.
_published = select(events).where(events.c.status == "published").limit(bindparam("limit"))
_dated = _published.where(
    events.c.starts_at >= bindparam("earliest"),
    or_(events.c.starts_at > bindparam("start"), events.c.id > bindparam("id")),
).order_by(events.c.starts_at, events.c.id)
_undated = _published.where(events.c.starts_at.is_(None), events.c.id > bindparam("id")).order_by(
    events.c.id
)


def own_event(event_id: int, *, organizer_id: int) -> EventRow:
    """An organizer's own event, drafts included. Raises `EventNotFound` for anybody else's."""
    query = select(events).where(events.c.id == event_id, events.c.organizer_id == organizer_id)
    event = read(lambda connection: connection.execute(query).one_or_none())
    if event is None:
        raise EventNotFound
    return cast(EventRow, event)


def own_events(organizer_id: int, *, before: int | None = None, limit: int = 50) -> list[EventRow]:
    """An organizer's events, newest first; `before` is the id of the last one seen."""
    query = (
        select(events)
        .with_hint(events, BY_ORGANIZER, "mysql")
        .where(events.c.organizer_id == organizer_id)
    )
    if before is not None:
        query = query.where(events.c.id < before)
    query = query.order_by(events.c.id.desc()).limit(limit)
    return cast(list[EventRow], read(lambda connection: connection.execute(query).all()))


def next_events(organizer_id: int, *, since: datetime, limit: int = 50) -> list[EventRow]:
    """An organizer's events that start after `since`, soonest first."""
    query = (
        select(events)
        .where(events.c.organizer_id == organizer_id, events.c.starts_at > since)
        .order_by(events.c.starts_at, events.c.id)
        .limit(limit)
    )
    return cast(list[EventRow], read(lambda connection: connection.execute(query).all()))


def upcoming_events(
    *, search: str = "", after: tuple[datetime | None, int] | None = None, limit: int = 50
) -> list[EventRow]:
    """Published events that have not started, soonest first and those without a date last.

    `search` finds part of the name or place; `after` is start and id of the last one seen.
    """
    dated, undated = _dated, _undated
    if search:
        searched = (events.c.name, events.c.location)
        found = or_(*[column.icontains(search, autoescape=True) for column in searched])
        dated, undated = dated.where(found), undated.where(found)
    now = clock.now()
    start, event_id = after or (now, MAX_ID)

    def work(connection: Connection) -> list[EventRow]:
        rows: list[Any] = []
        if start is not None:
            place = {"start": start, "id": event_id, "earliest": max(start, now)}
            rows += connection.execute(dated, {**place, "limit": limit}).all()
        if len(rows) < limit:
            behind = event_id if start is None else 0
            left = {"id": behind, "limit": limit - len(rows)}
            rows += connection.execute(undated, left).all()
        return rows

    return read(work)
