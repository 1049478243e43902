"""The dates of an event against each other, and what they make of it now."""

from datetime import datetime

from webapp.booking.inventory import Closure, closure_of, end_of
from webapp.errors import InvalidInput, Problem
from webapp.events.services import EventDetails
from webapp.storage.rows import LockedEvent


def check_dates(event: EventDetails) -> None:
    """Raise `InvalidInput`, which names the fields, for dates that cannot be meant together."""
    starts, opens, closes = event.starts_at, event.sales_open_at, event.sales_close_at
    problems: dict[str, Problem] = {}
    if event.ends_at and not starts:
        raise InvalidInput({"startsAt": Problem("end_without_start")})
    if starts and event.ends_at and event.ends_at <= starts:
        raise InvalidInput({"endsAt": Problem("end_before_start")})
    end = end_of(starts_at=starts, ends_at=event.ends_at, time_zone=event.time_zone)
    too_late = Problem("after_the_end") if event.ends_at else Problem("after_the_day")
    if opens and closes and closes <= opens:
        problems["salesCloseAt"] = Problem("sales_close_before_open")
    elif end and closes and closes > end:
        problems["salesCloseAt"] = too_late
    elif starts and opens and not closes and opens >= starts:
        problems["salesOpenAt"] = Problem("opens_after_start")
    if end and event.cancel_until and event.cancel_until > end:
        problems["cancelUntil"] = too_late
    if problems:
        raise InvalidInput(problems)


def warnings_of(event: LockedEvent, now: datetime) -> dict[str, Problem]:
    """What may be a slip, by field: the event is published, and nobody can book it any more."""
    match closure_of(event, now):
        case Closure.STARTED | Closure.OVER:
            return {"startsAt": Problem("start_is_past")}
        case Closure.CLOSED:
            return {"salesCloseAt": Problem("closing_is_past")}
    return {}
