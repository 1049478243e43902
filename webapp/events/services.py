"""Create, edit, publish and cancel events."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Connection, bindparam, func, insert, select

from webapp import clock
from webapp.booking import batch
from webapp.booking.access import check_own
from webapp.booking.change import EventChange
from webapp.booking.codes import new_reference
from webapp.booking.commands import (
    Actor,
    CancelEvent,
    Outcome,
    Refusal,
    SetLimits,
    Status,
)
from webapp.booking.ending import end_bookings
from webapp.booking.inventory import Closure, inventory_of
from webapp.booking.refusals import error_of
from webapp.booking.revisions import edited_since
from webapp.booking.save import stamp_of
from webapp.booking.save_mails import enqueue_mail
from webapp.booking.save_types import end_queues
from webapp.booking.services import log_promotions
from webapp.booking.terms import cut_to_start
from webapp.config import current_settings
from webapp.errors import EditConflict, EventClosed, InvalidInput, Problem
from webapp.events import running
from webapp.logs import log_event
from webapp.storage import idempotency
from webapp.storage.account_tables import Organizer
from webapp.storage.idempotency import NO_EVENT, IdempotencyKey
from webapp.storage.rows import EventRow, LockedEvent
from webapp.storage.tables import activities, bookings, events
from webapp.storage.transaction import new_id, read, write

# {column: field} of what has attendees asked something by mail.
ASKING_FIELDS = {"asks_address": "asksAddress", "still_coming_days": "stillComingDays"}
FIELDS_ATTENDEES_HEAR_OF = {"name", "location", "time_zone", "starts_at", "ends_at"}

_whole = select(events).where(events.c.id == bindparam("event_id"))
_largest_waiting = select(func.max(bookings.c.tickets)).where(
    bookings.c.event_id == bindparam("event_id"), bookings.c.status == Status.WAITING
)


@dataclass(frozen=True, slots=True)
class EventDetails:
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
    asks_address: bool = False
    still_coming_days: int | None = None
    still_coming_lapses: bool = False


def create_event(
    details: EventDetails,
    *,
    actor: Actor,
    published: bool,
    is_sample: bool = False,
    key: IdempotencyKey | None = None,
    also: Callable[[Connection, int], None] | None = None,
) -> int:
    """Make an event and return its id; `also` is done with it, in the same transaction.

    Raises `InvalidInput` (asksAddress, stillComingDays without a way to send mails),
    `IdempotencyConflict`, `Unavailable`.
    """
    _check_mails(asdict(details))
    batch_id = new_reference()

    def work(connection: Connection) -> int:
        # Two forms with the same key wait here for each other.
        owner = select(Organizer.id).where(Organizer.id == actor.account_id).with_for_update()
        connection.execute(owner).scalar_one()
        answer = idempotency.run_once(connection, key, NO_EVENT, lambda: make(connection))
        return int(answer["event_id"])

    def make(connection: Connection) -> dict[str, int]:
        now = clock.now()
        values = {
            **asdict(details),
            "organizer_id": actor.account_id,
            "status": "published" if published else "draft",
            "is_sample": is_sample,
            "created_at": now,
        }
        event_id = new_id(connection.execute(insert(events), values))
        line = {"event_id": event_id, "revision": 1, "batch": batch_id, "what": "created"}
        connection.execute(insert(activities), {**line, "actor": str(actor), "at": now})
        if also:
            also(connection, event_id)
        return {"event_id": event_id}

    def already_committed(connection: Connection) -> bool:
        # A batch id is looked up without an event's lock: nobody else can be writing this event.
        query = select(activities.c.id).where(activities.c.batch == batch_id).limit(1)
        return connection.execute(query).first() is not None

    event_id = write(work, already_committed=already_committed)
    running.forget()
    log_event("event created", event_id=event_id, actor=actor)
    return event_id


def details_of(event: EventRow) -> EventDetails:
    """What an organizer has said of an event, as its row holds it."""
    return EventDetails(
        **{field.name: getattr(event, field.name) for field in fields(EventDetails)}
    )


def edit_event(
    event_id: int,
    details: EventDetails | Callable[[EventRow], EventDetails],
    *,
    actor: Actor,
    seen: int | None = None,
    tells: bool = False,
) -> dict[int, str]:
    """Give an event other details and promote whom a larger capacity reaches.

    `details` may be a function that makes them from the event's row, which is locked meanwhile.
    `seen` is the revision that the caller has read; see `change_event`. Nobody is told of another
    name, place or time unless `tells`. Returns who was promoted, `{position: reference}`.
    Raises `EventNotFound`, `EventClosed` when it is cancelled, `EditConflict`, `InvalidInput`
    (totalTickets) when the new capacity is less than what is confirmed or than the largest party
    waiting, (asksAddress, stillComingDays) when one is switched on without a way to send mails.
    """

    def wanted(event: EventRow) -> Mapping[str, Any]:
        return asdict(details(event) if callable(details) else details)

    return change_event(event_id, "edited", wanted, actor=actor, seen=seen, tells=tells)


def publish_event(event_id: int, *, actor: Actor) -> None:
    """Let everybody see and book the event. Raises `EventNotFound`, `EventClosed`."""
    change_event(event_id, "published", {"status": "published"}, actor=actor)


def unpublish_event(event_id: int, *, actor: Actor) -> None:
    """Make it a draft again, which only an event without bookings can be.

    Raises `EventNotFound`, `EventClosed`.
    """
    change_event(event_id, "unpublished", {"status": "draft"}, actor=actor)


def change_event(
    event_id: int,
    what: str,
    wanted: Mapping[str, Any] | Callable[[EventRow], Mapping[str, Any]],
    *,
    actor: Actor,
    also: Callable[[Connection], None] | None = None,
    seen: int | None = None,
    in_view_of: Collection[str] = (),
    tells: bool = False,
) -> dict[int, str]:
    """Set columns of an event and promote whom that makes room for: `{position: reference}`.

    `also` is done in the same transaction, unless nothing changes. With `seen`, a revision of the
    event, nothing is set if a column that would change, or one of `in_view_of`, has been edited
    since; bookings in between do not matter. If it `tells`, each attendee is mailed what of it
    concerns them.
    Raises `EventNotFound`, `EventClosed` when it is cancelled, `EditConflict`, `InvalidInput`
    (totalTickets, asksAddress, stillComingDays).
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> Outcome:
        event, ledger = change.event, change.ledger
        if event.status == "cancelled":
            raise EventClosed(Closure.CANCELLED)
        row = connection.execute(_whole, {"event_id": event_id}).one()
        before, columns = row._mapping, wanted(row) if callable(wanted) else wanted
        if columns.get("status") == "draft" and event.next_position > 1:
            raise EventClosed("has_bookings")
        changed = {name: value for name, value in columns.items() if value != before[name]}
        if not changed:
            return Outcome()
        _check_mails(changed)
        if seen is not None:
            edited = edited_since(connection, event, seen) & {*changed, *in_view_of}
            if edited:
                raise EditConflict({name: before[name] for name in edited}, row=row)
        # What the event allows from now on. Its capacity is changed by the ledger, which may have
        # changed the other figures already.
        figures = {
            "capacity": event.capacity,
            "confirmed": ledger.inventory.confirmed,
            "waiting": ledger.inventory.waiting,
        }
        after = SimpleNamespace(**{**before, **changed, **figures})
        types = ledger.inventory.types
        ledger.go_by(inventory_of(cast(LockedEvent, after), now, types))
        capacity, largest = changed.get("capacity", event.capacity), 0
        if capacity < event.capacity and not types:
            largest = connection.execute(_largest_waiting, {"event_id": event_id}).scalar() or 0
        outcome = ledger.decide(SetLimits(capacity, largest), actor)
        if isinstance(outcome, Refusal):
            raise error_of(outcome, event, now)
        told = {name: [_plain(before[name]), _plain(value)] for name, value in changed.items()}
        change.columns = changed
        if change.next_lapse_at is not None and (starts_at := changed.get("starts_at")):
            cut_to_start(connection, event_id, starts_at)
            change.next_lapse_at = min(change.next_lapse_at, starts_at)
        change.history = [{"what": what, "actor": str(actor), "details": told}]
        if tells and changed.keys() & FIELDS_ATTENDEES_HEAR_OF:
            enqueue_mail(connection, "event_changed", *_active_of(event_id), now=now)
        if also:
            also(connection)
        return outcome

    outcome = batch.change_event(event_id, actor, decide)
    running.forget()
    log_event(f"event {what}", event_id=event_id, actor=actor, promoted=len(outcome.promoted))
    log_promotions(event_id, outcome)
    return outcome.promoted


def cancel_event(event_id: int, *, actor: Actor, reason: str = "") -> None:
    """End the event and every booking of it; again is harmless, and says no other reason.

    `reason` is told to everybody. Raises `EventNotFound`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> bool:
        before = change.event.status
        if before == "cancelled":
            return False
        change.ledger.decide(CancelEvent(), actor)
        change.columns = {"status": "cancelled", **({"cancel_reason": reason} if reason else {})}
        line = {"what": "cancelled", "actor": str(actor)}
        told: dict[str, list[str | None]] = {"status": [before, "cancelled"]}
        if reason:
            told["cancel_reason"] = [None, reason]
        change.history = [{**line, "details": told}]
        enqueue_mail(connection, "event_cancelled", *_active_of(event_id), now=now)
        end_bookings(connection, Status.CANCELLED, {**stamp_of(change, now), "actor": str(actor)})
        if change.event.types:
            end_queues(connection, event_id)
        return True

    if batch.change_event(event_id, actor, decide):
        log_event("event cancelled", event_id=event_id, actor=actor)


def count_told(event: LockedEvent, *, actor: Actor) -> int:
    """How many bookings are told by mail of what concerns all of an event's attendees.

    Raises `EventNotFound`.
    """
    check_own(event, actor)
    query = select(func.count()).where(*_active_of(event.id), bookings.c.email.is_not(None))
    return read(lambda connection: int(connection.execute(query).scalar_one()))


def _check_mails(columns: Mapping[str, Any]) -> None:
    """Raise `InvalidInput` where attendees are to be asked and no mail could ask them."""
    if current_settings().mail_url is None:
        asking = {name: field for name, field in ASKING_FIELDS.items() if columns.get(name)}
        if asking:
            raise InvalidInput({field: Problem("needs_mail") for field in asking.values()})


def _active_of(event_id: int) -> tuple[Any, ...]:
    """Conditions for the active bookings of an event."""
    return bookings.c.event_id == event_id, bookings.c.active == 1


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
