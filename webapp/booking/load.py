"""What a batch needs to know of its events, read under their locks for a ledger.

Every change of tickets is `load`, a `Ledger` and `save`, in this order and in one transaction.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select

from webapp.booking.commands import ActivityKind, Claim, Status
from webapp.errors import EventNotFound
from webapp.storage.composite_keys import filled_up, match_any, parameters_of
from webapp.storage.plain import plain
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import activities, bookings, events, old_codes

# A page of the waiting list; promotions rarely need a second one.
WAITING_PAGE = 64

# Left alone, MySQL walks the whole event in order of position and picks out those who wait.
BY_STATUS = "FORCE INDEX (ix_booking_event_id_status_position)"

claim_columns = (
    bookings.c.event_id,
    bookings.c.position,
    bookings.c.attendee_id,
    bookings.c.tickets,
    bookings.c.status,
    bookings.c.reference,
    bookings.c.admitted,
    bookings.c.wants,
    bookings.c.code,
)
# Those of `LockedEvent`; what an event says of itself is left where it is.
deciding_columns = (
    events.c.id,
    events.c.organizer_id,
    events.c.status,
    events.c.time_zone,
    events.c.starts_at,
    events.c.ends_at,
    events.c.sales_open_at,
    events.c.sales_close_at,
    events.c.cancel_until,
    events.c.max_tickets_per_booking,
    events.c.waiting_list_limit,
    events.c.capacity,
    events.c.confirmed,
    events.c.waiting,
    events.c.next_position,
    events.c.revision,
    events.c.types,
    events.c.next_lapse_at,
    events.c.asks_address,
    events.c.still_coming_days,
    events.c.still_coming_lapses,
)
lock_statement: Select[Any] = (
    select(*deciding_columns).where(events.c.id == bindparam("event_id")).with_for_update()
)
_waiting = (
    select(*claim_columns)
    .with_hint(bookings, BY_STATUS, "mysql")
    .where(
        bookings.c.event_id == bindparam("event_id"),
        bookings.c.status == Status.WAITING,
        bookings.c.position > bindparam("after"),
    )
    .order_by(bookings.c.position)
    .limit(WAITING_PAGE)
)
# Of an event in the query around it. As a group's first, MySQL would read all who wait.
head_position = (
    select(bookings.c.position)
    .with_hint(bookings, BY_STATUS, "mysql")
    .where(bookings.c.event_id == events.c.id, bookings.c.status == Status.WAITING)
    .order_by(bookings.c.position)
    .limit(1)
    .correlate(events)
    .scalar_subquery()
)
_event_key = (events.c.id,)
_attendee_key = (bookings.c.event_id, bookings.c.attendee_id)
_position_key = (bookings.c.event_id, bookings.c.position)


@cache
def lock_unlocked_statement(count: int) -> Select[Any]:
    # Skips locked rows, so that no event of a batch waits for the lock of another one. The ids are
    # not expanded into IN: SQLAlchemy would put the statement together anew each time.
    unordered = select(*deciding_columns).where(match_any(_event_key, count))
    return unordered.order_by(events.c.id).with_for_update(skip_locked=True)


@cache
def _active(count: int) -> Select[Any]:
    is_active = bookings.c.active == literal_column("1")
    return select(*claim_columns).where(match_any(_attendee_key, count, is_active))


@cache
def _latest(count: int) -> Select[Any]:
    last = func.max(bookings.c.position)
    matching = match_any(_attendee_key, count)
    return select(bookings.c.event_id, last).where(matching).group_by(*_attendee_key)


@cache
def _at(count: int) -> Select[Any]:
    return select(*claim_columns).where(match_any(_position_key, count))


def lock_event(connection: Connection, event_id: int) -> LockedEvent:
    """Lock the event against every other writer and return what decides about its tickets.

    Raises `EventNotFound`.
    """
    found: list[LockedEvent] = plain(connection.execute(lock_statement, {"event_id": event_id}))
    if not found:
        raise EventNotFound
    return found[0]


def lock_unlocked_events(
    connection: Connection, event_ids: Collection[int]
) -> dict[int, LockedEvent]:
    """Lock those of the events that no other writer holds, without waiting: `{event_id: event}`.

    What is not returned is locked by another writer, or does not exist.
    """
    keys = filled_up((event_id,) for event_id in event_ids)
    ids = parameters_of(_event_key, keys)
    found: list[LockedEvent] = plain(connection.execute(lock_unlocked_statement(len(keys)), ids))
    return {event.id: event for event in found}


def claims_of(
    connection: Connection,
    *,
    attendees: Iterable[tuple[int, str]] = (),
    positions: Iterable[tuple[int, int]] = (),
    or_latest: Iterable[tuple[int, str]] = (),
) -> dict[int, list[Claim]]:
    """The claims at `positions` and the active ones of `attendees`: `{event_id: [claim]}`.

    Both are given with their event. An attendee in `or_latest` who has no active claim is
    represented by the latest one that is over.
    """
    found: dict[tuple[int, int], Claim] = {}
    wanted = set(positions)
    if asked := set(attendees):
        keys = filled_up(asked)
        found = _claims(connection, _active(len(keys)), parameters_of(_attendee_key, keys))
        held = {(event_id, claim.attendee_id) for (event_id, _), claim in found.items()}
        if lost := [key for key in set(or_latest) if key not in held]:
            missing = filled_up(lost)
            parameters = parameters_of(_attendee_key, missing)
            rows = connection.execute(_latest(len(missing)), parameters)
            wanted.update((event_id, position) for event_id, position in rows)
    if unknown := wanted.difference(found):
        places = filled_up(unknown)
        found.update(_claims(connection, _at(len(places)), parameters_of(_position_key, places)))
    by_event: dict[int, list[Claim]] = {}
    for (event_id, _), claim in found.items():
        by_event.setdefault(event_id, []).append(claim)
    return by_event


def waiting_list(connection: Connection, event_id: int) -> Iterator[Claim]:
    """The waiting bookings in order. A page is read when the one before it has been used up."""
    after = 0
    while True:
        page = _claims(connection, _waiting, {"event_id": event_id, "after": after})
        yield from page.values()
        if len(page) < WAITING_PAGE:
            return
        _, after = max(page)


def promoted_at(connection: Connection, event_id: int, position: int) -> datetime | None:
    """When a booking moved up from the waiting list; `None` if it did not."""
    query = select(activities.c.at).where(
        activities.c.event_id == event_id,
        activities.c.position == position,
        activities.c.what == ActivityKind.PROMOTED,
    )
    return connection.execute(query.limit(1)).scalar()


def promoted_by(connection: Connection, event_id: int, position: int) -> dict[int, str]:
    """Who moved up when the booking at `position` was cancelled: `{position: reference}`."""
    cancel = (
        select(activities.c.revision)
        .where(
            activities.c.event_id == event_id,
            activities.c.position == position,
            activities.c.what == "cancelled",
        )
        .scalar_subquery()
    )
    promoted = select(activities.c.position).where(
        activities.c.event_id == event_id,
        activities.c.revision == cancel,
        activities.c.cause == position,
    )
    return references_of(connection, event_id, connection.execute(promoted).scalars().all())


def references_of(
    connection: Connection, event_id: int, positions: Iterable[int]
) -> dict[int, str]:
    """The references of bookings, in order: `{position: reference}`."""
    if not (wanted := list(positions)):
        return {}
    query = (
        select(bookings.c.position, bookings.c.reference)
        .where(bookings.c.event_id == event_id, bookings.c.position.in_(wanted))
        .order_by(bookings.c.position)
    )
    return {row.position: row.reference for row in connection.execute(query)}


def is_link_replaced(connection: Connection, event_id: int, position: int) -> bool:
    """Whether a booking once had another reference than now."""
    query = select(old_codes.c.kind).where(
        old_codes.c.event_id == event_id, old_codes.c.position == position
    )
    return connection.execute(query.limit(1)).first() is not None


def claim_of(row: Sequence[Any]) -> Claim:
    """A claim of a row of `claim_columns`."""
    return Claim(row[1], row[2], row[3], Status(row[4]), row[5], row[6], row[7], row[8])


def _claims(
    connection: Connection, query: Any, values: dict[str, Any]
) -> dict[tuple[int, int], Claim]:
    return {(row[0], row[1]): claim_of(row) for row in connection.execute(query, values)}
