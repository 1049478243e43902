"""Book, cancel and change tickets: each verb is one command in one committed batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from webapp.logs import operation
from webapp.models import activities, bookings
from webapp.services import book
from webapp.services.access import check_own
from webapp.services.batch import Request, submit
from webapp.services.commands import Book, Booked, Cancel, ChangeTickets, Released, Status, What
from webapp.services.idempotency import Once
from webapp.services.record import Particulars
from webapp.services.transaction import read


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request to book; `rank` is its place in the waiting list, from 1."""

    event_id: int
    position: int
    reference: str
    status: Status
    tickets: int
    rank: int | None


@dataclass(frozen=True, slots=True)
class Release:
    """What became of a cancel or change.

    `promoted` are the bookings that got the tickets: their references by position, in order; for
    the organizer's eyes only.
    """

    event_id: int
    position: int
    reference: str
    tickets: int
    promoted: dict[int, str]


def book_tickets(
    event_id: int,
    *,
    attendee_id: str,
    tickets: int = 1,
    name: str = "",
    email: str | None = None,
    organizer_id: int | None = None,
    once: Once | None = None,
) -> Receipt:
    """Book `tickets` for an attendee: confirmed while there is room, else waiting.

    `organizer_id` is given when the organizer books for somebody.
    Raises `EventNotFound`, `EventClosed`, `InvalidInput` (tickets), `AlreadyBooked`, `SoldOut`,
    `WaitingListFull`, `IdempotencyConflict`, `Unavailable`.
    """
    command = Book(attendee_id, tickets, book.new_reference())
    particulars = Particulars(book.new_ticket_code(), name, email)
    request = Request(event_id, command, organizer_id, once, particulars)
    settled = submit(request)
    made = settled.outcome
    assert isinstance(made, Booked)
    references = settled.references
    if settled.repeated:
        references = _references(event_id, [made.position])
    else:
        operation(
            "booking",
            event_id=event_id,
            position=made.position,
            status=made.status,
            tickets=made.tickets,
            actor=request.actor,
        )
    reference = references[made.position]
    return Receipt(event_id, made.position, reference, made.status, made.tickets, made.rank)


def cancel_booking(
    event_id: int,
    *,
    position: int | None = None,
    attendee_id: str | None = None,
    organizer_id: int | None = None,
    once: Once | None = None,
) -> Release:
    """Cancel a booking and promote whom its tickets reach; again is harmless, same answer.

    The booking is named by its position, or by its attendee: the active one, else the latest.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `IdempotencyConflict`,
    `Unavailable`.
    """
    command = Cancel(position, attendee_id, by_organizer=organizer_id is not None)
    return _release("cancel", Request(event_id, command, organizer_id, once))


def change_tickets(
    event_id: int,
    *,
    position: int,
    tickets: int,
    organizer_id: int | None = None,
    once: Once | None = None,
) -> Release:
    """Keep a booking with fewer tickets and promote whom the others reach.

    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `InvalidInput` (tickets),
    `IdempotencyConflict`, `Unavailable`.
    """
    command = ChangeTickets(position, tickets, by_organizer=organizer_id is not None)
    return _release("change", Request(event_id, command, organizer_id, once))


def references_of(
    event: Row[Any], positions: Iterable[int], *, organizer_id: int
) -> dict[int, str]:
    """The references of bookings by position, in order, for the event's organizer.

    Raises `EventNotFound`.
    """
    return _references(check_own(event, organizer_id=organizer_id).id, positions)


def _references(event_id: int, positions: Iterable[int]) -> dict[int, str]:
    query = (
        select(bookings.c.position, bookings.c.reference)
        .where(bookings.c.event_id == event_id, bookings.c.position.in_(list(positions)))
        .order_by(bookings.c.position)
    )
    rows = read(lambda connection: connection.execute(query).all())
    return {row.position: row.reference for row in rows}


def _release(what: str, request: Request) -> Release:
    event_id, settled = request.event_id, submit(request)
    done = settled.outcome
    assert isinstance(done, Released)
    references, promoted = settled.references, done.promoted
    if promoted is None:
        promoted = _promoted_by(event_id, done.position)
    if settled.repeated or done.repeated:
        references = _references(event_id, [done.position, *promoted])
    else:
        operation(what, event_id=event_id, position=done.position, actor=request.actor)
        for position in promoted:
            operation("promotion", event_id=event_id, position=position, cause=done.position)
    return Release(
        event_id,
        done.position,
        references[done.position],
        done.tickets,
        {position: references[position] for position in promoted},
    )


def _promoted_by(event_id: int, position: int) -> list[int]:
    """Who moved up when the booking at `position` was cancelled, as its history tells."""
    cancel = (
        select(activities.c.revision)
        .where(
            activities.c.event_id == event_id,
            activities.c.position == position,
            activities.c.what == What.CANCELLED,
        )
        .scalar_subquery()
    )
    query = (
        select(activities.c.position)
        .where(
            activities.c.event_id == event_id,
            activities.c.revision == cancel,
            activities.c.cause == position,
        )
        .order_by(activities.c.position)
    )
    return list(read(lambda connection: connection.execute(query).scalars().all()))
