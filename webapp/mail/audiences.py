"""Whom a message of an organizer is for."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from webapp.booking.commands import ActivityKind
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import activities, bookings, opt_outs


class Audience(StrEnum):
    """Whom a message is for."""

    ALL = "all"
    CONFIRMED = "confirmed"
    WAITING = "waiting"


def people_of(event: LockedEvent, audience: Audience) -> Select[Any]:
    """Each address of an audience once, with its first booking."""
    wants_none = select(opt_outs.c.recipient).where(
        opt_outs.c.organizer_id == event.organizer_id, opt_outs.c.recipient == bookings.c.email
    )
    query = select(bookings.c.email, func.min(bookings.c.position).label("position")).where(
        bookings.c.email.is_not(None), ~wants_none.exists(), *invited_to(event, audience)
    )
    return query.group_by(bookings.c.email)


def invited_to(event: LockedEvent, audience: Audience = Audience.ALL) -> list[ColumnElement[bool]]:
    """Conditions for the bookings of an audience: of a cancelled event, those that ended with it.

    Then its history tells who had tickets and who waited.
    """
    here = bookings.c.event_id == event.id
    if event.status != "cancelled":
        conditions = [here, bookings.c.active == 1]
        if audience is not Audience.ALL:
            conditions.append(bookings.c.status == audience.value)
        return conditions
    lines = _told_of_the_end(event)
    end = select(func.max(activities.c.revision)).where(*lines, activities.c.position.is_(None))
    ended = select(activities.c.position).where(
        *lines, activities.c.position.is_not(None), activities.c.revision == end.scalar_subquery()
    )
    if audience is not Audience.ALL:
        ended = ended.where(activities.c.status_before == audience.value)
    return [here, bookings.c.position.in_(ended)]


def end_of(connection: Connection, event: LockedEvent) -> datetime:
    """When an event was cancelled."""
    lines = _told_of_the_end(event)
    query = select(activities.c.at).where(*lines, activities.c.position.is_(None))
    at: datetime = connection.execute(query).scalar_one()
    return at


def _told_of_the_end(event: LockedEvent) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return activities.c.event_id == event.id, activities.c.what == ActivityKind.CANCELLED
