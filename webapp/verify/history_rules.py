"""The history told again from its beginning: does it keep the rules, and lead to the present?

The lines are read once, in order, and replayed here rather than with window functions, which are
standard SQL but take MariaDB the square of a waiting list's length.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from webapp.booking.commands import TAKING_TICKETS, ActivityKind, Status, is_active, takes_tickets
from webapp.storage.columns import UtcDateTime
from webapp.storage.tables import activities, bookings, events
from webapp.verify.checks import Broken, Findings, stream
from webapp.verify.type_rules import read_wants

RULES = {
    "never oversold at any commit": (
        "by its history no commit ever left an event with more confirmed than capacity"
    ),
    "one batch per revision": (
        "a revision is written by one transaction, and a transaction writes one revision"
    ),
    "booked once and first": "the history of a booking begins with its only `booked` line",
    "each line follows the last": "a line of history starts from where the line before it ended",
    "each line is a possible step": "a line of history is a step that the rules allow",
    "history leads to the present": "the last line of a booking's history is what its row says",
    "nobody overtakes": (
        "by its history no booking was confirmed while an earlier one went on waiting, where there"
        " are no types"
    ),
    "more only while nobody waits": (
        "by its history no booking got more tickets while another one went on waiting, where there"
        " are no types"
    ),
    "edits lead to the present": (
        "the edits of an event follow one another and lead to what it says now"
    ),
}

# The first ticket type of an event takes over what was booked before.
FIRST_TYPE = 1
# What changes who has tickets, and of which types.
MOVING = (
    ActivityKind.BOOKED,
    ActivityKind.PROMOTED,
    ActivityKind.CANCELLED,
    ActivityKind.LAPSED,
    ActivityKind.REDUCED,
    ActivityKind.RAISED,
)
# These tell of a type, or of all, under the name of a column of the event.
OF_TYPES = ("type_added", "type_edited", "type_removed", "types_ordered")


def replay(connection: Connection) -> list[Broken]:
    """Every rule of the history that does not hold."""
    findings = Findings.of(RULES)
    _replay_commits(connection, findings)
    _replay_bookings(connection, findings)
    _replay_edits(connection, findings)
    return findings.broken()


def _replay_commits(connection: Connection, findings: Findings) -> None:
    """What was free and how many waited after each commit, from the present backwards.

    Backwards, because the history does not tell the first capacity.
    """
    taken = _held(activities.c.status_after, activities.c.tickets_after)
    given = _held(activities.c.status_before, activities.c.tickets_before)
    capacity = activities.c.details["capacity"]
    waited = activities.c.status_before == Status.WAITING
    waits = activities.c.status_after == Status.WAITING
    joined = case((waited, 0), (waits, 1), else_=0)
    left = case((waits, 0), (waited, 1), else_=0)
    raised = case((activities.c.what == ActivityKind.RAISED, 1), else_=0)
    by_edit = func.coalesce(capacity[1].as_integer() - capacity[0].as_integer(), 0)
    added = case((activities.c.details.is_(None), 0), else_=by_edit)
    query = (
        select(
            activities.c.event_id,
            activities.c.revision,
            func.min(activities.c.batch),
            func.max(activities.c.batch),
            func.sum(taken - given - added),
            events.c.capacity - events.c.confirmed,
            func.sum(joined),
            func.sum(left),
            func.max(raised),
            events.c.waiting,
            events.c.types,
        )
        .join(events, events.c.id == activities.c.event_id)
        .group_by(
            activities.c.event_id,
            activities.c.revision,
            events.c.capacity,
            events.c.confirmed,
            events.c.waiting,
            events.c.types,
        )
        .order_by(activities.c.event_id, activities.c.revision.desc())
    )
    for event, commits in groupby(stream(connection, query), key=itemgetter(0)):
        free = waiting = None
        batches: set[str] = set()
        for _, revision, first, last, used, free_now, *moved, waiting_now, types in commits:
            joins, leaves, raises = moved
            free = free_now if free is None else free
            waiting = waiting_now if waiting is None else waiting
            if free < 0:
                findings.note(
                    "never oversold at any commit", event=event, revision=revision, free=free
                )
            free += int(used)
            # Now without those who joined in this commit, maybe behind who got more.
            waiting -= int(joins)
            if raises and waiting > 0 and not types:
                findings.note(
                    "more only while nobody waits", event=event, revision=revision, waiting=waiting
                )
            waiting += int(leaves)
            if first != last or first in batches:
                findings.note("one batch per revision", event=event, revision=revision)
            batches.add(first)


def _held(status: ColumnElement[Any], tickets: ColumnElement[Any]) -> ColumnElement[int]:
    return case((status.in_(TAKING_TICKETS), tickets), else_=0)


def _replay_bookings(connection: Connection, findings: Findings) -> None:
    """Each booking from its first line to its row, in order of position."""
    of_booking = and_(
        bookings.c.event_id == activities.c.event_id,
        bookings.c.position == activities.c.position,
    )
    query = (
        select(
            *(activities.c[name] for name in ("event_id", "position", "id", "revision", "what")),
            *(activities.c[name] for name in ("status_before", "tickets_before")),
            *(activities.c[name] for name in ("status_after", "tickets_after")),
            *(activities.c[name] for name in ("wants_before", "wants_after")),
            bookings.c.status,
            bookings.c.tickets,
            bookings.c.wants,
        )
        .join(bookings, of_booking, isouter=True)
        .where(activities.c.position.is_not(None), activities.c.what.in_(tuple(ActivityKind)))
        .order_by(
            activities.c.event_id,
            activities.c.position,
            activities.c.revision,
            activities.c.id,
        )
    )
    typed = set(connection.execute(select(events.c.id).where(events.c.types > 0)).scalars())
    for event, lines in groupby(stream(connection, query), key=itemgetter(0)):
        # The last revision at which somebody with an earlier position was still in the list.
        awaited = 0.0
        for position, of_one in groupby(lines, key=itemgetter(1)):
            confirmed_at, left_at = _replay_booking(event, position, of_one, findings)
            if confirmed_at is not None and confirmed_at < awaited and event not in typed:
                findings.note(
                    "nobody overtakes", event=event, position=position, revision=confirmed_at
                )
            awaited = max(awaited, left_at)


def _replay_booking(
    event: int, position: int, lines: Iterable[Sequence[Any]], findings: Findings
) -> tuple[int | None, float]:
    """The revision that confirmed the booking, and the one at which it left the waiting list.

    The latter is infinite for one that still waits, and 0 for one that never did.
    """
    booking = {"event": event, "position": position}
    told: tuple[Any, Any] | None = None
    confirmed_at: int | None = None
    left_at = 0.0
    line_id, row, wanted, kept = 0, (None, None), None, ""
    for _, _, line_id, revision, what, *step, status, tickets, wants in lines:
        before, after = (step[0], step[1]), (step[2], step[3])
        named = {**booking, "activity": line_id, "what": what}
        if (what == ActivityKind.BOOKED) != (told is None):
            findings.note("booked once and first", **named)
        elif told is not None and told != before:
            findings.note("each line follows the last", **named, told=told, before=before)
        elif told is not None and step[4] not in (None, wanted or f"{FIRST_TYPE}:{told[1]}"):
            findings.note("each line follows the last", **named, told=wanted, before=step[4])
        if not _possible(what, *before, *after):
            findings.note("each line is a possible step", **named, before=before, after=after)
        elif (wanted or step[5]) and not _possible_wants(what, before[1], after[1], *step[4:]):
            findings.note("each line is a possible step", **named, before=step[4], after=step[5])
        if takes_tickets(after[0]) and confirmed_at is None:
            confirmed_at = revision
        if before[0] == Status.WAITING and after[0] != Status.WAITING:
            left_at = revision
        told, row, wanted, kept = after, (status, tickets), step[5] or wanted, wants
    line = {**booking, "activity": line_id}
    if told != row:
        findings.note("history leads to the present", **line, told=told, row=row)
    # What was booked before the first type was made has become of that type.
    elif (kept or wanted) and kept != (wanted or f"{FIRST_TYPE}:{row[1]}"):
        findings.note("history leads to the present", **line, told=wanted, row=kept)
    return confirmed_at, float("inf") if told and told[0] == Status.WAITING else left_at


def _possible(what: str, status: Any, tickets: Any, status_after: Any, tickets_after: Any) -> bool:
    if what == ActivityKind.BOOKED:
        made = status is None and tickets is None
        return made and is_active(status_after) and tickets_after >= 1
    if what == ActivityKind.LET_OUT:
        # Also of a booking that was cancelled with its event.
        return bool(status_after == status and tickets_after == tickets)
    if not is_active(status):
        return False
    match what:
        case ActivityKind.PROMOTED:
            moved_up = status == Status.WAITING and takes_tickets(status_after)
            return moved_up and tickets_after == tickets
        case ActivityKind.CANCELLED:
            return bool(status_after == Status.CANCELLED and tickets_after == tickets)
        case ActivityKind.LAPSED:
            return bool(status_after == Status.LAPSED and tickets_after == tickets)
        case ActivityKind.ASKED | ActivityKind.KEPT:
            return bool(status_after == status and tickets_after == tickets)
        case ActivityKind.GIVEN | ActivityKind.ADMITTED:
            same = status_after == status and tickets_after == tickets
            return bool(same and status == Status.CONFIRMED)
        case ActivityKind.RAISED:
            return bool(
                status_after == status and takes_tickets(status) and tickets_after > tickets
            )
        case _:
            return bool(status_after == status and 1 <= tickets_after < tickets)


def _possible_wants(
    what: str, tickets: Any, tickets_after: Any, wants: str | None, wants_after: str | None
) -> bool:
    """Whether a line of an event with types says of which types the tickets are."""
    if wants_after is None:
        # What moves no tickets need not tell.
        return what not in MOVING
    had, has = read_wants(wants or ""), read_wants(wants_after)
    if sum(has.values()) != tickets_after or sum(had.values()) != (tickets or 0):
        return False
    if what == ActivityKind.BOOKED:
        return True
    changes = [has.get(number, 0) - had.get(number, 0) for number in {**had, **has}]
    match what:
        case ActivityKind.RAISED:
            return all(change >= 0 for change in changes)
        case ActivityKind.REDUCED:
            return all(change <= 0 for change in changes)
    return not any(changes)


def _replay_edits(connection: Connection, findings: Findings) -> None:
    """Newest first: what an edit left behind is what the next one found, or the event says."""
    query = (
        select(
            activities.c.revision.label("told_at"), activities.c.what, activities.c.details, events
        )
        .join(events, events.c.id == activities.c.event_id)
        .where(activities.c.position.is_(None), activities.c.details.is_not(None))
        .order_by(events.c.id, activities.c.revision.desc(), activities.c.id.desc())
    )
    rows = (row._mapping for row in stream(connection, query))
    for event, edits in groupby(rows, key=itemgetter("id")):
        found: dict[str, Any] = {}
        for edit in edits:
            told = {} if edit["what"] in OF_TYPES else edit["details"]
            for name, (before, after) in told.items():
                if name not in events.c:
                    # Of something that belongs to the event, such as a code.
                    continue
                if found.get(name, edit[name]) != _value(name, after):
                    findings.note(
                        "edits lead to the present",
                        event=event,
                        revision=edit["told_at"],
                        field=name,
                    )
                found[name] = _value(name, before)


def _value(name: str, told: Any) -> Any:
    """A value as its column has it; the history keeps moments as ISO 8601 text."""
    if isinstance(events.c[name].type, UtcDateTime) and isinstance(told, str):
        return datetime.fromisoformat(told)
    return told
