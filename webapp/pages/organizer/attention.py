"""What of an organizer's events needs attention, worst first; the template says it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from webapp.booking.standstill import Standstill
from webapp.events.dismissals import Matter
from webapp.mail.announcements import Undelivered
from webapp.storage.rows import EventRow
from webapp.text.formatting import local

SOON = timedelta(days=14)
# The days to go at which what has been put aside is told again.
CLOSER = (7, 2, 1)
NOBODY: Mapping[int, int] = {}


class Kind(IntEnum):
    """What is the matter, the worst first."""

    RESTING = 1
    SETUP = 2
    HELD = 3
    TODAY = 4
    TWICE = 5
    UNDELIVERED = 6
    DRAFT = 7
    STANDS_STILL = 8
    WAITING = 9
    QUIET = 10


@dataclass(frozen=True, slots=True)
class Need:
    """Something that an organizer should look at; no `event` where it is about the whole account.

    `level` grows as it gets worse; `standstill` is there where a list stands still.
    """

    kind: Kind
    event: EventRow | None = None
    level: int = 1
    standstill: Standstill | None = None

    @property
    def matter(self) -> Matter:
        return Matter(self.kind.name, self.event.id if self.event else 0)


def needs_of(
    events: Iterable[EventRow],
    *,
    mails: Undelivered,
    standstills: Mapping[int, Standstill],
    sends_mail: bool,
    twice: Mapping[int, int] = NOBODY,
    now: datetime,
) -> list[Need]:
    """What an organizer has to look at: worst first, then soonest, those without a date last.

    `standstills` tell what holds up a list: `{event_id: standstill}`, and `twice` how many were let
    in twice: `{event_id: people}`. Samples and cancelled events need nothing.
    """
    found = [Need(Kind.RESTING)] if mails.is_resting else []
    if not sends_mail:
        found.append(Need(Kind.SETUP))
    for event in events:
        if not event.is_sample and event.status != "cancelled":
            found += _needs_of(event, mails, standstills.get(event.id), twice.get(event.id, 0), now)
    return sorted(found, key=lambda need: (need.kind, *_soonest(need.event, now)))


def still_told(needs: Iterable[Need], dismissed: Mapping[Matter, int]) -> list[Need]:
    """Those that were not put aside, or are worse since: `{matter: level}`."""
    return [need for need in needs if need.level > dismissed.get(need.matter, 0)]


def _soonest(event: EventRow | None, now: datetime) -> tuple[bool, datetime, int]:
    if event is None:
        return False, now, 0
    return event.starts_at is None, event.starts_at or now, event.id


def _needs_of(
    event: EventRow, mails: Undelivered, standstill: Standstill | None, twice: int, now: datetime
) -> Iterable[Need]:
    start, is_draft = event.starts_at, event.status == "draft"
    if start and not is_draft and _is_on(event, now):
        yield Need(Kind.TODAY, event, local(now, event.time_zone).toordinal())
    if twice:
        yield Need(Kind.TWICE, event, twice)
    if event.id in mails.parked:
        yield Need(Kind.UNDELIVERED, event, mails.parked[event.id])
    if event.id in mails.held:
        yield Need(Kind.HELD, event)
    if start and start <= now:
        return
    is_soon = start is not None and start <= now + SOON
    if is_draft:
        if is_soon:
            yield Need(Kind.DRAFT, event, _closeness(event, now))
    elif standstill:
        yield Need(Kind.STANDS_STILL, event, standstill.free, standstill)
    elif event.waiting:
        # Each time as many wait as before and as many again.
        yield Need(Kind.WAITING, event, event.waiting.bit_length())
    elif is_soon and event.next_position == 1 and _sells(event, now):
        yield Need(Kind.QUIET, event, _closeness(event, now))


def _closeness(event: EventRow, now: datetime) -> int:
    assert event.starts_at is not None
    left = event.starts_at - now
    return 1 + sum(left <= timedelta(days=days) for days in CLOSER)


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
