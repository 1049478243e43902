"""Terms: by when an attendee has to answer, or the booking lapses.

This is the one place that says who is asked, how long a term is and when it is over. A term is
open from the moment at which its question is written; it has an end only once that has been sent.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, func, literal, or_, select, update

from webapp.booking.commands import Claim, Status, Term, TermKind
from webapp.booking.inventory import has_started
from webapp.booking.load import claim_columns, claim_of
from webapp.config import current_settings
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import bookings, terms

# A term is over so long after the moment that was told.
GRACE = timedelta(seconds=5)
LENGTHS = {TermKind.ADDRESS: timedelta(minutes=30), TermKind.COMING: timedelta(days=2)}
# With less left before the start nothing is asked.
LEAST_LEFT = timedelta(minutes=10)
# Who is promoted so late that less is left is not asked whether they are still coming.
LEAST_LEFT_TO_PROMOTED = timedelta(hours=12)
# How many lapse in one transaction.
AT_ONCE = 500
# The deliveries that ask.
QUESTIONS = {"ask_address": TermKind.ADDRESS, "still_coming": TermKind.COMING}

_of_booking = and_(terms.c.event_id == bookings.c.event_id, terms.c.position == bookings.c.position)
# IS TRUE would keep MySQL from reading the rows in the order of the index.
_open = (
    terms.c.event_id == bindparam("event_id"),
    terms.c.is_open == literal(True),
    terms.c.lapses_at.is_not(None),
)
_earliest: Select[Any] = (
    select(*claim_columns, terms.c.kind, terms.c.lapses_at)
    .join(bookings, _of_booking)
    .where(*_open, bookings.c.active == 1)
    .order_by(terms.c.lapses_at, terms.c.position)
    .limit(AT_ONCE + 1)
)
_next: Select[Any] = (
    select(terms.c.lapses_at)
    .join(bookings, _of_booking)
    .where(*_open, bookings.c.active == 1)
    .order_by(terms.c.lapses_at)
    .limit(1)
)
# The foremost in the list whose term is over, of those who do not lapse with the earliest.
_first_over: Select[Any] = (
    select(func.min(bookings.c.position))
    .join(bookings, _of_booking)
    .where(
        *_open,
        terms.c.lapses_at <= bindparam("by"),
        or_(
            terms.c.lapses_at > bindparam("after"),
            and_(terms.c.lapses_at == bindparam("after"), terms.c.position > bindparam("last")),
        ),
        bookings.c.status == Status.WAITING,
    )
)


class Over(NamedTuple):
    """The bookings of an event that lapse now, the earliest term first: `[(claim, kind)]`.

    `first_over` is the foremost position in the list that has to lapse later, though its term is
    over: there were too many at once. `next_lapse_at` is the earliest term of those left.
    """

    lapsing: Sequence[tuple[Claim, TermKind]]
    first_over: int | None
    next_lapse_at: datetime | None


def is_over(lapses_at: datetime, now: datetime) -> bool:
    """Whether a term that was told to end at `lapses_at` is over."""
    return lapses_at + GRACE <= now


def end_of(kind: TermKind, event: LockedEvent, now: datetime) -> datetime:
    """Until when an attendee who is asked now may answer: never past the event's start."""
    lapses_at = now + LENGTHS[kind]
    return min(lapses_at, event.starts_at) if event.starts_at is not None else lapses_at


def may_ask(event: LockedEvent, now: datetime, *, least: timedelta = LEAST_LEFT) -> bool:
    """Whether a question can be mailed and at least so much time is left before the start."""
    is_soon = event.starts_at is not None and event.starts_at < now + least
    return not is_soon and current_settings().mail_url is not None


def asks_promoted(event: LockedEvent, now: datetime) -> bool:
    """Whether who is promoted now is asked like those who were asked before."""
    days = event.still_coming_days
    return (
        days is not None
        and event.starts_at is not None
        and event.starts_at - timedelta(days=days) <= now
        and may_ask(event, now, least=LEAST_LEFT_TO_PROMOTED)
    )


def asks_addresses(event: LockedEvent, now: datetime) -> bool:
    """Whether the address of a stranger who books now has to answer."""
    return event.asks_address and may_ask(event, now)


def are_due(event: LockedEvent, now: datetime) -> bool:
    """Whether terms of the event may be over, or have ended with its start."""
    next_lapse_at = event.next_lapse_at
    return next_lapse_at is not None and (is_over(next_lapse_at, now) or has_started(event, now))


def find_over(connection: Connection, event_id: int, now: datetime) -> Over:
    """Whose terms are over, read under the event's lock."""
    rows = connection.execute(_earliest, {"event_id": event_id}).all()
    over = [row for row in rows[:AT_ONCE] if is_over(row.lapses_at, now)]
    left = rows[len(over) :]
    first_over = None
    if left and is_over(left[0].lapses_at, now):
        after = {"after": over[-1].lapses_at, "last": over[-1].position}
        values = {"event_id": event_id, "by": now - GRACE, **after}
        first_over = connection.execute(_first_over, values).scalar()
    lapsing = [(claim_of(row), TermKind(row.kind)) for row in over]
    return Over(lapsing, first_over, left[0].lapses_at if left else None)


def find_next(connection: Connection, event_id: int) -> datetime | None:
    """The earliest open term of an event, read under its lock."""
    lapses_at: datetime | None = connection.execute(_next, {"event_id": event_id}).scalar()
    return lapses_at


def terms_of(
    connection: Connection,
    event_id: int,
    positions: Collection[int],
    *,
    counted_at: datetime | None,
) -> dict[int, Term]:
    """The terms of bookings as the ledger sees them: `{position: term}`.

    `counted_at` is the moment, or none where no term of the event counts as over.
    """
    query = select(terms).where(terms.c.event_id == event_id, terms.c.position.in_(list(positions)))
    return {
        row.position: Term(
            TermKind(row.kind),
            bool(row.is_open),
            counted_at is not None
            and row.lapses_at is not None
            and is_over(row.lapses_at, counted_at),
        )
        for row in connection.execute(query)
    }


def end_with_the_start(connection: Connection, event_id: int) -> None:
    """Close the terms of an event that has started: who holds tickets keeps them."""
    connection.execute(
        update(terms)
        .where(terms.c.event_id == event_id, terms.c.is_open == literal(True))
        .values(is_open=False)
    )


def cut_to_start(connection: Connection, event_id: int, starts_at: datetime) -> None:
    """Have no term end after a start that has moved."""
    connection.execute(
        update(terms)
        .where(
            terms.c.event_id == event_id,
            terms.c.is_open == literal(True),
            terms.c.lapses_at > starts_at,
        )
        .values(lapses_at=starts_at)
    )
