"""How an event's bookings came in, day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Date, case, func, select

from webapp.booking.access import check_own
from webapp.booking.commands import ActivityKind, Actor, Status
from webapp.storage.rows import EventRow
from webapp.storage.tables import activities
from webapp.storage.transaction import read

GIVEN_UP = (ActivityKind.CANCELLED, ActivityKind.LAPSED)


@dataclass(frozen=True, slots=True)
class Day:
    """Bookings of one day in UTC: confirmed at once, put on the waiting list, and given up.

    `cancelled` counts those that lapsed as well.
    """

    day: date
    confirmed: int = 0
    waiting: int = 0
    cancelled: int = 0


def sales_of(event: EventRow, *, actor: Actor) -> Sequence[Day]:
    """Every day from the first booking to the last change, also those when nothing happened.

    Raises `EventNotFound`.
    """
    check_own(event, actor)
    booked = activities.c.what == ActivityKind.BOOKED
    waits = activities.c.status_after == Status.WAITING
    given_up = activities.c.what.in_(GIVEN_UP)
    day = func.date(activities.c.at, type_=Date)
    query = (
        select(day, _number_of(booked & ~waits), _number_of(booked & waits), _number_of(given_up))
        .where(
            activities.c.event_id == event.id,
            booked | given_up,
            activities.c.position.is_not(None),
        )
        .group_by(day)
    )
    rows = read(lambda connection: connection.execute(query).all())
    days = {row[0]: Day(*row) for row in rows}
    if not days:
        return []
    first, last = min(days), max(days)
    every = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [days.get(at) or Day(at) for at in every]


def _number_of(lines: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((lines, 1)))
