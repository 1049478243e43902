"""Summaries: mails that tell organizers what happened to their events on the days before."""

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Select, func, or_, select
from sqlalchemy.exc import IntegrityError

from webapp.booking.commands import ActivityKind
from webapp.mail.failures import NothingToSend
from webapp.storage.outbox import enqueue
from webapp.storage.rows import DeliveryRow, EventRow
from webapp.storage.tables import activities, deliveries, events, organizers
from webapp.storage.transaction import read, write

# In UTC.
SUMMARY_HOUR = 6
DAY = timedelta(days=1)
# In the order of `EventSummary`.
COUNTED = (ActivityKind.BOOKED, ActivityKind.CANCELLED, ActivityKind.PROMOTED)


class EventSummary(NamedTuple):
    """What happened to an event, and how it stands."""

    event: EventRow
    booked: int
    cancelled: int
    promoted: int


class Summary(NamedTuple):
    """What happened to an organizer's events from the first to the last of some days, in UTC."""

    organizer_id: int
    first_day: date
    last_day: date
    events: list[EventSummary]


class Addressee(NamedTuple):
    """An organizer and the address to write to."""

    id: int
    email: str


def write_summaries(now: datetime) -> None:
    """Write today's summaries that are due and missing. Raises `Unavailable`."""
    if now.hour >= SUMMARY_HOUR:
        for organizer in _without_summary(now):
            # Another deliverer may have been first.
            with suppress(IntegrityError):
                write(partial(_write_summary, organizer=organizer, now=now))


def _without_summary(now: datetime) -> list[Addressee]:
    """The organizers who want a summary and for whom none was written today."""
    wanting: Select[Any] = select(organizers.c.id, organizers.c.email).where(
        organizers.c.wants_summary.is_(True), organizers.c.email.is_not(None)
    )

    def work(connection: Connection) -> list[Addressee]:
        found = [Addressee(*row) for row in connection.execute(wanting)]
        keys = [_summary_key(organizer.id, now.date()) for organizer in found]
        known = select(deliveries.c.dedupe_key).where(deliveries.c.dedupe_key.in_(keys))
        written = set(connection.execute(known).scalars()) if found else set()
        pairs = zip(found, keys, strict=True)
        return [organizer for organizer, key in pairs if key not in written]

    return read(work)


def _summary_key(organizer_id: int, written_on: date) -> str:
    return f"summary:{organizer_id}:{written_on}:0"


def _write_summary(connection: Connection, *, organizer: Addressee, now: datetime) -> None:
    """Write the summary of yesterday, and of the days before that no summary has told.

    A quiet day gets its row as well: the history has no index by time, so to ask each minute
    whether there is something to tell would cost more than one row, and the row tells later
    which days are done.
    """
    today = now.date()
    earlier: Select[Any] = (
        select(deliveries.c.details, deliveries.c.created_at)
        .where(
            deliveries.c.dedupe_key >= _summary_key(organizer.id, date.min),
            deliveries.c.dedupe_key < _summary_key(organizer.id, today),
        )
        .order_by(deliveries.c.dedupe_key.desc())
        .limit(1)
    )
    last_day = first_day = today - DAY
    if (previous := connection.execute(earlier).one_or_none()) is not None:
        first_day = _days_of(previous)[1] + DAY
    enqueue(
        connection,
        "summary",
        recipient=organizer.email,
        details={
            "organizer_id": organizer.id,
            "first_day": first_day.isoformat(),
            "last_day": last_day.isoformat(),
        },
        bulk=True,
        dedupe_key=_summary_key(organizer.id, today),
        now=now,
    )


def _days_of(delivery: DeliveryRow) -> tuple[date, date]:
    """The first and the last day that a summary tells."""
    if delivery.details is None:  # The release before wrote none, and told the day before.
        day = delivery.created_at.date() - DAY
        return day, day
    first_day, last_day = delivery.details["first_day"], delivery.details["last_day"]
    return date.fromisoformat(first_day), date.fromisoformat(last_day)


def summary_of(delivery: DeliveryRow) -> Summary:
    """What a summary tells, whenever it is sent. Raises `NothingToSend` after quiet days."""
    details = delivery.details or {"organizer_id": int((delivery.dedupe_key or "").split(":")[1])}
    first_day, last_day = _days_of(delivery)
    since = datetime.combine(first_day, time(), UTC)
    until = datetime.combine(last_day + DAY, time(), UTC)
    own = select(events).where(
        events.c.organizer_id == details["organizer_id"],
        events.c.status == "published",
        or_(events.c.starts_at.is_(None), events.c.starts_at > since),
    )
    counts = (
        select(activities.c.event_id, activities.c.what, func.count())
        .where(
            activities.c.event_id.in_(own.with_only_columns(events.c.id)),
            activities.c.at >= since,
            activities.c.at < until,
            activities.c.what.in_(COUNTED),
        )
        .group_by(activities.c.event_id, activities.c.what)
    )

    def work(connection: Connection) -> list[EventSummary]:
        happened = {(row[0], row[1]): row[2] for row in connection.execute(counts)}
        rows = connection.execute(own.order_by(events.c.starts_at, events.c.id))
        found = [
            EventSummary(cast(EventRow, row), *(happened.get((row.id, it), 0) for it in COUNTED))
            for row in rows
        ]
        return [each for each in found if any(each[1:])]

    if not (found := read(work)):
        raise NothingToSend
    return Summary(details["organizer_id"], first_day, last_day, found)
