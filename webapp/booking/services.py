"""Book, cancel, change and take tickets: each verb is one command in one committed batch."""

from webapp.booking.batch import Request
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Outcome,
    TakeFree,
)
from webapp.booking.queue import submit
from webapp.booking.save import BookingDetails
from webapp.logs import log_event
from webapp.storage.idempotency import IdempotencyKey


def book_tickets(
    event_id: int,
    *,
    attendee_id: str,
    tickets: int = 1,
    name: str = "",
    email: str | None = None,
    language: str | None = None,
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Outcome:
    """Book `tickets` for an attendee: confirmed while there is room, else waiting.

    `language` is the code of the one in which its mails are written; none for that of `LANGUAGE`.
    Raises `EventNotFound`, `EventClosed`, `InvalidInput` (tickets), `AlreadyBooked`, `SoldOut`,
    `WaitingListFull`, `IdempotencyConflict`, `Unavailable`.
    """
    command = BookTickets(attendee_id, tickets, new_reference())
    details = BookingDetails(new_ticket_code(), name, email, language)
    outcome = submit(Request(event_id, command, actor, key, details))
    if not outcome.repeated:
        log_event(
            "booking",
            event_id=event_id,
            position=outcome.position,
            status=outcome.status,
            tickets=outcome.tickets,
            actor=actor,
        )
    return outcome


def cancel_booking(
    event_id: int,
    *,
    position: int | None = None,
    attendee_id: str | None = None,
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Outcome:
    """Cancel a booking and promote whom its tickets reach; again is harmless, same answer.

    The booking is named by its position, or by its attendee: the active one, else the latest.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `IdempotencyConflict`,
    `Unavailable`.
    """
    return _release("cancel", Request(event_id, CancelBooking(position, attendee_id), actor, key))


def change_tickets(
    event_id: int,
    *,
    position: int,
    tickets: int,
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Outcome:
    """Give a booking another number of tickets.

    What it gives back is handed to the next in line; more it gets only while nobody waits.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `InvalidInput` (tickets),
    `EventClosed` and `NotFree` (of more tickets), `IdempotencyConflict`, `Unavailable`.
    """
    return _release("change", Request(event_id, ChangeTickets(position, tickets), actor, key))


def take_free(
    event_id: int,
    *,
    position: int,
    tickets: int,
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Outcome:
    """Confirm the head of the waiting list with `tickets` that are free, fewer than it wants.

    Again is harmless, same answer.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `EventClosed` once the event has
    started, `InvalidInput` (tickets), `NotFree`, `IdempotencyConflict`, `Unavailable`.
    """
    return _release("take", Request(event_id, TakeFree(position, tickets), actor, key))


def _release(what: str, request: Request) -> Outcome:
    event_id, outcome = request.event_id, submit(request)
    if not outcome.repeated:
        log_event(what, event_id=event_id, position=outcome.position, actor=request.actor)
        log_promotions(event_id, outcome)
    return outcome


def log_promotions(event_id: int, outcome: Outcome) -> None:
    """Log each booking that moved up."""
    cause = {"cause": outcome.position} if outcome.position else {}
    for position in outcome.promoted:
        log_event("promotion", event_id=event_id, position=position, **cause)
