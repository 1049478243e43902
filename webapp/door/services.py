"""Scans: whoever stands at the door asks, one transaction decides, and each is let in once.

The event is locked, those lapse whose terms are over, guests are found, each scan is decided in
its turn; then scans, admissions, history and the event's revision are written together. A scan
that comes again is answered as before: its id says so, under the same lock.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from webapp.booking.access import check_own
from webapp.booking.batch import Batch
from webapp.booking.change import EventChange
from webapp.booking.commands import Actor
from webapp.booking.load import lock_event
from webapp.door.decide import Decision, Guest, Scan, Verdict, What, decide
from webapp.door.load import Found, Seen, find
from webapp.door.save import Written
from webapp.errors import EventNotFound
from webapp.logs import log_event
from webapp.storage.transaction import write

# The most in one call.
MOST_SCANS = 500
MOST_AT_ONCE = 1000
TELLING_FIRST = (Verdict.AGAIN, Verdict.TOO_MANY)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scan is answered, the first time and each time after.

    `admitted` of `of` people of the booking at `position` were in then, the first of them since
    `first_at` (on the clocks of the event's place), let in by the device `first_by` (empty for the
    organizer). It was about `count` people, of whom `twice` are in on used tickets. `other_event`
    is the name of the event that the ticket is for. What does not apply is None.
    """

    id: str
    what: What
    verdict: Verdict
    count: int
    position: int | None = None
    admitted: int | None = None
    of: int | None = None
    name: str | None = None
    first_at: datetime | None = None
    first_by: str | None = None
    other_event: str | None = None
    twice: int = 0


def scan(event_id: int, scans: Sequence[Scan], *, actor: Actor) -> list[Answer]:
    """Decide scans in their order, all in one transaction; the answer to each.

    `actor` is the organizer, or a door pass of this event. Raises `EventNotFound` (also for
    anybody else's event), `Unavailable`.
    """
    batch = Batch()

    def work(connection: Connection) -> list[Answer]:
        event = lock_event(connection, event_id)
        if actor.is_organizer:
            check_own(event, actor)
        elif actor.kind != "door":
            raise EventNotFound
        return batch.run(
            connection,
            [event],
            {},
            lambda changes, now: _settle(connection, changes[event_id], scans, actor, now),
        )

    # What was only answered wrote no revision; run again, it finds its scans and says the same.
    answers = write(work, already_committed=batch.already_committed)
    verdicts = Counter(answer.verdict.value for answer in answers)
    log_event("scan", event_id=event_id, actor=actor, **verdicts)
    return answers


def _settle(
    connection: Connection,
    change: EventChange,
    scans: Sequence[Scan],
    actor: Actor,
    now: datetime,
) -> list[Answer]:
    found = find(connection, change.event, scans)
    written = Written(change, str(actor), now)
    is_cancelled = change.event.status == "cancelled"
    answers = {id: _answer_again(found, seen) for id, seen in found.before.items()}
    for one in scans:
        if one.id in answers:
            continue
        guest = found.guest_of(one)
        if guest is None:
            verdict, other_event = found.verdict_without_guest(one)
            decision, told = Decision(verdict), {"event": other_event} if other_event else {}
        else:
            decision = decide(one, guest, is_event_cancelled=is_cancelled)
            written.move(one, guest, decision)
            told = _told(guest, decision)
        position = guest.position if guest else None
        written.keep(one, decision, position=position, answer=told)
        name = guest.name if guest else None
        answers[one.id] = _answer(
            found, one.id, one.what, decision.verdict, one.count, position, name, told
        )
    written.save(connection)
    return [answers[one.id] for one in scans]


def _told(guest: Guest, decision: Decision) -> dict[str, Any]:
    """What is kept with a scan of what it is answered, so that it can be answered again."""
    told: dict[str, Any] = {"in": guest.admitted, "of": guest.tickets}
    if decision.twice:
        told["twice"] = decision.twice
    if decision.verdict in TELLING_FIRST and guest.first_at is not None:
        told |= {"at": guest.first_at.isoformat(), "by": guest.first_by}
    return told


def _answer_again(found: Found, seen: Seen) -> Answer:
    row = seen.row
    verdict, what = Verdict(row.verdict), What(row.what)
    place = (row.people, row.position, seen.name, row.answer)
    return _answer(found, row.id, what, verdict, *place)


def _answer(
    found: Found,
    id: str,
    what: What,
    verdict: Verdict,
    count: int,
    position: int | None,
    name: str | None,
    told: dict[str, Any],
) -> Answer:
    first_at = told.get("at")
    there = ZoneInfo(found.event.time_zone)
    return Answer(
        id,
        what,
        verdict,
        count,
        position,
        told.get("in"),
        told.get("of"),
        name,
        datetime.fromisoformat(first_at).astimezone(there) if first_at else None,
        found.pass_names.get(told["by"], "") if first_at else None,
        told.get("event"),
        told.get("twice", 0),
    )
