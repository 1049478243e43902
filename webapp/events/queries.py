"""Lists of events: an organizer's own, and those that everybody can see."""

from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, bindparam, or_, select

from webapp import clock
from webapp.booking.inventory import is_over
from webapp.errors import EventNotFound
from webapp.events.running import LATELY, long_running
from webapp.storage.engines import dialect
from webapp.storage.plain import plain
from webapp.storage.rows import EventRow
from webapp.storage.search import finds
from webapp.storage.tables import events
from webapp.storage.transaction import read

# Left alone, MySQL walks the events of everybody in order of id, according to how long rows are.
BY_ORGANIZER = "FORCE INDEX (ix_event_organizer_id)"
# Each part is read in the order of the index, which has those without a date apart.
_published = select(events).where(events.c.status == "published").limit(bindparam("limit"))
_from_there = (
    events.c.starts_at >= bindparam("earliest"),
    or_(events.c.starts_at > bindparam("start"), events.c.id > bindparam("id")),
)
# One that began has to have an end, or lately begun: whether it is over then is not for SQL.
_dated = _published.where(
    *_from_there,
    or_(
        events.c.starts_at > bindparam("now"),
        events.c.ends_at > bindparam("now"),
        events.c.ends_at.is_(None),
    ),
).order_by(events.c.starts_at, events.c.id)
_long = _published.where(
    events.c.id.in_(bindparam("ids", expanding=True)),
    *_from_there,
    events.c.starts_at < bindparam("lately"),
    events.c.ends_at > bindparam("now"),
).order_by(events.c.starts_at, events.c.id)
_own = select(events).where(
    events.c.id == bindparam("event_id"), events.c.organizer_id == bindparam("of_organizer")
)
_undated = _published.where(events.c.starts_at.is_(None), events.c.id > bindparam("id")).order_by(
    events.c.id
)


# How many are named that come next.
NEXT = 3
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def own_event(event_id: int, *, organizer_id: int) -> EventRow:
    """An organizer's own event, drafts included. Raises `EventNotFound` for anybody else's."""
    values = {"event_id": event_id, "of_organizer": organizer_id}
    found = read(lambda connection: plain(connection.execute(_own, values)))
    if not found:
        raise EventNotFound
    return cast(EventRow, found[0])


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
    return read(lambda connection: plain(connection.execute(query)))


def as_if_published(event: EventRow) -> EventRow:
    """A draft as everybody would see it once it is published."""
    return cast(EventRow, cast(Any, event)._replace(status="published"))


def upcoming_events(
    *, search: str = "", after: tuple[datetime | None, int] | None = None, limit: int = 50
) -> list[EventRow]:
    """Published events that are not over, soonest first and those without a date last.

    `search` finds words in name and place; `after` is start and id of the last one seen.
    """
    long, dated, undated = _long, _dated, _undated
    found = finds(search, dialect=dialect(), said=(events.c.name, events.c.location))
    if found is not None:
        long, dated, undated = (query.where(found) for query in (long, dated, undated))
    now = clock.now()
    lately = now - LATELY
    start, event_id = after or (BEGINNING, 0)

    def work(connection: Connection) -> list[EventRow]:
        rows: list[Any] = []
        if start is not None:
            place = {"start": start, "id": event_id, "now": now, "lately": lately}
            ids = long_running(connection, now) if start < lately else ()
            if ids:
                wanted_now = {**place, "earliest": start, "ids": ids, "limit": limit}
                rows += plain(connection.execute(long, wanted_now))
            place["earliest"] = max(start, lately)
            while len(rows) < limit:
                wanted = limit - len(rows)
                page = plain(connection.execute(dated, {**place, "limit": wanted}))
                rows += (row for row in page if not is_over(row, now))
                if len(page) < wanted:
                    break
                last = page[-1]
                place |= {"start": last.starts_at, "id": last.id, "earliest": last.starts_at}
        if len(rows) < limit:
            behind = event_id if start is None else 0
            left = {"id": behind, "limit": limit - len(rows)}
            rows += plain(connection.execute(undated, left))
        return rows

    return read(work)


def events_after(event: EventRow) -> list[EventRow]:
    """What comes next when an event is over: of its organizer, or else of all."""
    now = clock.now()
    query = _published.where(
        events.c.organizer_id == event.organizer_id, events.c.starts_at > now
    ).order_by(events.c.starts_at, events.c.id)
    own = read(lambda connection: plain(connection.execute(query, {"limit": NEXT})))
    return own or upcoming_events(limit=NEXT)


class Announced(NamedTuple):
    """What everybody may know of an event: without what it says of itself, and without figures."""

    id: int
    name: str
    location: str
    time_zone: str
    starts_at: datetime | None
    ends_at: datetime | None
    status: str


def announced_events(*, since: datetime, limit: int) -> list[Announced]:
    """Events that are published, or were until they were cancelled, by their start.

    Dated ones that begin after `since`, at most `limit` of each status, then as many without a
    date. One that was cancelled without ever being booked may have been a draft.
    """
    shown = select(*(events.c[name] for name in Announced._fields)).limit(limit)
    dated = shown.where(events.c.starts_at >= since).order_by(events.c.starts_at, events.c.id)
    queries = (
        dated.where(events.c.status == "published"),
        dated.where(events.c.status == "cancelled", events.c.next_position > 1),
        shown.where(events.c.status == "published", events.c.starts_at.is_(None)).order_by(
            events.c.id
        ),
    )

    def work(connection: Connection) -> list[Announced]:
        return [Announced(*row) for query in queries for row in connection.execute(query)]

    return read(work)
