"""The door: bookings, admissions, scans and history have to say the same of who is in."""

from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, and_, case, func, not_, or_, select

from webapp.booking.commands import ActivityKind, Status
from webapp.storage.tables import activities, admissions, bookings, events, scans
from webapp.verify.checks import Broken, Check, Findings, single_rule, stream

RULES = {
    "the history tells who is in": (
        "each line of the door starts from where the one before it ended, and the last of a booking"
        " says what its row says"
    ),
}


def door_checks() -> list[Check]:
    """What must hold at each commit."""
    return [_counted(), _scanned(), _confirmed()]


def replay_door(connection: Connection) -> list[Broken]:
    """The rule of the history, if it does not hold."""
    findings = Findings.of(RULES)
    [rule] = RULES
    lines = (
        select(
            activities.c.event_id,
            activities.c.position,
            activities.c.id,
            activities.c.what,
            activities.c.details,
            bookings.c.admitted,
        )
        .join(bookings, _of_booking(activities))
        .where(activities.c.what.in_((ActivityKind.ADMITTED, ActivityKind.LET_OUT)))
        .order_by(
            activities.c.event_id, activities.c.position, activities.c.revision, activities.c.id
        )
    )
    for (event, position), of_one in groupby(stream(connection, lines), key=itemgetter(0, 1)):
        inside = 0
        told = list(of_one)
        for line in told:
            before, after = (line.details or {}).get("admitted") or (0, 0)
            more = after > before if line.what == ActivityKind.ADMITTED else after < before
            if before != inside or not more:
                findings.note(rule, event=event, position=position, activity=line.id)
            inside = after
        if inside != told[-1].admitted:
            admitted = told[-1].admitted
            findings.note(rule, event=event, position=position, told=inside, admitted=admitted)
    untold = select(bookings.c.event_id, bookings.c.position, bookings.c.admitted).where(
        bookings.c.admitted > 0,
        not_(
            select(activities.c.id)
            .where(_of_booking(activities), activities.c.what == ActivityKind.ADMITTED)
            .exists()
        ),
    )
    for event, position, now_in in stream(connection, untold):
        findings.note(rule, event=event, position=position, told=0, admitted=now_in)
    return findings.broken()


def _of_booking(table: Any) -> Any:
    return and_(table.c.event_id == bookings.c.event_id, table.c.position == bookings.c.position)


def _counted() -> Check:
    """Each booking with its admissions, and with what its scans have moved."""
    kept = (
        select(
            admissions.c.event_id,
            admissions.c.position,
            func.count().label("number"),
            func.max(admissions.c.number).label("last"),
        )
        .group_by(admissions.c.event_id, admissions.c.position)
        .subquery("kept")
    )
    moved = (
        select(
            scans.c.event_id,
            scans.c.position,
            func.sum(case((scans.c.what == "in", scans.c.moved), else_=-scans.c.moved)).label(
                "number"
            ),
        )
        .where(scans.c.position.is_not(None))
        .group_by(scans.c.event_id, scans.c.position)
        .subquery("moved")
    )
    admitted, number = bookings.c.admitted, func.coalesce(kept.c.number, 0)
    scanned = func.coalesce(moved.c.number, 0)
    return single_rule(
        "admissions are counted",
        "a booking counts its admissions: its first tickets, as many as its scans have moved",
        or_(number != admitted, func.coalesce(kept.c.last, 0) != admitted, scanned != admitted),
        bookings.outerjoin(kept, _of_booking(kept)).outerjoin(moved, _of_booking(moved)),
        {
            "event": bookings.c.event_id,
            "position": bookings.c.position,
            "admitted": admitted,
            "admissions": number,
            "scanned": scanned,
        },
    )


def _scanned() -> Check:
    its_scan = and_(
        scans.c.event_id == admissions.c.event_id,
        scans.c.id == admissions.c.scan_id,
        scans.c.position == admissions.c.position,
        scans.c.what == "in",
        scans.c.moved > 0,
    )
    return single_rule(
        "each admission has its scan",
        "who was let in was let in by a scan of that booking",
        scans.c.id.is_(None),
        admissions.outerjoin(scans, its_scan),
        {
            "event": admissions.c.event_id,
            "position": admissions.c.position,
            "number": admissions.c.number,
        },
    )


def _confirmed() -> Check:
    fell_with_event = and_(bookings.c.status == Status.CANCELLED, events.c.status == "cancelled")
    return single_rule(
        "who is in is confirmed",
        "a booking of which somebody is in is confirmed, or was cancelled with its event",
        and_(
            bookings.c.admitted > 0,
            bookings.c.status != Status.CONFIRMED,
            not_(fell_with_event),
        ),
        bookings.join(events, events.c.id == bookings.c.event_id),
        {
            "event": bookings.c.event_id,
            "position": bookings.c.position,
            "status": bookings.c.status,
        },
    )
