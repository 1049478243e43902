"""Book, cancel and change tickets: each verb is one command in one committed batch."""

from webapp.booking.batch import Request
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Outcome,
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
    reference: str = "",
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Outcome:
    """Cancel a booking and promote whom its tickets reach; again is harmless, same answer.

    The booking is named by its position, or by its attendee: the active one, else the latest.
    One that was found by its `reference` is left alone if that was replaced meanwhile.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `LinkReplaced`,
    `IdempotencyConflict`, `Unavailable`.
    """
    command = CancelBooking(position, attendee_id)
    return _release("cancel", Request(event_id, command, actor, key, reference=reference))


def change_tickets(
    event_id: int,
    *,
    position: int,
    tickets: int,
    reference: str = "",
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Outcome:
    """Keep a booking with fewer tickets and promote whom the others reach.

    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `LinkReplaced` (of `reference`),
    `InvalidInput` (tickets), `IdempotencyConflict`, `Unavailable`.
    """
    command = ChangeTickets(position, tickets)
    return _release("change", Request(event_id, command, actor, key, reference=reference))


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
