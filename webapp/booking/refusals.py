"""What the caller is told of a refusal."""

from datetime import datetime

from webapp.booking.commands import Reason, Refusal
from webapp.booking.inventory import Closure, closure_of, has_started
from webapp.errors import (
    AlreadyBooked,
    BookingClosed,
    BookingNotFound,
    ChooseTicketType,
    DomainError,
    EventClosed,
    InvalidInput,
    NotFree,
    Problem,
    SoldOut,
    TokenNeeded,
    UnknownCode,
    WaitingListFull,
)
from webapp.storage.rows import LockedEvent


def error_of(
    refusal: Refusal, event: LockedEvent, now: datetime, *, field: str = "tickets"
) -> DomainError:
    """The error that tells a caller why a command was refused; `field` said how many tickets."""
    limit, name = refusal.limit, refusal.ticket_type
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
        case Reason.ADMITTED if limit is None:
            return BookingClosed(refusal.reason)
        case Reason.ADMITTED:
            return InvalidInput({field: Problem("admitted", limit=limit)})
        case Reason.UNPROVEN:
            return TokenNeeded()
        case Reason.TOO_FEW_TICKETS:
            return InvalidInput({field: Problem("too_few_tickets", limit=limit)})
        case Reason.TOO_MANY_TICKETS:
            return InvalidInput({field: Problem("too_many_tickets", limit=limit)})
        case Reason.NOT_AT_ONCE if limit is None:
            return SoldOut("others_wait")
        case Reason.NOT_AT_ONCE:
            return NotFree("at_once", free=limit) if limit else SoldOut("at_once")
        case Reason.NOT_FREE:
            return NotFree(free=limit)
        case Reason.OTHERS_WAIT | Reason.NOT_NEXT:
            return NotFree(refusal.reason)
        case Reason.CAPACITY_TOO_LOW:
            return InvalidInput({"totalTickets": Problem("capacity_too_low", limit=limit)})
        case Reason.CHOOSE_TICKET_TYPE:
            return ChooseTicketType()
        case Reason.UNKNOWN_CODE:
            return UnknownCode()
        case Reason.NO_TYPES:
            return InvalidInput({"items": Problem("no_types")})
        case Reason.TYPE_NOT_ON_SALE:
            return InvalidInput({"items": Problem("type_not_on_sale", type=name)})
        case Reason.TOO_MANY_TYPES:
            return InvalidInput({"items": Problem("too_many_types", limit=limit)})
        case Reason.TOO_FEW_OF_TYPE:
            return InvalidInput({"items": Problem("too_few_of_type", limit=limit, type=name)})
        case Reason.TOO_MANY_OF_TYPE:
            return InvalidInput({"items": Problem("too_many_of_type", limit=limit, type=name)})
        case Reason.MIXED_CHANGE:
            return InvalidInput({"items": Problem("mixed_change")})
        case Reason.QUOTA_TOO_LOW:
            return InvalidInput({"quota": Problem("quota_too_low", limit=limit, type=name)})
        case Reason.CODE_USED_UP:
            return InvalidInput({"code": Problem("code_used_up", limit=limit)})
        case Reason.TOO_MANY_WITH_CODE:
            return InvalidInput({"code": Problem("too_many_with_code", limit=limit)})


def why_closed(event: LockedEvent, now: datetime) -> EventClosed:
    """Why nobody can book an event that is closed at `now`."""
    closure = closure_of(event, now)
    assert closure is not None
    opens_at = event.sales_open_at if closure is Closure.NOT_YET_OPEN else None
    return EventClosed(closure, opens_at=opens_at, time_zone=event.time_zone)
