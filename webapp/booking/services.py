"""Book, cancel, change and take tickets: each verb is one command in one committed batch."""

from webapp.booking.change import BookingDetails
from webapp.booking.codes import is_token_for, new_reference, new_ticket_code
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    KeepBooking,
    Outcome,
    TakeFree,
    TermKind,
)
from webapp.booking.decisions import Request
from webapp.booking.queue import submit
from webapp.booking.ticket_types import Wants, as_kept, text_of
from webapp.logs import log_event
from webapp.storage.idempotency import IdempotencyKey


def book_tickets(
    event_id: int,
    *,
    attendee_id: str,
    tickets: int = 1,
    wants: Wants | None = None,
    code: str | None = None,
    name: str = "",
    email: str | None = None,
    language: str | None = None,
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
    must_answer: bool = False,
    past_sale: bool = False,
    only_now: bool = False,
    is_told: bool = True,
) -> Outcome:
    """Book `tickets` for an attendee: confirmed while there is room, else waiting.

    `language` is the code of the one in which its mails are written; none for that of `LANGUAGE`.
    Where the event asks, or the booking `must_answer`, the outcome is `asked`: the place is held,
    and lapses unless the address answers the mail. An organizer's own booking is never asked.
    With `past_sale` an organizer books although booking is closed or not yet open, the event is a
    draft or runs; whoever sells for them at the door does once it has started. It never helps an
    attendee. With `only_now` what would wait is refused: `NotFree` (at_once) where fewer are free,
    `SoldOut` (at_once, others_wait, started). `is_told` says whether the booking is mailed.
    Of an event with ticket types `wants` says which, `{type: tickets}`, in place of `tickets`;
    without it they are of the one type that is on sale. `code` unlocks types; it is taken without
    regard to case and outer spaces.
    Raises `EventNotFound`, `EventClosed`, `InvalidInput` (tickets, items, code; userId without an
    address where it is asked), `ChooseTicketType`, `UnknownCode`, `AlreadyBooked`, `SoldOut`,
    `WaitingListFull`, `IdempotencyConflict`, `Unavailable`.
    """
    command = BookTickets(
        attendee_id,
        sum(wants.values()) if wants else tickets,
        new_reference(),
        past_sale,
        only_now,
        text_of(wants or {}),
        as_kept(code or "") or None,
    )
    details = BookingDetails(new_ticket_code(), name, email, language, is_told)
    outcome = submit(Request(event_id, command, actor, key, details, must_answer))
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
    tickets: int = 0,
    wants: Wants | None = None,
    reference: str = "",
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
    past_sale: bool = False,
) -> Outcome:
    """Give a booking another number of tickets, or of each type (`wants`, as in `book_tickets`).

    What it gives back is handed to the next in line; more it gets only while nobody waits, and past
    the doors of sale as `book_tickets` does.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `LinkReplaced` (of `reference`),
    `InvalidInput` (tickets, items, code), `EventClosed` and `NotFree` (of more tickets),
    `IdempotencyConflict`, `Unavailable`.
    """
    command = ChangeTickets(
        position, sum(wants.values()) if wants else tickets, past_sale, text_of(wants or {})
    )
    return _release("change", Request(event_id, command, actor, key, reference=reference))


def keep_booking(
    event_id: int,
    *,
    position: int,
    reference: str,
    token: str | None = None,
    actor: Actor = ATTENDEE,
) -> Outcome:
    """Answer what a booking's attendee was asked: it keeps its place; again is harmless.

    `token` comes from the mail that asks for the address; without it only an organizer can answer
    that for somebody. Whether they are still coming is answered by the reference alone. Where
    nothing is asked nothing changes.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed` (lapsed where it comes too late),
    `LinkReplaced` (of `reference`), `TokenNeeded`, `Unavailable`.
    """
    shown = token is not None and is_token_for(
        token, event_id, position, purpose=TermKind.ADDRESS, reference=reference
    )
    command = KeepBooking(position, shows_address=shown)
    outcome = submit(Request(event_id, command, actor, reference=reference))
    if not outcome.repeated:
        log_event("keep", event_id=event_id, position=position, actor=actor)
    return outcome


def take_free(
    event_id: int,
    *,
    position: int,
    tickets: int = 0,
    wants: Wants | None = None,
    reference: str = "",
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Outcome:
    """Confirm who is next in line with `tickets` that are free, or `wants`, fewer than it wants.

    Again is harmless, same answer.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `EventClosed` once the event has
    started, `InvalidInput` (tickets, items), `LinkReplaced` (of `reference`), `NotFree`,
    `IdempotencyConflict`, `Unavailable`.
    """
    command = TakeFree(position, sum(wants.values()) if wants else tickets, text_of(wants or {}))
    return _release("take", Request(event_id, command, actor, key, reference=reference))


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
