"""Bookings as their attendee and their organizer see them; nothing here is public."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, or_, select

from webapp.errors import BookingNotFound
from webapp.extensions import PerApp
from webapp.models import activities, bookings
from webapp.services.access import check_own
from webapp.services.availability import find_event, rank_of, shared
from webapp.services.book import BY_STATUS
from webapp.services.commands import Status
from webapp.services.group_commit import GroupCommit
from webapp.services.transaction import read

PORTION = 1000
is_reference = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
# From so many characters on, a search may mean the beginning of a reference.
SHORTEST_REFERENCE = 6


class Found(NamedTuple):
    """A booking, its event, and its rank while it waits."""

    booking: Row[Any]
    event: Row[Any]
    rank: int | None


def find_booking(reference: str) -> Found:
    """The booking of a reference as it is now. Raises `BookingNotFound`."""
    query = select(bookings).where(bookings.c.reference == _checked(reference))
    booking = _one(query)
    rank = None
    if booking.status == Status.WAITING:
        rank = rank_of(booking.event_id, booking.position)
        if rank is None:
            # It left the waiting list between the two queries, which nobody ever enters again.
            booking = _one(query)
    return Found(booking, find_event(booking.event_id, with_drafts=True), rank)


def list_bookings(references: Sequence[str]) -> list[Found]:
    """The active bookings among references, latest made first; others are left out."""
    query = (
        select(bookings)
        .where(bookings.c.reference.in_(references), bookings.c.active == 1)
        .order_by(bookings.c.created_at.desc())
    )
    rows = read(lambda connection: connection.execute(query).all()) if references else []
    return [
        Found(
            row,
            find_event(row.event_id, with_drafts=True),
            rank_of(row.event_id, row.position) if row.status == Status.WAITING else None,
        )
        for row in rows
    ]


def position_of(reference: str) -> tuple[int, int]:
    """Event and position of a reference; neither ever changes. Raises `BookingNotFound`."""
    place = shared(_places, None, _checked(reference))
    if place is None:
        raise BookingNotFound
    return place


def booking_at(event: Row[Any], position: int, *, organizer_id: int) -> Row[Any]:
    """One booking of an event, for its organizer. Raises `EventNotFound`, `BookingNotFound`."""
    check_own(event, organizer_id=organizer_id)
    return _one(
        select(bookings).where(bookings.c.event_id == event.id, bookings.c.position == position)
    )


def event_bookings(
    event: Row[Any],
    *,
    organizer_id: int,
    status: str = "",
    search: str = "",
    after: int = 0,
    limit: int = 50,
) -> list[Row[Any]]:
    """Bookings of an event in order of position, from behind position `after`; for its organizer.

    `status` keeps one status; `search` finds part of a name, address or attendee id, or the
    beginning of a reference.
    Raises `EventNotFound`.
    """
    check_own(event, organizer_id=organizer_id)
    query = select(bookings).where(bookings.c.event_id == event.id, bookings.c.position > after)
    if status:
        query = query.where(bookings.c.status == status).with_hint(bookings, BY_STATUS, "mysql")
    if search:
        found = [column.icontains(search, autoescape=True) for column in _searched]
        # MySQL will not compare a reference, which is ASCII, with any other text; and a few letters
        # begin one by chance.
        if search.isascii() and len(search) >= SHORTEST_REFERENCE:
            found.append(bookings.c.reference.startswith(search, autoescape=True))
        query = query.where(or_(*found))
    query = query.order_by(bookings.c.position).limit(limit)
    return list(read(lambda connection: connection.execute(query).all()))


def all_bookings(event: Row[Any], *, organizer_id: int) -> Iterator[Sequence[Row[Any]]]:
    """Every booking of an event in order of position, a portion at a time; for its organizer.

    Each portion is a read of its own, so a slow receiver holds no connection.
    Raises `EventNotFound`.
    """
    after = 0
    while portion := event_bookings(event, organizer_id=organizer_id, after=after, limit=PORTION):
        yield portion
        after = portion[-1].position


def history(
    event: Row[Any],
    *,
    organizer_id: int,
    position: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Row[Any]]:
    """What happened to an event, or to one booking of it, newest first; for its organizer.

    `before` is the id of the last line seen.
    Raises `EventNotFound`.
    """
    check_own(event, organizer_id=organizer_id)
    query = select(activities).where(activities.c.event_id == event.id)
    if position is not None:
        query = query.where(activities.c.position == position)
    if before is not None:
        last = (
            select(activities.c.revision)
            .where(activities.c.event_id == event.id, activities.c.id == before)
            .scalar_subquery()
        )
        query = query.where(
            activities.c.revision <= last,
            or_(activities.c.revision < last, activities.c.id < before),
        )
    query = query.order_by(activities.c.revision.desc(), activities.c.id.desc()).limit(limit)
    return list(read(lambda connection: connection.execute(query).all()))


def _checked(reference: str) -> str:
    """What may be a reference: MySQL fails on other text, also for all who share the query."""
    if not is_reference(reference):
        raise BookingNotFound
    return reference


def _read_places(_: None, references: list[str]) -> list[tuple[int, int] | None]:
    """Where bookings stand, by one query for all who ask at the same time."""
    query = select(bookings.c.reference, bookings.c.event_id, bookings.c.position).where(
        bookings.c.reference.in_(references)
    )
    rows = read(lambda connection: connection.execute(query).all())
    places = {row.reference: (row.event_id, row.position) for row in rows}
    return [places.get(reference) for reference in references]


_places: PerApp[GroupCommit[None, str, tuple[int, int] | None]] = PerApp(
    lambda: GroupCommit(_read_places)
)
_searched = (bookings.c.name, bookings.c.email, bookings.c.attendee_id)


def _one(query: Select[Any]) -> Row[Any]:
    row = read(lambda connection: connection.execute(query).one_or_none())
    if row is None:
        raise BookingNotFound
    return row
