"""What a command would lead to as things are: told before it is given."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from webapp import clock
from webapp.booking import load
from webapp.booking.access import check_own
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Outcome,
    Refusal,
)
from webapp.booking.decisions import Request
from webapp.booking.line import InconsistentLedger
from webapp.booking.load_types import codes_of, open_ledger
from webapp.booking.refusals import error_of
from webapp.storage.rows import EventRow
from webapp.storage.transaction import read


def would_move_up(
    event: EventRow, command: CancelBooking | ChangeTickets, *, actor: Actor
) -> Sequence[int]:
    """The positions of those who would move up if a booking was cancelled or reduced now.

    Raises `EventNotFound` for anybody else's event, `Unavailable`.
    """
    check_own(event, actor)
    outcome = _decided(event, command, actor)
    return list(outcome.promoted) if isinstance(outcome, Outcome) else ()


def refuse_change(event: EventRow, command: ChangeTickets, *, actor: Actor) -> None:
    """Raise what an organizer would be told who gave a booking these tickets by type.

    Raises `EventNotFound` for anybody else's event, `Unavailable`.
    """
    check_own(event, actor)
    outcome = _decided(event, command, actor)
    if isinstance(outcome, Refusal):
        raise error_of(outcome, event, clock.now(), field="items")


def _decided(
    event: EventRow, command: CancelBooking | ChangeTickets, actor: Actor
) -> Outcome | Refusal | None:
    """What would become of a command; none where the event was changed since it was read."""

    def work(connection: Connection) -> Outcome | Refusal | None:
        places = [(event.id, command.position or 0)]
        claims = load.claims_of(connection, positions=places).get(event.id, ())
        try:
            return open_ledger(connection, event, claims, clock.now()).decide(command, actor)
        except InconsistentLedger:
            return None

    return read(work)


def refuse_as_newcomer(event: EventRow, command: BookTickets) -> None:
    """Raise what somebody without a booking would be told who asks for these tickets.

    Whoever is not to learn that an address has a booking is told this.
    """
    now = clock.now()
    asked = Request(event.id, replace(command, attendee_id=""))

    def work(connection: Connection) -> Outcome | Refusal:
        codes = codes_of(connection, [asked], {}, now) if event.types else None
        ledger = open_ledger(connection, event, (), now, codes=codes)
        return ledger.decide(asked.command, ATTENDEE)

    decided = read(work)
    if isinstance(decided, Refusal):
        raise error_of(decided, event, now, field="items" if command.wants else "tickets")
