"""How an event's bookings came in, day by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from sqlalchemy import func, select

from webapp.booking.access import check_own
from webapp.booking.commands import ActivityKind, Actor, Status
from webapp.extensions import PerApp
from webapp.storage.rows import EventRow
from webapp.storage.tables import activities
from webapp.storage.transaction import read

GIVEN_UP = (ActivityKind.CANCELLED, ActivityKind.LAPSED)
# Events whose days are remembered; forgetting all of them costs one longer read of each.
MOST_TALLIES = 256


@dataclass(frozen=True, slots=True)
class Day:
    """Bookings of one day in UTC: confirmed at once, put on the waiting list, and given up.

    `cancelled` counts those that lapsed as well.
    """

    day: date
    confirmed: int = 0
    waiting: int = 0
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class _Tally:
    """The days as of a revision. History is only appended to, so later ones add to them."""

    revision: int = 0
    days: Mapping[date, Day] = field(default_factory=dict)


_tallies: PerApp[dict[int, _Tally]] = PerApp(dict)


def sales_of(event: EventRow, *, actor: Actor) -> Sequence[Day]:
    """Every day from the first booking to the last change, also those when nothing happened.

    Reads only what has happened since it was last asked, by the index of event and revision.
    Raises `EventNotFound`.
    """
    check_own(event, actor)
    event_id = event.id
    tallies = _tallies.own
    tally = tallies.get(event_id, _Tally())
    day = func.date(activities.c.at)
    query = (
        select(
            day.label("day"),
            activities.c.what,
            activities.c.status_after,
            func.count().label("number"),
            func.max(activities.c.revision).label("revision"),
        )
        .where(
            activities.c.event_id == event_id,
            activities.c.revision > tally.revision,
            activities.c.what.in_((ActivityKind.BOOKED, *GIVEN_UP)),
            activities.c.position.is_not(None),
        )
        .group_by(day, activities.c.what, activities.c.status_after)
    )
    counts = read(lambda connection: connection.execute(query).all())
    days = dict(tally.days)
    for row in counts:
        # SQLite tells a date as text.
        at = date.fromisoformat(row.day) if isinstance(row.day, str) else row.day
        found = days.get(at) or Day(at)
        waits = row.status_after == Status.WAITING
        kind = "cancelled" if row.what in GIVEN_UP else "waiting" if waits else "confirmed"
        days[at] = replace(found, **{kind: getattr(found, kind) + row.number})
    if counts:
        if len(tallies) >= MOST_TALLIES:
            tallies.clear()
        # A tally is whole in itself: of two that are made at once either may stay.
        tallies[event_id] = _Tally(max(row.revision for row in counts), days)
    if not days:
        return []
    first, last = min(days), max(days)
    every = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [days.get(at) or Day(at) for at in every]
