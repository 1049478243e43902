"""An organizer's own events as the dashboard lists them: by date, drafts, past, or searched."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, or_, select

from webapp import clock
from webapp.booking.inventory import is_over
from webapp.booking.ticket_types import wants_of
from webapp.events.queries import BEGINNING
from webapp.events.running import LATELY, long_running
from webapp.storage.engines import dialect
from webapp.storage.plain import plain
from webapp.storage.rows import EventRow
from webapp.storage.search import finds
from webapp.storage.tables import events, queues, ticket_types
from webapp.storage.transaction import read

# Start and id of the last one seen; no start for one without a date.
Place = tuple[datetime | None, int]

_own = select(events).where(events.c.organizer_id == bindparam("of")).limit(bindparam("limit"))
# Beginning behind the last one seen, in the order of the index of organizer and start.
_ahead = _own.where(
    events.c.starts_at >= bindparam("earliest"),
    or_(events.c.starts_at > bindparam("start"), events.c.id > bindparam("id")),
).order_by(events.c.starts_at, events.c.id)
_long = _ahead.where(
    events.c.id.in_(bindparam("ids", expanding=True)),
    events.c.starts_at < bindparam("lately"),
    events.c.ends_at > bindparam("now"),
)
_undated = _own.where(
    events.c.starts_at.is_(None), events.c.status == "published", events.c.id > bindparam("id")
).order_by(events.c.id)
_drafts = _own.where(
    events.c.status == "draft", or_(bindparam("id") == 0, events.c.id < bindparam("id"))
).order_by(events.c.id.desc())
# The latest first; those without a date come last.
_back = _own.where(
    or_(bindparam("id") == 0, events.c.starts_at <= bindparam("start")),
    or_(
        bindparam("id") == 0,
        events.c.starts_at < bindparam("start"),
        events.c.id < bindparam("id"),
    ),
    events.c.starts_at.is_not(None),
).order_by(events.c.starts_at.desc(), events.c.id.desc())
_back_undated = _own.where(
    events.c.starts_at.is_(None), or_(bindparam("id") == 0, events.c.id < bindparam("id"))
).order_by(events.c.id.desc())
_began = events.c.starts_at <= bindparam("now")
_is_past = and_(
    events.c.status != "draft",
    _began,
    or_(events.c.ends_at <= bindparam("now"), events.c.ends_at.is_(None)),
)
_types = (
    select(ticket_types)
    .where(ticket_types.c.event_id.in_(bindparam("ids", expanding=True)))
    .order_by(ticket_types.c.event_id, ticket_types.c.place, ticket_types.c.number)
)
_waiting = select(queues).where(
    queues.c.event_id.in_(bindparam("ids", expanding=True)), queues.c.waiting > 0
)


class TypeAtAGlance(NamedTuple):
    """How far a ticket type of an event is taken, and how many bookings wait for any of it."""

    number: int
    name: str
    taken: int
    quota: int | None
    hidden: bool
    waiting: int


class Coming(NamedTuple):
    """Events that are not over, drafts with a date among them, and others that lately ended."""

    events: list[EventRow]
    ended: list[EventRow]


def coming_events(organizer_id: int, *, after: Place | None = None, limit: int = 50) -> Coming:
    """An organizer's events that are not over, soonest first and those without a date last.

    A draft without a date is not among them, nor a cancelled event without one.
    """
    now = clock.now()
    lately = now - LATELY
    start, event_id = after or (lately, 0)
    found, ended = list[EventRow](), list[EventRow]()

    def work(connection: Connection) -> None:
        found.clear()
        ended.clear()
        values: dict[str, Any] = {"of": organizer_id, "limit": limit, "now": now, "lately": lately}
        if start is not None:
            ids = long_running(connection, now) if after is None or start < lately else ()
            if ids:
                first = after or (BEGINNING, 0)
                place = {"earliest": first[0], "start": first[0], "id": first[1], "ids": ids}
                found.extend(plain(connection.execute(_long, {**values, **place})))
            at: Place = (max(start, lately), event_id if start >= lately else 0)
            while len(found) < limit:
                place = {"earliest": at[0], "start": at[0], "id": at[1]}
                page = plain(connection.execute(_ahead, {**values, **place}))
                for row in page:
                    (ended if is_over(row, now) else found).append(row)
                if len(page) < limit:
                    break
                at = page[-1].starts_at, page[-1].id
        if len(found) < limit:
            values["id"] = event_id if start is None else 0
            found.extend(plain(connection.execute(_undated, values)))

    read(work)
    return Coming(found[:limit], ended)


def drafts(organizer_id: int, *, before: int = 0, limit: int = 50) -> list[EventRow]:
    """An organizer's drafts, the newest first; `before` is the id of the last one seen."""
    values = {"of": organizer_id, "id": before, "limit": limit}
    return read(lambda connection: plain(connection.execute(_drafts, values)))


def past_events(
    organizer_id: int, *, before: Place | None = None, limit: int = 50
) -> list[EventRow]:
    """An organizer's events that are over, the latest first; then cancelled ones without a date."""
    dated = _back.where(_is_past)
    undated = _back_undated.where(events.c.status == "cancelled")
    return _latest_first(organizer_id, dated, undated, before=before, limit=limit, only_over=True)


def found_events(
    organizer_id: int, *, search: str, before: Place | None = None, limit: int = 50
) -> list[EventRow]:
    """An organizer's events with the words of `search` in name or place, the latest first."""
    found = finds(search, dialect=dialect(), said=(events.c.name, events.c.location))
    dated, undated = _back, _back_undated
    if found is not None:
        dated, undated = dated.where(found), undated.where(found)
    return _latest_first(organizer_id, dated, undated, before=before, limit=limit)


def has_own_events(organizer_id: int) -> bool:
    """Whether an organizer has made an event that is no sample."""
    query = select(events.c.id).where(
        events.c.organizer_id == organizer_id, events.c.is_sample.is_(False)
    )
    return read(lambda connection: connection.execute(query.limit(1)).first()) is not None


def _latest_first(
    organizer_id: int,
    dated: Select[Any],
    undated: Select[Any],
    *,
    before: Place | None,
    limit: int,
    only_over: bool = False,
) -> list[EventRow]:
    now = clock.now()
    start, event_id = before or (now, 0)
    values: Mapping[str, Any] = {"of": organizer_id, "now": now, "limit": limit}

    def work(connection: Connection) -> list[EventRow]:
        rows: list[Any] = []
        at: Place = (start, event_id)
        while start is not None and len(rows) < limit:
            place = {**values, "start": at[0], "id": at[1]}
            page = plain(connection.execute(dated, place))
            rows += (row for row in page if not only_over or is_over(row, now))
            if len(page) < limit:
                break
            at = page[-1].starts_at, page[-1].id
        if len(rows) < limit:
            behind = {**values, "id": event_id if start is None else 0}
            rows += plain(connection.execute(undated, behind))
        return rows[:limit]

    return read(work)


def types_at_a_glance(listed: Iterable[EventRow]) -> dict[int, list[TypeAtAGlance]]:
    """The ticket types of those events that have any, in order: `{event_id: [type]}`.

    Nothing is read where none has.
    """
    ids = [event.id for event in listed if event.types]
    return read(lambda connection: _types_of(connection, ids)) if ids else {}


def _types_of(connection: Connection, ids: list[int]) -> dict[int, list[TypeAtAGlance]]:
    waiting: dict[tuple[int, int], int] = {}
    for queue in connection.execute(_waiting, {"ids": ids}):
        for number in wants_of(queue.wants):
            key = queue.event_id, number
            waiting[key] = waiting.get(key, 0) + queue.waiting
    found: dict[int, list[TypeAtAGlance]] = {}
    for row in connection.execute(_types, {"ids": ids}):
        waits = waiting.get((row.event_id, row.number), 0)
        kind = TypeAtAGlance(row.number, row.name, row.confirmed, row.quota, row.hidden, waits)
        found.setdefault(row.event_id, []).append(kind)
    return found
