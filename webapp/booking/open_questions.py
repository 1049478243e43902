"""What attendees have been asked and have not answered yet, and what became of all questions.

A plain event pays nothing: nothing is read where an event cannot have asked anybody.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Integer, Select, and_, case, exists, func, literal, or_, select
from sqlalchemy import cast as sql_cast

from webapp.booking.access import check_own
from webapp.booking.commands import SYSTEM, ActivityKind, Actor, Status, TermKind
from webapp.storage.rows import BookingRow, EventRow
from webapp.storage.tables import activities, bookings, terms
from webapp.storage.transaction import read


class Question(NamedTuple):
    """An open question; `answer_by` is none until it has left, or where nothing depends on it."""

    kind: TermKind
    answer_by: datetime | None


class Answers(NamedTuple):
    """What became of the bookings of an event whose attendees were asked, in bookings.

    `moved_up` are those that got what the others gave up.
    """

    asked: int
    unanswered: int
    kept: int
    given_back: int
    lapsed: int
    moved_up: int


_of_booking = and_(terms.c.event_id == bookings.c.event_id, terms.c.position == bookings.c.position)
# Of a booking in the query around it.
is_asked = (
    exists()
    .where(_of_booking, terms.c.is_open == literal(True), bookings.c.active == 1)
    .correlate(bookings)
)


def may_have_asked(event: EventRow) -> bool:
    """Whether a booking of the event may have an open question."""
    return (
        event.asks_address or event.still_coming_days is not None or event.next_lapse_at is not None
    )


def open_questions(event: EventRow, positions: Collection[int]) -> dict[int, Question]:
    """The open questions of an event's active bookings at these positions: `{position: question}`.

    Raises `Unavailable`.
    """
    if not positions or not may_have_asked(event):
        return {}
    query = (
        select(terms.c.position, terms.c.kind, terms.c.lapses_at)
        .join(bookings, _of_booking)
        .where(
            terms.c.event_id == event.id,
            terms.c.position.in_(positions),
            terms.c.is_open == literal(True),
            bookings.c.active == 1,
        )
    )
    rows = read(lambda connection: connection.execute(query).all())
    return {row.position: Question(TermKind(row.kind), row.lapses_at) for row in rows}


def question_of(event: EventRow, booking: BookingRow) -> Question | None:
    """What the attendee of a booking is asked, if anything is. Raises `Unavailable`."""
    return open_questions(event, [booking.position]).get(booking.position)


def answers_of(event: EventRow, *, actor: Actor) -> Answers | None:
    """What became of an event's questions; none where nobody was asked. Raises `EventNotFound`."""
    check_own(event, actor)
    if not may_have_asked(event):
        return None
    figures = read(lambda connection: connection.execute(_figures_of(event.id)).one())
    if not figures.asked:
        return None
    moved_up = read(lambda connection: connection.execute(_moved_up(event.id)).scalar_one())
    return Answers(**figures._mapping, moved_up=moved_up)


def _figures_of(event_id: int) -> Select[Any]:
    def counted(*conditions: Any) -> Any:
        # MySQL makes a DECIMAL of a sum.
        return sql_cast(func.sum(case((and_(*conditions), 1), else_=0)), Integer)

    is_active, is_open = bookings.c.active == 1, terms.c.is_open == literal(True)
    return (
        select(
            func.count().label("asked"),
            counted(is_active, is_open).label("unanswered"),
            counted(is_active, ~is_open).label("kept"),
            counted(bookings.c.status == Status.CANCELLED).label("given_back"),
            counted(bookings.c.status == Status.LAPSED).label("lapsed"),
        )
        .select_from(terms)
        .join(bookings, _of_booking)
        .where(terms.c.event_id == event_id)
    )


def _moved_up(event_id: int) -> Select[Any]:
    """How many were promoted by lapses, or by a cancel of somebody who had been asked."""
    of_asked = and_(
        terms.c.event_id == activities.c.event_id, terms.c.position == activities.c.cause
    )
    return (
        select(func.count())
        .select_from(activities)
        .join(terms, of_asked, isouter=True)
        .where(
            activities.c.event_id == event_id,
            activities.c.what == ActivityKind.PROMOTED,
            or_(activities.c.actor == str(SYSTEM), terms.c.position.is_not(None)),
        )
    )
