"""Events and bookings as they are now.

What is asked for at the same time by many is read once for all of them. Bookings are shown to their
attendee and their organizer only.
"""

import re
from collections import namedtuple
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Select, bindparam, or_, select

from webapp import clock
from webapp.booking import load
from webapp.booking.access import check_own
from webapp.booking.codes import REFERENCE, code_hash
from webapp.booking.commands import ActivityKind, Actor, Status
from webapp.booking.inventory import TIME_TO_GIVE_BACK, give_back_until
from webapp.booking.listing import LINES, WHOLE, Line, read_in_order
from webapp.booking.open_questions import Question, question_of
from webapp.booking.ranks import rank_of
from webapp.booking.takeable import NOTHING, Takeable, takeable_by_head
from webapp.booking.type_queries import read_types
from webapp.errors import BookingNotFound, DomainError, EventNotFound, LinkReplaced
from webapp.extensions import PerApp
from webapp.storage.batcher import Batcher
from webapp.storage.rows import ActivityRow, BookingRow, EventRow, LockedEvent
from webapp.storage.tables import activities, bookings, events, old_codes
from webapp.storage.transaction import read

PORTION = 1000
is_reference = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


_event = select(events).where(events.c.id == bindparam("event_id"))
# Both rows in one answer: a page of a booking reads it in half of the time.

_with_event = (
    select(bookings, *[column.label(f"event_{column.key}") for column in events.c])
    .join(events, events.c.id == bookings.c.event_id)
    .where(bookings.c.reference == bindparam("of"))
)
_width = len(bookings.c)
# A type checker knows of no names that are not written out.
_booking_of: Any = namedtuple("_booking_of", bookings.c.keys())  # type: ignore[misc]
_event_of: Any = namedtuple("_event_of", events.c.keys())  # type: ignore[misc]


class BookingView(NamedTuple):
    """A booking, its event, its rank while it waits, and what its attendee is asked."""

    booking: BookingRow
    event: EventRow
    rank: int | None
    question: Question | None = None


def find_event(event_id: int, *, with_drafts: bool = False) -> EventRow:
    """The event as it is now, with its figures.

    Raises `EventNotFound`, also for one that `is_hidden` unless drafts are asked for, and
    `Unavailable`.
    """
    event = event_reads.own.submit(event_id, None)
    if event is None or (not with_drafts and is_hidden(event)):
        raise EventNotFound
    return event


def is_hidden(event: EventRow) -> bool:
    """Whether an event is for its organizer alone: a draft, also one that was cancelled as such."""
    if event.status != "cancelled" or event.next_position > 1:
        return event.status == "draft"
    query = select(activities.c.details).where(
        activities.c.event_id == event.id,
        activities.c.position.is_(None),
        activities.c.what == "cancelled",
    )
    told = read(lambda connection: connection.execute(query).scalar())
    return told is not None and told["status"][0] == "draft"


def find_booking(reference: str) -> BookingView:
    """The booking of a reference as it is now. Raises `BookingNotFound`, `LinkReplaced`."""
    booking, event = _of_reference(reference)
    rank = None
    if booking.status == Status.WAITING:
        rank = rank_of(booking.event_id, booking.position)
        if rank is None:
            # It left the waiting list between the two queries, which nobody ever enters again.
            booking, event = _of_reference(reference)
    return BookingView(booking, event, rank, question_of(event, booking))


def list_bookings(references: Sequence[str]) -> list[BookingView]:
    """The active bookings among references, latest made first; others are left out."""
    query = (
        select(bookings)
        .where(bookings.c.reference.in_(references), bookings.c.active == 1)
        .order_by(bookings.c.created_at.desc())
    )
    rows = read(lambda connection: connection.execute(query).all()) if references else []
    return [
        BookingView(
            row,
            find_event(row.event_id, with_drafts=True),
            rank_of(row.event_id, row.position) if row.status == Status.WAITING else None,
        )
        for row in rows
    ]


def locate(reference: str) -> tuple[int, int]:
    """Event and position of a reference; neither ever changes.

    Raises `BookingNotFound`, `LinkReplaced`.
    """
    place = place_reads.own.submit(None, _checked(reference))
    if place is None:
        raise _why_missing(reference)
    return place


def takeable_now(found: BookingView) -> Takeable:
    """What a booking could take at once in place of all it waits for.

    Where tickets are all alike only the head of the waiting list can, and nothing is read.
    """
    if found.rank is None:
        return NOTHING
    if found.event.types:
        return read_types(found.event.id).takeable(found.booking)
    if found.rank > 1:
        return NOTHING
    return takeable_by_head(found.event, found.booking.tickets, clock.now())


def free_now(found: BookingView) -> int:
    """How many tickets that are."""
    return takeable_now(found).tickets


def may_leave_until(booking: BookingRow, event: LockedEvent) -> datetime | None:
    """Until when the attendee of an active booking may cancel or reduce it; `None` for ever.

    The history is read only where it could tell more than the event's own deadline.
    """
    if booking.status == Status.WAITING:
        return None
    until, now = give_back_until(event), clock.now()
    if until is None or until == event.starts_at or now + TIME_TO_GIVE_BACK <= until:
        return until
    if event.starts_at is not None and event.starts_at <= now:
        return until
    promoted_at = read(lambda connection: load.promoted_at(connection, event.id, booking.position))
    return give_back_until(event, promoted_at)


def booking_at(event: LockedEvent, position: int, *, actor: Actor) -> BookingRow:
    """One booking of an event, for its organizer. Raises `EventNotFound`, `BookingNotFound`."""
    check_own(event, actor)
    return _one(
        select(bookings).where(bookings.c.event_id == event.id, bookings.c.position == position)
    )


def event_bookings(
    event: LockedEvent,
    *,
    actor: Actor,
    status: str = "",
    asked: bool = False,
    only: Sequence[ColumnElement[bool]] = (),
    search: str = "",
    after: int = 0,
    limit: int = 50,
) -> list[BookingRow]:
    """Bookings of an event in order of position, from behind position `after`; for its organizer.

    `status` keeps one status, `asked` those with an open question, `only` those for which all of it
    holds; `search` finds words in name, address and attendee id, or the beginning of a reference or
    ticket code. Raises `EventNotFound`.
    """
    check_own(event, actor)
    narrowed: dict[str, Any] = {"status": status, "asked": asked, "only": only, "search": search}
    found = read_in_order(WHOLE, event.id, **narrowed, after=after, limit=limit)
    return cast(list[BookingRow], found)


def booking_lines(event: LockedEvent, *, actor: Actor, **query: Any) -> list[Line]:
    """The same as `event_bookings` reads, with what a list shows of them."""
    check_own(event, actor)
    return cast(list[Line], read_in_order(LINES, event.id, **query))


def all_bookings(
    event: LockedEvent,
    *,
    actor: Actor,
    status: str = "",
    asked: bool = False,
    only: Sequence[ColumnElement[bool]] = (),
    search: str = "",
) -> Iterator[Sequence[BookingRow]]:
    """Every booking that `event_bookings` finds, a portion at a time; for the event's organizer.

    Each portion is a read of its own, so a slow receiver holds no connection.
    Raises `EventNotFound`.
    """
    after = 0
    narrowed: dict[str, Any] = {"status": status, "asked": asked, "only": only, "search": search}
    while portion := event_bookings(event, actor=actor, after=after, limit=PORTION, **narrowed):
        yield portion
        after = portion[-1].position


def history(
    event: LockedEvent,
    *,
    actor: Actor,
    position: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[ActivityRow]:
    """What happened to an event, or to one booking of it, newest first; for its organizer.

    `before` is the id of the last line seen.
    Raises `EventNotFound`.
    """
    check_own(event, actor)
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


def read_event(event_id: int, readers: list[None]) -> list[EventRow | None]:
    """The row of an event, or `None`, once for each who asks for it at the same time."""
    return [read(lambda connection: row_of_event(connection, event_id))] * len(readers)


def row_of_event(connection: Connection, event_id: int | None) -> EventRow | None:
    """The row of an event, also of a draft."""
    event = connection.execute(_event, {"event_id": event_id}).one_or_none()
    return cast(EventRow | None, event)


def read_places(_: None, references: list[str]) -> list[tuple[int, int] | None]:
    """Where bookings stand, by one query for all who ask at the same time."""
    query = select(bookings.c.reference, bookings.c.event_id, bookings.c.position).where(
        bookings.c.reference.in_(references)
    )
    rows = read(lambda connection: connection.execute(query).all())
    places = {row.reference: (row.event_id, row.position) for row in rows}
    return [places.get(reference) for reference in references]


event_reads: PerApp[Batcher[int, None, EventRow | None]] = PerApp(lambda: Batcher(read_event))
place_reads: PerApp[Batcher[None, str, tuple[int, int] | None]] = PerApp(
    lambda: Batcher(read_places)
)


def _of_reference(reference: str) -> tuple[BookingRow, EventRow]:
    values = {"of": _checked(reference)}
    row = read(lambda connection: connection.execute(_with_event, values).one_or_none())
    if row is None:
        raise _why_missing(reference)
    booking, event = _booking_of(*row[:_width]), _event_of(*row[_width:])
    return cast(BookingRow, booking), cast(EventRow, event)


def _one(query: Select[Any]) -> BookingRow:
    row = read(lambda connection: connection.execute(query).one_or_none())
    if row is None:
        raise BookingNotFound
    return row


def _why_missing(reference: str) -> DomainError:
    """What is told of a reference that no booking has."""
    found = _replaced(reference)
    if found is None:
        return BookingNotFound()
    gift = _gift_of(*found)
    if gift is None:
        return LinkReplaced()
    return LinkReplaced("given_to", name=gift.name) if gift.name else LinkReplaced("given")


def _replaced(reference: str) -> tuple[int, int, datetime] | None:
    """Event and position of a reference that was replaced, and when."""
    query = select(old_codes.c.event_id, old_codes.c.position, old_codes.c.replaced_at).where(
        old_codes.c.code_hash == code_hash(reference), old_codes.c.kind == REFERENCE
    )
    row = read(lambda connection: connection.execute(query).first())
    return None if row is None else (row[0], row[1], row[2])


class Gift(NamedTuple):
    """A ticket that was given away: for which event, when, and to whom if that may be told."""

    event: EventRow
    given_at: datetime
    name: str


def _gift_of(event_id: int, position: int, replaced_at: datetime) -> Gift | None:
    """The gift that replaced a link at a moment; none where it was replaced in another way.

    Whom it went to is told only as long as the booking says what the giver said: nothing of what
    became of it since.
    """
    query = select(activities.c.what, activities.c.at).where(
        activities.c.event_id == event_id,
        activities.c.position == position,
        activities.c.what.in_((ActivityKind.GIVEN, "corrected")),
        activities.c.at >= replaced_at,
    )
    name = select(bookings.c.name).where(
        bookings.c.event_id == event_id, bookings.c.position == position
    )
    lines = read(lambda connection: connection.execute(query).all())
    if not any(line.what == ActivityKind.GIVEN and line.at == replaced_at for line in lines):
        return None
    is_untouched = len(lines) == 1
    to = read(lambda connection: connection.execute(name).scalar_one()) if is_untouched else ""
    return Gift(find_event(event_id, with_drafts=True), replaced_at, to)


def find_gift(reference: str) -> Gift:
    """The gift that made a reference void. Raises `BookingNotFound`, `LinkReplaced`."""
    found = _replaced(_checked(reference))
    gift = _gift_of(*found) if found is not None else None
    if gift is None:
        raise BookingNotFound if found is None else LinkReplaced
    return gift


def locate_any(reference: str) -> tuple[int, int]:
    """Event and position of a reference, also of one that was replaced. Raises `BookingNotFound`.

    For what may be sent again after it has replaced the reference itself.
    """
    try:
        return locate(reference)
    except LinkReplaced:
        found = _replaced(reference)
        assert found is not None
        return found[0], found[1]
