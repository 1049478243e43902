"""Add, edit, order and remove the ticket types of an event."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import cast as as_type

from webapp.booking import batch
from webapp.booking.change import EventChange
from webapp.booking.commands import Actor, Outcome, Refusal, SetLimits, Status
from webapp.booking.inventory import Closure
from webapp.booking.refusals import error_of
from webapp.booking.revisions import part_edited_since
from webapp.booking.services import log_promotions
from webapp.errors import (
    EditConflict,
    EventClosed,
    InvalidInput,
    Problem,
    TypeInUse,
    TypeNotFound,
)
from webapp.logs import log_event
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import TicketTypeRow
from webapp.storage.tables import bookings, code_types, queues, ticket_types

# The most types of one event.
MAX_TYPES = 50


@dataclass(frozen=True, slots=True)
class TypeDetails:
    """What an organizer says of a ticket type. Moments are aware.

    `quota` is the most tickets of it; none where only the event's capacity limits it. A booking
    that has any of it has at least `min_tickets` and at most `max_tickets`. A `hidden` one is seen
    and booked only with a code that unlocks it.
    """

    name: str
    description: str = ""
    quota: int | None = None
    min_tickets: int = 1
    max_tickets: int | None = None
    sales_open_at: datetime | None = None
    sales_close_at: datetime | None = None
    hidden: bool = False


def details_of_type(row: TicketTypeRow) -> TypeDetails:
    """What an organizer has said of a type, as its row holds it."""
    return TypeDetails(**{field.name: getattr(row, field.name) for field in fields(TypeDetails)})


def add_type(
    event_id: int, details: TypeDetails, *, actor: Actor, key: IdempotencyKey | None = None
) -> int:
    """Give an event one more ticket type; its number.

    The first one takes over all that is booked. Raises `EventNotFound`, `EventClosed` when the
    event is cancelled, `InvalidInput` (name, quota, maxTickets, salesCloseAt),
    `IdempotencyConflict`, `Unavailable`.
    """
    _check(details)

    def decide(connection: Connection, change: EventChange, now: datetime) -> int:
        add = partial(make, connection, change)
        return int(idempotency.run_once(connection, key, event_id, add)["type"])

    def make(connection: Connection, change: EventChange) -> dict[str, int]:
        refuse_cancelled(change)
        types = _types(connection, event_id)
        _check_name(types, details.name, number=None)
        if len(types) >= MAX_TYPES:
            raise InvalidInput({"name": Problem("all_types_made", limit=MAX_TYPES)})
        number, taken = change.event.types + 1, 0
        if number == 1:
            taken = _take_over(connection, change, details)
        place = max([row.place for row in types], default=0) + 1
        row = {"event_id": event_id, "number": number, "place": place, "confirmed": taken}
        connection.execute(insert(ticket_types), {**asdict(details), **row})
        change.columns = {"types": number}
        change.history = [_line("type_added", actor, number, {}, asdict(details))]
        return {"type": number}

    number = batch.change_event(event_id, actor, decide)
    log_event("type added", event_id=event_id, type=number, actor=actor)
    return number


def edit_type(
    event_id: int,
    number: int,
    details: TypeDetails | Callable[[TicketTypeRow], TypeDetails],
    *,
    actor: Actor,
    seen: int | None = None,
) -> dict[int, str]:
    """Give a type other details and promote whom a larger quota reaches: `{position: reference}`.

    `details` may be a function that makes them from the type's row, which is locked meanwhile.
    With `seen`, a revision of the event, nothing is set if what would change of the type has been
    edited since.
    Raises `EventNotFound`, `EventClosed` when the event is cancelled, `TypeNotFound`,
    `EditConflict` (its row is the event's), `InvalidInput` (as for `add_type`; quota also where it
    is less than what is taken or than the largest party that waits for the type wants),
    `Unavailable`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> Outcome:
        refuse_cancelled(change)
        types = _types(connection, event_id)
        row = _one(types, number)
        wanted = details(row) if callable(details) else details
        _check(wanted)
        _check_name(types, wanted.name, number=number)
        before, after = asdict(details_of_type(row)), asdict(wanted)
        changed = {name: value for name, value in after.items() if value != before[name]}
        if not changed:
            return Outcome()
        if seen is not None:
            edited = part_edited_since(connection, change.event, seen, ("ticket_type", number))
            if edited := edited & changed.keys():
                raise EditConflict({name: before[name] for name in edited}, row=change.event)
        outcome = Outcome()
        if "quota" in changed:
            limits = SetLimits(change.event.capacity, quotas={number: wanted.quota})
            decided = change.ledger.decide(limits, actor)
            if isinstance(decided, Refusal):
                raise error_of(decided, change.event, now)
            outcome = decided
        connection.execute(update(ticket_types).where(*_is(event_id, number)).values(changed))
        was = {name: before[name] for name in changed}
        name = {"name": before["name"]}
        change.history = [_line("type_edited", actor, number, {**name, **was}, {**name, **changed})]
        return outcome

    outcome = batch.change_event(event_id, actor, decide)
    promoted = len(outcome.promoted)
    log_event("type edited", event_id=event_id, type=number, actor=actor, promoted=promoted)
    log_promotions(event_id, outcome)
    return outcome.promoted


def order_types(event_id: int, numbers: Sequence[int], *, actor: Actor) -> None:
    """Set the order in which the types of an event are shown; those left out come last.

    Raises `EventNotFound`, `EventClosed` when the event is cancelled, `TypeNotFound`,
    `Unavailable`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> None:
        refuse_cancelled(change)
        types = _types(connection, event_id)
        wanted = list(dict.fromkeys([_one(types, number).number for number in numbers]))
        before = [row.number for row in types]
        after = [*wanted, *(number for number in before if number not in wanted)]
        if after == before:
            return
        for place, number in enumerate(after, 1):
            connection.execute(
                update(ticket_types).where(*_is(event_id, number)).values(place=place)
            )
        line = {"what": "types_ordered", "actor": str(actor)}
        change.history = [{**line, "details": {"types": [before, after]}}]

    batch.change_event(event_id, actor, decide)


def remove_type(event_id: int, number: int, *, actor: Actor) -> None:
    """Take away a type that nobody has ever booked and no code is for.

    Raises `EventNotFound`, `EventClosed` when the event is cancelled, `TypeNotFound`, `TypeInUse`,
    `Unavailable`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> None:
        refuse_cancelled(change)
        types = _types(connection, event_id)
        row = _one(types, number)
        booked = select(bookings.c.position).where(
            bookings.c.event_id == event_id,
            or_(bookings.c.wants.like(f"{number}:%"), bookings.c.wants.like(f"%,{number}:%")),
        )
        if connection.execute(booked.limit(1)).first():
            raise TypeInUse
        coded = select(code_types.c.code).where(
            code_types.c.event_id == event_id, code_types.c.type == number
        )
        if connection.execute(coded.limit(1)).first():
            # Without its type a code would be for all of them.
            raise TypeInUse("code")
        connection.execute(delete(ticket_types).where(*_is(event_id, number)))
        if len(types) == 1:
            change.columns = {"types": 0}
        change.ledger.inventory.types = {}
        change.history = [_line("type_removed", actor, number, asdict(details_of_type(row)), {})]

    batch.change_event(event_id, actor, decide)
    log_event("type removed", event_id=event_id, type=number, actor=actor)


def _take_over(connection: Connection, change: EventChange, details: TypeDetails) -> int:
    """Have all that is booked want the first type; how many tickets of it are taken."""
    event_id, inventory = change.event.id, change.ledger.inventory
    waiting = and_(bookings.c.event_id == event_id, bookings.c.status == Status.WAITING)
    if details.quota is not None:
        largest = connection.execute(select(func.max(bookings.c.tickets)).where(waiting)).scalar()
        least = max(inventory.confirmed, largest or 0)
        if details.quota < least:
            problem = Problem("quota_too_low", limit=least, type=details.name)
            raise InvalidInput({"quota": problem})
    wants = literal("1:") + as_type(bookings.c.tickets, String(10))
    connection.execute(update(bookings).where(bookings.c.event_id == event_id).values(wants=wants))
    counted = (
        select(bookings.c.event_id, bookings.c.wants, func.count())
        .where(waiting)
        .group_by(bookings.c.event_id, bookings.c.wants)
    )
    connection.execute(insert(queues).from_select(["event_id", "wants", "waiting"], counted))
    return inventory.confirmed


def refuse_cancelled(change: EventChange) -> None:
    """Raise `EventClosed` for an event whose types and codes cannot change any more."""
    if change.event.status == "cancelled":
        raise EventClosed(Closure.CANCELLED)


def _types(connection: Connection, event_id: int) -> list[TicketTypeRow]:
    query = (
        select(ticket_types)
        .where(ticket_types.c.event_id == event_id)
        .order_by(ticket_types.c.place, ticket_types.c.number)
    )
    return cast(list[TicketTypeRow], connection.execute(query).all())


def _one(types: Sequence[TicketTypeRow], number: int) -> TicketTypeRow:
    for row in types:
        if row.number == number:
            return row
    raise TypeNotFound


def _is(event_id: int, number: int) -> tuple[ColumnElement[bool], ...]:
    return ticket_types.c.event_id == event_id, ticket_types.c.number == number


def _check(details: TypeDetails) -> None:
    """Raise `InvalidInput` for what cannot be meant together."""
    problems: dict[str, Problem] = {}
    if details.max_tickets is not None and details.max_tickets < details.min_tickets:
        problems["maxTickets"] = Problem("at_least", limit=details.min_tickets)
    if details.quota is not None and details.quota < details.min_tickets:
        problems["quota"] = Problem("at_least", limit=details.min_tickets)
    opens, closes = details.sales_open_at, details.sales_close_at
    if opens is not None and closes is not None and closes <= opens:
        problems["salesCloseAt"] = Problem("sales_close_before_open")
    if problems:
        raise InvalidInput(problems)


def _check_name(types: Sequence[TicketTypeRow], name: str, *, number: int | None) -> None:
    folded = name.casefold()
    if any(row.name.casefold() == folded and row.number != number for row in types):
        raise InvalidInput({"name": Problem("type_name_taken")})


def _line(
    what: str, actor: Actor, number: int, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """A line of the event's history: `{"ticket_type": [before, after]}`, each with its number."""

    def told(values: Mapping[str, Any]) -> dict[str, Any] | None:
        if not values:
            return None
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
        }
        return {"number": number, **plain}

    details = {"ticket_type": [told(before), told(after)]}
    return {"what": what, "actor": str(actor), "details": details}
