"""Scans: whoever stands at the door asks, one transaction decides, and each is let in once.

The event is locked, those lapse whose terms are over, guests are found, each scan is decided in
its turn; then scans, admissions, history and the event's revision are written together. A scan
that comes again is answered as before: its id says so, under the same lock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from webapp.booking.batch import Batch
from webapp.booking.change import EventChange
from webapp.booking.commands import Actor, organizer
from webapp.booking.load import lock_event
from webapp.booking.ticket_types import wants_of
from webapp.door.decide import Decision, Guest, Scan, Verdict, What, decide
from webapp.door.load import Found, Seen, find
from webapp.door.save import Written
from webapp.errors import DomainError, EventNotFound
from webapp.extensions import PerApp
from webapp.logs import log_event
from webapp.storage.batcher import Batcher
from webapp.storage.rows import LockedEvent
from webapp.storage.transaction import write

# The most in one call.
MOST_SCANS = 500
MOST_AT_ONCE = 1000
TELLING_FIRST = (Verdict.AGAIN, Verdict.TOO_MANY)


class Item(NamedTuple):
    """So many tickets of a type, with its name."""

    number: int
    name: str
    tickets: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scan is answered, the first time and each time after.

    `admitted` of `of` people of the booking at `position` were in then, the first of them since
    `first_at` (on the clocks of the event's place), let in by the device `first_by` (empty for the
    organizer). It was about `count` people, of whom `twice` are in on used tickets. `other_event`
    is the name of the event that the ticket is for. What does not apply is None. `items` are the
    tickets of the booking by type, where the event has types.
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
    items: Sequence[Item] = ()


@dataclass(frozen=True, slots=True)
class _Call:
    """The scans that one device sent together."""

    scans: Sequence[Scan]
    actor: Actor


Calls = Sequence[_Call]
Results = Sequence[list[Answer] | Exception]


def scan(event_id: int, scans: Sequence[Scan], *, actor: Actor) -> list[Answer]:
    """Decide scans in their order, all in one transaction; the answer to each.

    What several devices send at the same time is merged into one transaction, as bookings are.
    `actor` is the organizer, or a door pass of this event. Raises `EventNotFound` (also for
    anybody else's event), `Unavailable`.
    """
    answers = _calls.own.submit(event_id, _Call(scans, actor))
    verdicts = Counter(answer.verdict.value for answer in answers)
    log_event("scan", event_id=event_id, actor=actor, **verdicts)
    return answers


def _run(event_id: int, calls: Calls) -> Results:
    """Decide calls for one event, one after the other, in one transaction.

    A batch that fails for another reason than a passing one is run again call by call.
    """
    batch = Batch()

    def work(connection: Connection) -> Results:
        event = lock_event(connection, event_id)
        return batch.run(
            connection,
            [event],
            lambda changes, now: _settle(connection, changes[event_id], calls, now),
        )

    try:
        # What was only answered wrote no revision; run again, it finds its scans and says the same.
        return write(work, already_committed=batch.already_committed)
    except DomainError:
        raise
    except Exception:
        if len(calls) == 1:
            raise
    return [_run_alone(event_id, call) for call in calls]


def _run_alone(event_id: int, call: _Call) -> list[Answer] | Exception:
    try:
        return _run(event_id, [call])[0]
    except Exception as error:
        return error


# A call may hold hundreds of scans, and nobody waits long for those of others.
_calls: PerApp[Batcher[int, _Call, list[Answer]]] = PerApp(lambda: Batcher(_run, largest_batch=16))


def _settle(connection: Connection, change: EventChange, calls: Calls, now: datetime) -> Results:
    event = change.event
    allowed = [call for call in calls if _may_scan(call.actor, event)]
    found = find(connection, event, [one for call in allowed for one in call.scans])
    written = Written(change, now)
    answers = {id: _answer_again(found, seen) for id, seen in found.before.items()}
    for call in allowed:
        for one in call.scans:
            if one.id not in answers:
                answers[one.id] = _decide(found, written, one, str(call.actor))
    written.save(connection)
    return [
        [answers[one.id] for one in call.scans] if call in allowed else EventNotFound()
        for call in calls
    ]


def _may_scan(actor: Actor, event: LockedEvent) -> bool:
    """Whether it is the event's organizer, or a door pass: those are for one event each."""
    return actor == organizer(event.organizer_id) or actor.kind == "door"


def _decide(found: Found, written: Written, one: Scan, actor: str) -> Answer:
    guest = found.guest_of(one)
    if guest is None:
        verdict, other_event = found.verdict_without_guest(one)
        decision, told = Decision(verdict), {"event": other_event} if other_event else {}
    else:
        is_cancelled = found.event.status == "cancelled"
        decision = decide(one, guest, is_event_cancelled=is_cancelled)
        written.move(one, guest, decision, actor=actor)
        told = _told(guest, decision)
    position = guest.position if guest else None
    written.keep(one, decision, position=position, answer=told, actor=actor)
    name = guest.name if guest else None
    return _answer(found, one.id, one.what, decision.verdict, one.count, position, name, told)


def _told(guest: Guest, decision: Decision) -> dict[str, Any]:
    """What is kept with a scan of what it is answered, so that it can be answered again."""
    told: dict[str, Any] = {"in": guest.admitted, "of": guest.tickets}
    if guest.wants:
        told["wants"] = guest.wants
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
        items_in(told["wants"], found.type_names) if "wants" in told else (),
    )


def items_in(wants: str, names: Mapping[int, str]) -> list[Item]:
    """The tickets of a booking by type, in the order of `names`, `{type: name}`."""
    wanted = wants_of(wants)
    return [Item(one, name, wanted[one]) for one, name in names.items() if one in wanted]
