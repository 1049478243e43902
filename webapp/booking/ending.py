"""Many bookings of an event end at once, by two statements however many there are."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, literal, select, update

from webapp.booking.commands import ActivityKind, Status
from webapp.storage.tables import activities, bookings


def end_bookings(
    connection: Connection, status: Status, stamp: Mapping[str, Any], *which: ColumnElement[bool]
) -> int:
    """Cancel, or have lapse, those active bookings of an event and tell it; how many they were.

    `stamp` is what every line of their history says alike: `{column: value}`.
    """
    what = ActivityKind.LAPSED if status is Status.LAPSED else ActivityKind.CANCELLED
    ending = (bookings.c.event_id == stamp["event_id"], bookings.c.active == 1, *which)
    line = {
        **{name: literal(value, activities.c[name].type) for name, value in stamp.items()},
        "what": literal(what.value),
        "position": bookings.c.position,
        "status_before": bookings.c.status,
        "status_after": literal(status.value),
        "tickets_before": bookings.c.tickets,
        "tickets_after": bookings.c.tickets,
        "wants_before": func.nullif(bookings.c.wants, ""),
        "wants_after": func.nullif(bookings.c.wants, ""),
    }
    lines = select(*line.values()).where(*ending)
    connection.execute(insert(activities).from_select(list(line), lines))
    return connection.execute(update(bookings).where(*ending).values(status=status)).rowcount
