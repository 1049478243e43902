"""A booking's link: asking for a new one, replacing it, and the tokens that only mails hold.

A token names what its button does and the booking as it was when it was asked for. It dies once the
booking has another reference or another address, and after a day.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Connection, insert, select, update

from webapp import clock
from webapp.booking.access import check_own
from webapp.booking.batch import Batch
from webapp.booking.change import EventChange
from webapp.booking.codes import (
    REFERENCE,
    TICKET_CODE,
    code_hash,
    new_reference,
    new_ticket_code,
)
from webapp.booking.commands import ATTENDEE, Actor, KeepBooking, Status, is_active
from webapp.booking.decisions import Request
from webapp.booking.load import lock_event
from webapp.booking.questions import ask_address_anew
from webapp.booking.save_mails import enqueue_mail
from webapp.config import current_settings
from webapp.errors import (
    BookingClosed,
    BookingNotFound,
    LinkExpired,
    LinkReplaced,
    NoAddress,
)
from webapp.logs import log_event
from webapp.storage import idempotency, outbox
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import BookingRow
from webapp.storage.tables import bookings, old_codes
from webapp.storage.transaction import write

T = TypeVar("T")

VALID = timedelta(hours=24)


class Purpose(StrEnum):
    """What the button behind a token does; also the kind of mail that asks."""

    NEW_LINK = "new_link"
    NEW_ADDRESS = "new_address"
    TICKET_OFFER = "ticket_offer"


class Token(NamedTuple):
    """What a token says: the booking, its `state` when it was asked for, and an address.

    For a ticket that is offered to somebody else it also says the name.
    """

    event_id: int
    position: int
    state: str
    address: str
    name: str = ""


def make_token(purpose: Purpose, token: Token) -> str:
    """A token that is good from now on for `VALID`."""
    until = clock.now() + VALID
    return str(_signer(purpose).dumps([int(until.timestamp()), *token]))


def read_token(purpose: Purpose, text: str) -> Token:
    """What `make_token` was given. Raises `LinkExpired`."""
    try:
        until, *said = _signer(purpose).loads(text)
    except BadData as error:
        raise LinkExpired from error
    if int(clock.now().timestamp()) > until:
        raise LinkExpired
    return Token(*said)


def _signer(purpose: Purpose) -> URLSafeSerializer:
    secret = current_settings().secret_key
    assert secret is not None
    return URLSafeSerializer(secret, salt=f"booking {purpose}")


def state_of(booking: BookingRow) -> str:
    """What a token is bound to: the reference and the address of a booking, as a short hash."""
    told = f"{booking.reference} {booking.email or ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def ask_for_new_link(
    event_id: int, *, position: int, reference: str, network: str | None = None
) -> None:
    """Mail a token to the booking's address, if it has one and the booking is active.

    `network` is the one that a stranger asks from.
    Raises `EventNotFound`, `BookingNotFound`, `LinkReplaced`, `Unavailable`.
    """

    def work(connection: Connection) -> None:
        lock_event(connection, event_id)
        booking = find_current(connection, event_id, position, reference)
        if booking.email is not None and is_active(booking.status):
            outbox.enqueue(
                connection,
                Purpose.NEW_LINK.value,
                recipient=booking.email,
                event_id=event_id,
                position=position,
                details={"state": state_of(booking)},
                network=network,
                now=clock.now(),
            )

    write(work)
    log_event("new link asked for", event_id=event_id, position=position)


def replace_link(token: Token, *, reference: str) -> str:
    """Replace the link of a booking for whoever has the token; the new reference.

    Raises `BookingNotFound`, `BookingClosed`, `LinkReplaced`, `LinkExpired`, `Unavailable`.
    """

    def check(_: EventChange, booking: BookingRow) -> None:
        check_state(booking, token)

    return _replace(token.event_id, token.position, check, reference=reference)


def replace_link_of(
    event_id: int,
    *,
    position: int,
    actor: Actor,
    reference: str = "",
    key: IdempotencyKey | None = None,
) -> None:
    """Replace the link of a booking for the organizer of its event.

    Raises `EventNotFound`, `BookingNotFound`, `BookingClosed`, `NoAddress`, `LinkReplaced` (of
    `reference`), `IdempotencyConflict`, `Unavailable`.
    """

    def check(change: EventChange, _: BookingRow) -> None:
        check_own(change.event, actor)

    _replace(event_id, position, check, reference=reference, actor=actor, key=key)


def _replace(
    event_id: int,
    position: int,
    check: Callable[[EventChange, BookingRow], None],
    *,
    reference: str = "",
    actor: Actor = ATTENDEE,
    key: IdempotencyKey | None = None,
) -> str:
    # Made before the transaction: one that is run again writes the same.
    new = {"reference": new_reference(), "ticket_code": new_ticket_code()}

    def decide(connection: Connection, change: EventChange, now: datetime) -> bool:
        booking = find_current(connection, event_id, position, reference)
        check(change, booking)
        work = partial(replace, connection, change, booking, now)
        idempotency.run_once(connection, key, event_id, work)
        return bool(change.history)

    def replace(
        connection: Connection, change: EventChange, booking: BookingRow, now: datetime
    ) -> dict[str, Any]:
        check_active(booking)
        if booking.email is None:
            raise NoAddress
        keep_old_codes(connection, booking, now)
        here = (bookings.c.event_id == event_id, bookings.c.position == position)
        connection.execute(update(bookings).where(*here).values(new))
        # The token that was mailed is void: who has not answered is asked anew.
        is_asked = ask_address_anew(connection, event_id, position)
        enqueue_mail(connection, "ask_address" if is_asked else "link_replaced", *here, now=now)
        change.history = [{"what": "replaced", "actor": str(actor), "position": position}]
        return {"position": position}

    if change_booking(event_id, decide):
        log_event("link replaced", event_id=event_id, position=position, actor=actor)
    return new["reference"]


def keep_old_codes(connection: Connection, booking: BookingRow, now: datetime) -> None:
    """Keep the hashes of the codes that a booking has until now, for they are about to be void."""
    old = {REFERENCE: booking.reference, TICKET_CODE: booking.ticket_code}
    place = {"event_id": booking.event_id, "position": booking.position, "replaced_at": now}
    hashes = [{**place, "kind": kind, "code_hash": code_hash(code)} for kind, code in old.items()]
    connection.execute(insert(old_codes), hashes)


def change_booking(
    event_id: int,
    decide: Callable[[Connection, EventChange, datetime], T],
    *,
    answers: int | None = None,
) -> T:
    """Run a batch that changes what a booking says of itself, not its tickets.

    `answers` is the position of a booking whose term may be answered as well.
    Raises `EventNotFound`, `Unavailable`, and what `decide` raises.
    """
    requests = [] if answers is None else [Request(event_id, KeepBooking(answers))]
    batch = Batch()

    def work(connection: Connection) -> T:
        event = lock_event(connection, event_id)
        return batch.run(
            connection,
            [event],
            lambda changes, now: decide(connection, changes[event_id], now),
            requests=requests,
        )

    return write(work, already_committed=batch.already_committed)


def find_current(
    connection: Connection, event_id: int, position: int, reference: str
) -> BookingRow:
    """The booking at a position, under the lock of its event.

    One that was found by its `reference` has to have it still. Raises `BookingNotFound`,
    `LinkReplaced`.
    """
    query = select(bookings).where(bookings.c.event_id == event_id, bookings.c.position == position)
    booking = cast(BookingRow | None, connection.execute(query).one_or_none())
    if booking is None:
        raise BookingNotFound
    if reference and booking.reference != reference:
        raise LinkReplaced
    return booking


def check_state(booking: BookingRow, token: Token) -> None:
    """Raise `LinkExpired` unless the booking is as it was when the token was asked for."""
    if state_of(booking) != token.state:
        raise LinkExpired


def check_active(booking: BookingRow) -> None:
    """Raise `BookingClosed` for a booking that is over."""
    if not is_active(booking.status):
        raise BookingClosed("lapsed" if booking.status == Status.LAPSED else "not_active")
