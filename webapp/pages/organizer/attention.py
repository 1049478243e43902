"""What of an organizer's events needs attention, most urgent first; the template says it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from webapp.booking.standstill import Standstill
from webapp.storage.rows import EventRow
from webapp.text.formatting import local

SOON = timedelta(days=14)
NOBODY: Mapping[int, int] = {}


class Kind(IntEnum):
    """What is the matter, in the order in which it is urgent."""

    TODAY = 1
    TWICE = 2
    UNDELIVERED = 3
    HELD = 4
    DRAFT = 5
    STANDS_STILL = 6
    WAITING = 7
    QUIET = 8


@dataclass(frozen=True, slots=True)
class Need:
    """Something that an organizer should look at; `standstill` where a list stands still.

    `twice` people were let in once more than they have tickets.
    """

    kind: Kind
    event: EventRow
    standstill: Standstill | None = None
    twice: int = 0


def needs_of(
    events: Iterable[EventRow],
    *,
    undelivered: Collection[int],
    held: Collection[int] = (),
    standstills: Mapping[int, Standstill],
    twice: Mapping[int, int] = NOBODY,
    now: datetime,
) -> list[Need]:
    """What the events need, most urgent first and then soonest first, those without a date last.

    `undelivered` are the ids of events with mails that could not be delivered, `held` of those with
    questions that a mail server which is away holds back; `standstills` tell what holds up a list:
    `{event_id: standstill}`, and `twice` how many were let in twice: `{event_id: people}`. Samples
    and cancelled events need nothing.
    """
    found = [
        Need(kind, event, standstills.get(event.id), twice.get(event.id, 0))
        for event in events
        if not event.is_sample and event.status != "cancelled"
        for kind in _kinds(
            event,
            has_undelivered=event.id in undelivered,
            is_held=event.id in held,
            stands_still=event.id in standstills,
            has_twice=event.id in twice,
            now=now,
        )
    ]
    return sorted(
        found,
        key=lambda need: (
            need.kind,
            need.event.starts_at is None,
            need.event.starts_at or now,
            need.event.id,
        ),
    )


def _kinds(
    event: EventRow,
    *,
    has_undelivered: bool,
    is_held: bool,
    stands_still: bool,
    has_twice: bool,
    now: datetime,
) -> Iterable[Kind]:
    start, is_draft = event.starts_at, event.status == "draft"
    if start and not is_draft and _is_on(event, now):
        yield Kind.TODAY
    if has_twice:
        yield Kind.TWICE
    if has_undelivered:
        yield Kind.UNDELIVERED
    if is_held:
        yield Kind.HELD
    if start and start <= now:
        return
    if is_draft:
        if start and start <= now + SOON:
            yield Kind.DRAFT
    elif stands_still:
        yield Kind.STANDS_STILL
    elif event.waiting:
        yield Kind.WAITING
    elif event.next_position == 1 and _sells(event, now):
        yield Kind.QUIET


def _is_on(event: EventRow, now: datetime) -> bool:
    """Whether it is on today, as the day is at its place; over is over."""
    assert event.starts_at is not None
    first, today, last = (
        local(moment, event.time_zone).date()
        for moment in (event.starts_at, now, event.ends_at or event.starts_at)
    )
    return first <= today <= last and (event.ends_at is None or now < event.ends_at)


def _sells(event: EventRow, now: datetime) -> bool:
    opens, closes = event.sales_open_at, event.sales_close_at
    return (opens is None or opens <= now) and (closes is None or now < closes)
