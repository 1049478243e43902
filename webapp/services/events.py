"""Create, edit, publish and cancel events; lists of events."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, literal, or_, select, update

from webapp.errors import EditConflict, EventClosed, EventNotFound, InvalidInput
from webapp.logs import operation
from webapp.models import Organizer, activities, bookings, events
from webapp.services import book, clock, idempotency, record
from webapp.services.commands import CancelEvent, Refused, Resized, SetCapacity, Status, What
from webapp.services.idempotency import NO_EVENT, Once
from webapp.services.ledger import Ledger
from webapp.services.record import Change
from webapp.services.transaction import new_id, read, write

MAX_ID = 2**63 - 1
# Whoever has a booking is told when one of these changes.
TOLD = {"name", "location", "time_zone", "starts_at", "ends_at"}


@dataclass(frozen=True, slots=True)
class Details:
    """What an organizer says of an event. Moments are aware; `time_zone` is an IANA name."""

    name: str
    capacity: int
    description: str = ""
    location: str = ""
    time_zone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    sales_open_at: datetime | None = None
    sales_close_at: datetime | None = None
    cancel_until: datetime | None = None
    max_tickets_per_booking: int = 10
    waiting_list_limit: int | None = None


def create_event(
    details: Details,
    *,
    organizer_id: int,
    published: bool,
    is_sample: bool = False,
    once: Once | None = None,
    also: Callable[[Connection, int], None] | None = None,
) -> int:
    """Make an event and return its id; `also` is done with it, in the same transaction.

    Raises `IdempotencyConflict`, `Unavailable`.
    """
    actor = f"organizer:{organizer_id}"
    batch = book.new_reference()

    def work(connection: Connection) -> int:
        # Two forms with the same key wait here for each other.
        owner = select(Organizer.id).where(Organizer.id == organizer_id).with_for_update()
        connection.execute(owner).scalar_one()
        if once:
            name_of_key = once.name_in(NO_EVENT)
            if answered := idempotency.find(connection, [name_of_key]).get(name_of_key):
                once.check(answered[0])
                return int(answered[1]["event_id"])
        now = clock.now()
        values = {
            **asdict(details),
            "organizer_id": organizer_id,
            "status": "published" if published else "draft",
            "confirmed": 0,
            "waiting": 0,
            "next_position": 1,
            "revision": 1,
            "is_sample": is_sample,
            "created_at": now,
        }
        event_id = new_id(connection.execute(insert(events), values))
        line = {"event_id": event_id, "revision": 1, "batch": batch, "what": "created"}
        connection.execute(insert(activities), {**line, "actor": actor, "at": now})
        if also:
            also(connection, event_id)
        if once:
            answer = {"event_id": event_id}
            idempotency.remember(connection, {name_of_key: (once.content_hash, answer)})
        return event_id

    def landed(connection: Connection) -> bool:
        # A batch id is looked up without an event's lock: nobody else can be writing this event.
        query = select(activities.c.id).where(activities.c.batch == batch).limit(1)
        return connection.execute(query).first() is not None

    event_id = write(work, landed=landed)
    operation("event created", event_id=event_id, actor=actor)
    return event_id


def details_of(event: Row[Any]) -> Details:
    """What an organizer has said of an event, as its row holds it."""
    return Details(**{field.name: getattr(event, field.name) for field in fields(Details)})


def edit_event(
    event_id: int,
    details: Details | Callable[[Row[Any]], Details],
    *,
    organizer_id: int,
    seen: int | None = None,
) -> list[int]:
    """Give an event other details and promote whom a larger capacity reaches; say who.

    `details` may be a function that makes them from the event's row, which is locked meanwhile.
    `seen` is the revision that the caller has read; see `change_event`.
    Raises `EventNotFound`, `EventClosed` when it is cancelled, `EditConflict`, `InvalidInput`
    (totalTickets) when the new capacity is less than what is confirmed or than the largest party
    waiting.
    """

    def wanted(event: Row[Any]) -> Mapping[str, Any]:
        return asdict(details(event) if callable(details) else details)

    return change_event(event_id, "edited", wanted, organizer_id=organizer_id, seen=seen)


def publish_event(event_id: int, *, organizer_id: int) -> None:
    """Let everybody see and book the event. Raises `EventNotFound`, `EventClosed`."""
    change_event(event_id, "published", {"status": "published"}, organizer_id=organizer_id)


def unpublish_event(event_id: int, *, organizer_id: int) -> None:
    """Make it a draft again, which only an event without bookings can be.

    Raises `EventNotFound`, `EventClosed`.
    """
    change_event(event_id, "unpublished", {"status": "draft"}, organizer_id=organizer_id)


def cancel_event(event_id: int, *, organizer_id: int) -> None:
    """End the event and every booking of it; again is harmless. Raises `EventNotFound`."""
    actor, batch = f"organizer:{organizer_id}", book.new_reference()
    attempted = 0

    def work(connection: Connection) -> bool:
        nonlocal attempted
        event = _own(connection, event_id, organizer_id)
        attempted = event.revision + 1
        if event.status == "cancelled":
            return False
        now = clock.now()
        ledger = Ledger(book.inventory_of(event, now))
        ledger.decide(CancelEvent())
        stamp = {"event_id": event_id, "revision": attempted, "batch": batch, "actor": actor}
        active = (bookings.c.event_id == event_id, bookings.c.active == 1)
        record.tell(connection, "event_cancelled", *active, now=now)
        _end_bookings(connection, {**stamp, "at": now})
        details = {"status": [event.status, "cancelled"]}
        line = {"what": "cancelled", "actor": actor, "details": details}
        change = Change(event, ledger, [actor], columns={"status": "cancelled"}, history=[line])
        record.save(connection, [change], batch=batch, now=now)
        return True

    def landed(connection: Connection) -> bool:
        return record.has_landed(connection, event_id, revision=attempted, batch=batch)

    if write(work, landed=landed):
        operation("event cancelled", event_id=event_id, actor=actor)


def own_event(event_id: int, *, organizer_id: int) -> Row[Any]:
    """An organizer's own event, drafts included. Raises `EventNotFound` for anybody else's."""
    query = select(events).where(events.c.id == event_id, events.c.organizer_id == organizer_id)
    event = read(lambda connection: connection.execute(query).one_or_none())
    if event is None:
        raise EventNotFound
    return event


def own_events(organizer_id: int, *, before: int | None = None, limit: int = 50) -> list[Row[Any]]:
    """An organizer's events, newest first; `before` is the id of the last one seen."""
    query = select(events).where(events.c.organizer_id == organizer_id)
    if before is not None:
        query = query.where(events.c.id < before)
    query = query.order_by(events.c.id.desc()).limit(limit)
    return list(read(lambda connection: connection.execute(query).all()))


def next_events(organizer_id: int, *, since: datetime, limit: int = 50) -> list[Row[Any]]:
    """An organizer's events that start after `since`, soonest first."""
    query = (
        select(events)
        .where(events.c.organizer_id == organizer_id, events.c.starts_at > since)
        .order_by(events.c.starts_at, events.c.id)
        .limit(limit)
    )
    return list(read(lambda connection: connection.execute(query).all()))


def upcoming_events(
    *, search: str = "", after: tuple[datetime | None, int] | None = None, limit: int = 50
) -> list[Row[Any]]:
    """Published events that have not started, soonest first and those without a date last.

    `search` finds part of the name or place; `after` is start and id of the last one seen.
    """
    published = select(events).where(events.c.status == "published")
    if search:
        found = [column.icontains(search, autoescape=True) for column in _searched]
        published = published.where(or_(*found))
    now = clock.now()
    start, event_id = after or (now, MAX_ID)
    undated = published.where(events.c.starts_at.is_(None)).order_by(events.c.id)
    if start is None:
        undated, dated = undated.where(events.c.id > event_id), None
    else:
        # Each part is read in the order of the index, which has those without a date apart.
        dated = published.where(
            events.c.starts_at >= max(start, now),
            or_(events.c.starts_at > start, events.c.id > event_id),
        ).order_by(events.c.starts_at, events.c.id)

    def work(connection: Connection) -> list[Row[Any]]:
        rows = [] if dated is None else list(connection.execute(dated.limit(limit)))
        if len(rows) < limit:
            rows += connection.execute(undated.limit(limit - len(rows)))
        return rows

    return read(work)


_searched = (events.c.name, events.c.location)


def _own(connection: Connection, event_id: int, organizer_id: int) -> Row[Any]:
    event = book.lock_event(connection, event_id)
    if event.organizer_id != organizer_id:
        raise EventNotFound
    return event


def change_event(
    event_id: int,
    what: str,
    wanted: Mapping[str, Any] | Callable[[Row[Any]], Mapping[str, Any]],
    *,
    organizer_id: int,
    also: Callable[[Connection], None] | None = None,
    seen: int | None = None,
    in_view_of: Collection[str] = (),
) -> list[int]:
    """Set columns of an event and promote whom that makes room for; say who.

    `also` is done in the same transaction, unless nothing changes. With `seen`, a revision of the
    event, nothing is set if a column that would change, or one of `in_view_of`, has been edited
    since; bookings in between do not matter.
    Raises `EventNotFound`, `EventClosed` when it is cancelled, `EditConflict`, `InvalidInput`
    (totalTickets).
    """
    actor, batch = f"organizer:{organizer_id}", book.new_reference()
    attempted = 0

    def work(connection: Connection) -> list[int]:
        nonlocal attempted
        event = _own(connection, event_id, organizer_id)
        attempted = event.revision + 1
        if event.status == "cancelled":
            raise EventClosed("This event has been cancelled.")
        row = connection.execute(_whole, {"event_id": event_id}).one()
        before, columns = row._mapping, wanted(row) if callable(wanted) else wanted
        if columns.get("status") == "draft" and event.next_position > 1:
            raise EventClosed("This event has bookings. Cancel the event instead.")
        changes = {key: value for key, value in columns.items() if value != before[key]}
        if not changes:
            return []
        if seen is not None:
            edited = record.edited_since(connection, row, seen) & {*changes, *in_view_of}
            if edited:
                raise EditConflict({key: before[key] for key in edited}, row=row)
        now = clock.now()
        inventory = book.inventory_of(SimpleNamespace(**{**before, **changes}), now)
        inventory.capacity = event.capacity
        ledger = Ledger(inventory, waiting=book.waiting_list(connection, event_id))
        capacity = changes.get("capacity", event.capacity)
        largest = 0
        if capacity < event.capacity:
            largest = connection.execute(_largest_waiting, {"event_id": event_id}).scalar() or 0
        outcome = ledger.decide(SetCapacity(capacity, largest))
        if isinstance(outcome, Refused):
            least = f"Keep at least {outcome.limit}: so many are confirmed or wait together."
            raise InvalidInput({"totalTickets": least})
        assert isinstance(outcome, Resized)
        details = {key: [_plain(before[key]), _plain(value)] for key, value in changes.items()}
        line = {"what": what, "actor": actor, "details": details}
        if changes.keys() & TOLD:
            active = (bookings.c.event_id == event_id, bookings.c.active == 1)
            record.tell(connection, "event_changed", *active, now=now)
        change = Change(event, ledger, [actor], columns=changes, history=[line])
        record.save(connection, [change], batch=batch, now=now)
        if also:
            also(connection)
        return outcome.promoted

    def landed(connection: Connection) -> bool:
        return record.has_landed(connection, event_id, revision=attempted, batch=batch)

    promoted = write(work, landed=landed)
    operation(f"event {what}", event_id=event_id, actor=actor, promoted=len(promoted))
    for position in promoted:
        operation("promotion", event_id=event_id, position=position)
    return promoted


_whole = select(events).where(events.c.id == bindparam("event_id"))
_largest_waiting = select(func.max(bookings.c.tickets)).where(
    bookings.c.event_id == bindparam("event_id"), bookings.c.status == Status.WAITING
)


def _end_bookings(connection: Connection, stamp: Mapping[str, Any]) -> None:
    """Cancel all active bookings of an event by two statements, however many there are."""
    of_event = (bookings.c.event_id == stamp["event_id"], bookings.c.active == 1)
    line = {
        **{key: literal(value, activities.c[key].type) for key, value in stamp.items()},
        "what": literal(What.CANCELLED.value),
        "position": bookings.c.position,
        "status_before": bookings.c.status,
        "status_after": literal(Status.CANCELLED.value),
        "tickets_before": bookings.c.tickets,
        "tickets_after": bookings.c.tickets,
    }
    told = select(*line.values()).where(*of_event)
    connection.execute(insert(activities).from_select(list(line), told))
    connection.execute(update(bookings).where(*of_event).values(status=Status.CANCELLED))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
