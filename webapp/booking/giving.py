"""A confirmed ticket is given to somebody else: another name and address, another link and code.

The old link and ticket code are void from then on. Nobody gets a place in line in this way, and
nobody a second booking. Where an event asks addresses the receiver is asked by mail first, and the
ticket stays where it is until the button behind that mail was pressed.
"""

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, update

from webapp.booking.access import check_own
from webapp.booking.change import EventChange
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import (
    ATTENDEE,
    ActivityKind,
    Actor,
    KeepBooking,
    Refusal,
    Status,
    TermKind,
    attendee,
)
from webapp.booking.inventory import has_started
from webapp.booking.links import (
    Purpose,
    Token,
    change_booking,
    check_active,
    check_state,
    find_current,
    keep_old_codes,
    state_of,
)
from webapp.booking.load import claims_of
from webapp.booking.open_questions import Question
from webapp.booking.refusals import error_of
from webapp.booking.save_mails import enqueue_mail
from webapp.booking.terms import asks_addresses
from webapp.errors import AlreadyBooked, BookingClosed, InvalidInput, Problem
from webapp.logs import log_event
from webapp.storage import idempotency, outbox
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import BookingRow, LockedEvent
from webapp.storage.tables import bookings

# Told to whoever had the ticket, whatever became of it since.
FAREWELLS = ("ticket_given", "address_changed")
# Meant for whoever comes.
PASSED_ON = ("message", "reminder", "event_changed")


class Gift(NamedTuple):
    """What became of it: the receiver is asked first, or the booking has a new reference."""

    is_asked: bool
    reference: str


def give_ticket(
    event_id: int,
    *,
    position: int,
    name: str,
    email: str,
    reference: str = "",
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Gift:
    """Give a confirmed booking to somebody else, or ask them where the event asks addresses.

    An organizer's gift is never asked, and an attendee's ends with the start of the event.
    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `AlreadyBooked`, `InvalidInput`
    (email), `LinkReplaced` (of `reference`), `IdempotencyConflict`, `Unavailable`.
    """
    # Made before the transaction: one that is run again writes the same.
    codes = {"reference": new_reference(), "ticket_code": new_ticket_code()}
    to = {"name": name, "email": email, **codes}

    def decide(connection: Connection, change: EventChange, now: datetime) -> Gift:
        if actor.is_organizer:
            check_own(change.event, actor)
        work = partial(give, connection, change, now)
        return Gift(*idempotency.run_once(connection, key, event_id, work)["gift"])

    def give(connection: Connection, change: EventChange, now: datetime) -> dict[str, Any]:
        booking = find_current(connection, event_id, position, reference)
        _check(change, booking, actor, now)
        if email in (booking.email, booking.attendee_id):
            raise InvalidInput({"email": Problem("same_address")})
        is_asked = not actor.is_organizer and asks_addresses(change.event, now)
        if is_asked:
            outbox.enqueue(
                connection,
                Purpose.TICKET_OFFER.value,
                recipient=email,
                event_id=event_id,
                position=position,
                details={"state": state_of(booking), "name": name},
                network=actor.network,
                now=now,
            )
        else:
            _hand_over(connection, change, booking, to, actor, now)
        gift = Gift(is_asked, "" if is_asked else codes["reference"])
        return {"position": position, "gift": list(gift)}

    gift = change_booking(event_id, decide, answers=position)
    log_event(
        "ticket offered" if gift.is_asked else "ticket given",
        event_id=event_id,
        position=position,
        actor=actor,
    )
    return gift


def take_over(token: Token, *, network: str | None = None) -> str:
    """Give a ticket to the address to which the token was mailed; the new reference.

    Again is harmless, same answer, as long as they have it. Raises `BookingNotFound`,
    `BookingClosed`, `LinkExpired`, `AlreadyBooked`, `Unavailable`.
    """
    codes = {"reference": new_reference(), "ticket_code": new_ticket_code()}
    to = {"name": token.name, "email": token.address, **codes}
    actor = attendee(network)

    def decide(connection: Connection, change: EventChange, now: datetime) -> str:
        booking = find_current(connection, token.event_id, token.position, "")
        if booking.email == token.address and booking.times_given:
            return booking.reference
        check_state(booking, token)
        _check(change, booking, actor, now)
        # Who reads the mails of this address has caused it.
        _hand_over(connection, change, booking, to, ATTENDEE, now)
        return codes["reference"]

    reference = change_booking(token.event_id, decide, answers=token.position)
    log_event("ticket given", event_id=token.event_id, position=token.position, actor=actor)
    return reference


def may_give(
    booking: BookingRow, event: LockedEvent, question: Question | None, now: datetime
) -> bool:
    """Whether the attendee of a booking can give its ticket to somebody else now."""
    if booking.status != Status.CONFIRMED or booking.admitted or has_started(event, now):
        return False
    return question is None or question.kind is not TermKind.ADDRESS


def _check(change: EventChange, booking: BookingRow, actor: Actor, now: datetime) -> None:
    """Raise `BookingClosed` for a booking that its attendee cannot give to somebody else."""
    check_active(booking)
    if booking.status != Status.CONFIRMED:
        raise BookingClosed("not_confirmed")
    if not actor.is_organizer and has_started(change.event, now):
        raise BookingClosed("too_late")
    if not actor.is_organizer and booking.admitted:
        raise BookingClosed("admitted")
    term = change.ledger.terms.get(booking.position)
    if term is not None and term.is_open and term.kind is TermKind.ADDRESS:
        raise BookingClosed("unanswered")


def _hand_over(
    connection: Connection,
    change: EventChange,
    booking: BookingRow,
    to: dict[str, str],
    actor: Actor,
    now: datetime,
) -> None:
    """Make a booking somebody else's, and tell both. Raises `AlreadyBooked`, `BookingClosed`."""
    event_id, position, email = booking.event_id, booking.position, to["email"]
    if held := claims_of(connection, attendees=[(event_id, email)]).get(event_id):
        raise AlreadyBooked("receiver", position=held[0].position)
    _answer(change, position, actor, now)
    keep_old_codes(connection, booking, now)
    holder = booking.times_given or 0
    here = (bookings.c.event_id == event_id, bookings.c.position == position)
    values = {**to, "attendee_id": email, "times_given": holder + 1}
    connection.execute(update(bookings).where(*here).values(values))
    if booking.email is not None:
        # Whatever is written from now on leads to the new link.
        outbox.hand_on(
            connection,
            event_id,
            position,
            old=booking.email,
            new=email,
            kinds=PASSED_ON,
            keep=FAREWELLS,
        )
        outbox.enqueue(
            connection,
            "ticket_given",
            recipient=booking.email,
            event_id=event_id,
            position=position,
            details={"holder": holder},
            now=now,
        )
    enqueue_mail(connection, "ticket_received", *here, network=actor.network, now=now)
    line = {
        "what": ActivityKind.GIVEN,
        "actor": str(actor),
        "position": position,
        "status_before": booking.status,
        "status_after": booking.status,
        "tickets_before": booking.tickets,
        "tickets_after": booking.tickets,
    }
    change.history = [{**line, "details": {"fields": ["name", "email"]}}]


def _answer(change: EventChange, position: int, actor: Actor, now: datetime) -> None:
    """Whether somebody is still coming is answered: for that it is given to somebody else.

    Raises `BookingClosed` where it comes too late.
    """
    term = change.ledger.terms.get(position)
    if term is not None and term.is_open:
        outcome = change.ledger.decide(KeepBooking(position), actor)
        if isinstance(outcome, Refusal):
            raise error_of(outcome, change.event, now)
