"""Another name or address for a booking; the history tells which field, never the values.

A name counts at once. A new address is asked by mail, and counts once the button behind the token
in that mail was pressed.
"""

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, update

from webapp.booking.access import check_own
from webapp.booking.change import EventChange
from webapp.booking.commands import ATTENDEE, Actor, KeepBooking, Refusal, TermKind
from webapp.booking.guests import is_guest_id
from webapp.booking.links import (
    Purpose,
    Token,
    change_booking,
    check_active,
    check_state,
    find_current,
    state_of,
)
from webapp.booking.load import claims_of
from webapp.booking.refusals import error_of
from webapp.booking.save_mails import enqueue_mail
from webapp.errors import AlreadyBooked
from webapp.logs import log_event
from webapp.storage import idempotency, outbox
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.tables import bookings


class Correction(NamedTuple):
    """What became of a correction: fields that are changed, and whether an address is asked."""

    changed: list[str]
    asks_address: bool


def correct_booking(
    event_id: int,
    *,
    position: int,
    name: str | None = None,
    email: str | None = None,
    reference: str = "",
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> Correction:
    """Change the name of a booking, and ask a new address by mail whether it is one.

    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `LinkReplaced` (of `reference`),
    `IdempotencyConflict`, `Unavailable`.
    """

    def decide(connection: Connection, change: EventChange, now: datetime) -> Correction:
        if actor.is_organizer:
            check_own(change.event, actor)
        work = partial(correct, connection, change, now)
        return Correction(**idempotency.run_once(connection, key, event_id, work)["correction"])

    def correct(connection: Connection, change: EventChange, now: datetime) -> dict[str, Any]:
        booking = find_current(connection, event_id, position, reference)
        check_active(booking)
        is_renamed = name is not None and name != booking.name
        if is_renamed:
            _set(connection, change, position, actor, {"name": name})
        asks_address = email is not None and email != booking.email
        if asks_address:
            outbox.enqueue(
                connection,
                Purpose.NEW_ADDRESS.value,
                recipient=email,
                event_id=event_id,
                position=position,
                details={"state": state_of(booking)},
                network=actor.network,
                now=now,
            )
        made = Correction(["name"] if is_renamed else [], asks_address)
        return {"position": position, "correction": made._asdict()}

    made = change_booking(event_id, decide)
    if made.changed or made.asks_address:
        log_event("correction", event_id=event_id, position=position, actor=actor)
    return made


def set_address(token: Token) -> None:
    """Give a booking the address to which the token was mailed; again is harmless.

    What is still to be sent goes there, and its mail once more. The old address is told, unless it
    was asked whether it is one and has not answered: then the new one has.
    Raises `BookingNotFound`, `BookingClosed`, `LinkExpired`, `AlreadyBooked`, `Unavailable`.
    """
    event_id, position, address = token.event_id, token.position, token.address

    def decide(connection: Connection, change: EventChange, now: datetime) -> None:
        booking = find_current(connection, event_id, position, "")
        old = booking.email
        if old == address:
            return
        check_state(booking, token)
        check_active(booking)
        values = {"email": address}
        if booking.attendee_id == old or is_guest_id(booking.attendee_id):
            held = claims_of(connection, attendees=[(event_id, address)]).get(event_id)
            if held:
                raise AlreadyBooked("new_address", position=held[0].position)
            values["attendee_id"] = address
        _set(connection, change, position, ATTENDEE, values)
        if old is not None:
            outbox.readdress(connection, event_id, position, old=old, new=address)
        if _keep_place(change, position, now):
            # An address that never answered is left alone; what is kept is told.
            return
        here = (bookings.c.event_id == event_id, bookings.c.position == position)
        if old is not None:
            outbox.enqueue(
                connection,
                "address_changed",
                recipient=old,
                event_id=event_id,
                position=position,
                now=now,
            )
        enqueue_mail(connection, booking.status, *here, now=now)

    change_booking(event_id, decide, answers=position)
    log_event("address changed", event_id=event_id, position=position)


def _keep_place(change: EventChange, position: int, now: datetime) -> bool:
    """Answer the question for an address where it is open: that of the new one is shown.

    Raises `BookingClosed` where it comes too late.
    """
    term = change.ledger.terms.get(position)
    if term is None or term.kind is not TermKind.ADDRESS or not term.is_open:
        return False
    outcome = change.ledger.decide(KeepBooking(position, shows_address=True), ATTENDEE)
    if isinstance(outcome, Refusal):
        raise error_of(outcome, change.event, now)
    return True


def _set(
    connection: Connection,
    change: EventChange,
    position: int,
    actor: Actor,
    values: dict[str, Any],
) -> None:
    """Change columns of a booking and note the first of them in the history."""
    here = (bookings.c.event_id == change.event.id, bookings.c.position == position)
    connection.execute(update(bookings).where(*here).values(values))
    line = {"what": "corrected", "actor": str(actor), "position": position}
    change.history = [{**line, "details": {"fields": [next(iter(values))]}}]
