"""What the caller is told of a refusal."""

from datetime import datetime

from webapp.booking.commands import ATTENDEE, BookTickets, Reason, Refusal
from webapp.booking.inventory import Closure, closure_of, has_started, inventory_of
from webapp.booking.ledger import Ledger
from webapp.errors import (
    AlreadyBooked,
    BookingClosed,
    BookingNotFound,
    DomainError,
    EventClosed,
    InvalidInput,
    NotFree,
    Problem,
    SoldOut,
    TokenNeeded,
    WaitingListFull,
)
from webapp.storage.rows import LockedEvent


def error_of(refusal: Refusal, event: LockedEvent, now: datetime) -> DomainError:
    """The error that tells a caller why a command was refused."""
    match refusal.reason:
        case Reason.ALREADY_BOOKED:
            assert refusal.position is not None
            return AlreadyBooked(position=refusal.position)
        case Reason.NOT_OPEN:
            return why_closed(event, now)
        case Reason.LIST_ENDED:
            return EventClosed(closure_of(event, now) or Closure.STARTED)
        case Reason.SOLD_OUT:
            return SoldOut("started" if has_started(event, now) else "")
        case Reason.WAITING_LIST_FULL:
            return WaitingListFull()
        case Reason.NO_SUCH_BOOKING:
            return BookingNotFound()
        case Reason.NOT_ACTIVE | Reason.LAPSED | Reason.TOO_LATE | Reason.NOT_WAITING:
            return BookingClosed(refusal.reason)
        case Reason.ADMITTED if refusal.limit is None:
            return BookingClosed(refusal.reason)
        case Reason.ADMITTED:
            return InvalidInput({"tickets": Problem("admitted", limit=refusal.limit)})
        case Reason.UNPROVEN:
            return TokenNeeded()
        case Reason.TOO_FEW_TICKETS:
            return InvalidInput({"tickets": Problem("too_few_tickets", limit=refusal.limit)})
        case Reason.TOO_MANY_TICKETS:
            return InvalidInput({"tickets": Problem("too_many_tickets", limit=refusal.limit)})
        case Reason.NOT_AT_ONCE if refusal.limit is None:
            return SoldOut("others_wait")
        case Reason.NOT_AT_ONCE:
            return NotFree("at_once", free=refusal.limit) if refusal.limit else SoldOut("at_once")
        case Reason.NOT_FREE:
            return NotFree(free=refusal.limit)
        case Reason.OTHERS_WAIT | Reason.NOT_NEXT:
            return NotFree(refusal.reason)
        case Reason.CAPACITY_TOO_LOW:
            return InvalidInput({"totalTickets": Problem("capacity_too_low", limit=refusal.limit)})


def why_closed(event: LockedEvent, now: datetime) -> EventClosed:
    """Why nobody can book an event that is closed at `now`."""
    closure = closure_of(event, now)
    assert closure is not None
    opens_at = event.sales_open_at if closure is Closure.NOT_YET_OPEN else None
    return EventClosed(closure, opens_at=opens_at, time_zone=event.time_zone)


def refuse_as_newcomer(event: LockedEvent, tickets: int, now: datetime) -> None:
    """Raise what somebody without a booking would be told who asks for so many tickets.

    Whoever is not to learn that an address has a booking is told this.
    """
    decided = Ledger(inventory_of(event, now)).decide(BookTickets("", tickets), ATTENDEE)
    if isinstance(decided, Refusal):
        raise error_of(decided, event, now)
