"""What a command would lead to as things are: told before it is given."""

from collections.abc import Sequence

from sqlalchemy import Connection

from webapp import clock
from webapp.booking import load
from webapp.booking.access import check_own
from webapp.booking.commands import Actor, CancelBooking, ChangeTickets, Outcome
from webapp.booking.inventory import inventory_of
from webapp.booking.ledger import InconsistentLedger, Ledger
from webapp.storage.rows import EventRow
from webapp.storage.transaction import read


def would_move_up(
    event: EventRow, command: CancelBooking | ChangeTickets, *, actor: Actor
) -> Sequence[int]:
    """The positions of those who would move up if a booking was cancelled or reduced now.

    Raises `EventNotFound` for anybody else's event, `Unavailable`.
    """
    check_own(event, actor)

    def work(connection: Connection) -> Sequence[int]:
        places = [(event.id, command.position or 0)]
        claims = load.claims_of(connection, positions=places).get(event.id, ())
        waiting = load.waiting_list(connection, event.id)
        try:
            outcome = Ledger(inventory_of(event, clock.now()), claims, waiting).decide(
                command, actor
            )
        except InconsistentLedger:
            # The event has been changed since it was read.
            return ()
        return list(outcome.promoted) if isinstance(outcome, Outcome) else ()

    return read(work)
