"""The history told in order: how each booking came about, and that each commit kept the rules."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, false, func, not_, or_, select

from webapp.models import activities, bookings, events
from webapp.services.commands import Status, What
from webapp.services.rules import Check, Rule

# Larger than any revision: a booking that still waits has not left the waiting list.
NEVER = 1 << 62

_LINE = (
    *("id", "event_id", "revision", "position", "what"),
    *("status_before", "status_after", "tickets_before", "tickets_after"),
)
_changes_a_booking = and_(activities.c.position.is_not(None), activities.c.what.in_(tuple(What)))


def history_checks() -> list[Check]:
    """What must hold for the whole of the history."""
    return [_commits(), _lines(), _turns(), _untold(), _causes()]


def _commits() -> Check:
    """The figures as they were after each commit, recomputed from the history."""
    taken = _tickets_held(activities.c.status_after, activities.c.tickets_after)
    given = _tickets_held(activities.c.status_before, activities.c.tickets_before)
    capacity = activities.c.details["capacity"]
    by_edit = func.coalesce(capacity[1].as_integer() - capacity[0].as_integer(), 0)
    step = (
        select(
            activities.c.event_id,
            activities.c.revision,
            func.min(activities.c.batch).label("first_batch"),
            func.max(activities.c.batch).label("last_batch"),
            func.sum(taken - given).label("taken"),
            func.sum(case((activities.c.details.is_(None), 0), else_=by_edit)).label("added"),
        )
        .group_by(activities.c.event_id, activities.c.revision)
        .subquery("step")
    )
    # From the present backwards, because the history does not tell the first capacity: what was
    # free after a commit is what is free now without the steps since.
    freed = func.sum(step.c.added - step.c.taken).over(
        partition_by=step.c.event_id, order_by=step.c.revision.desc(), rows=(None, -1)
    )
    of_batch = func.count().over(partition_by=(step.c.event_id, step.c.last_batch))
    after = select(
        step, func.coalesce(freed, 0).label("freed_since"), of_batch.label("revisions")
    ).subquery("after")
    free = events.c.capacity - events.c.confirmed - after.c.freed_since
    return Check(
        after.join(events, events.c.id == after.c.event_id),
        {
            "event": after.c.event_id,
            "revision": after.c.revision,
            "free": free.label("free"),
            "first_batch": after.c.first_batch,
            "last_batch": after.c.last_batch,
            "revisions": after.c.revisions,
        },
        (
            Rule(
                "never oversold at any commit",
                "by its history no commit ever left an event with more confirmed than capacity",
                free < 0,
                ("event", "revision", "free"),
            ),
            Rule(
                "one batch per revision",
                "a revision is written by one transaction, and a transaction writes one revision",
                or_(after.c.first_batch != after.c.last_batch, after.c.revisions > 1),
                ("event", "revision", "first_batch", "last_batch", "revisions"),
            ),
        ),
    )


def _lines() -> Check:
    """Each line of a booking against the line before it, the last one against the booking."""
    booking = (activities.c.event_id, activities.c.position)
    in_turn = (activities.c.revision, activities.c.id)
    told_before = [
        func.lag(activities.c[name]).over(partition_by=booking, order_by=in_turn).label(label)
        for name, label in (("status_after", "status_told"), ("tickets_after", "tickets_told"))
    ]
    next_id = func.lead(activities.c.id).over(partition_by=booking, order_by=in_turn)
    line = (
        select(*(activities.c[name] for name in _LINE), *told_before, next_id.label("next_id"))
        .where(_changes_a_booking)
        .subquery("line")
    )
    row = line.outerjoin(
        bookings,
        and_(bookings.c.event_id == line.c.event_id, bookings.c.position == line.c.position),
    )
    return Check(
        row,
        {
            "event": line.c.event_id,
            "position": line.c.position,
            "activity": line.c.id,
            "what": line.c.what,
            "status_before": line.c.status_before,
            "status_after": line.c.status_after,
            "tickets_before": line.c.tickets_before,
            "tickets_after": line.c.tickets_after,
            "status_told": line.c.status_told,
            "tickets_told": line.c.tickets_told,
            "status": bookings.c.status,
            "tickets": bookings.c.tickets,
        },
        (
            Rule(
                "booked once and first",
                "the history of a booking begins with its only `booked` line",
                (line.c.what == What.BOOKED) != line.c.status_told.is_(None),
                ("event", "position", "activity", "what"),
            ),
            Rule(
                "each line follows the last",
                "a line of history starts from where the line before it ended",
                or_(
                    line.c.status_told != func.coalesce(line.c.status_before, ""),
                    line.c.tickets_told != func.coalesce(line.c.tickets_before, 0),
                ),
                (
                    *("event", "position", "activity", "status_told", "status_before"),
                    *("tickets_told", "tickets_before"),
                ),
            ),
            Rule(
                "each line is a possible step",
                "a line of history is a step that the rules allow",
                not_(func.coalesce(_possible(line), false())),
                (
                    *("event", "position", "activity", "what", "status_before", "status_after"),
                    *("tickets_before", "tickets_after"),
                ),
            ),
            Rule(
                "history leads to the present",
                "the last line of a booking's history is what its row says",
                and_(
                    line.c.next_id.is_(None),
                    or_(
                        bookings.c.position.is_(None),
                        bookings.c.status != line.c.status_after,
                        bookings.c.tickets != line.c.tickets_after,
                    ),
                ),
                (
                    *("event", "position", "activity", "status_after", "status"),
                    *("tickets_after", "tickets"),
                ),
            ),
        ),
    )


def _possible(line: FromClause) -> ColumnElement[bool]:
    before, after = line.c.status_before, line.c.status_after
    had, has = line.c.tickets_before, line.c.tickets_after
    active = (Status.CONFIRMED, Status.WAITING)
    cancelled = and_(before.in_(active), after == Status.CANCELLED, has == had)
    promoted = and_(before == Status.WAITING, after == Status.CONFIRMED, has == had)
    reduced = and_(before.in_(active), after == before, has.between(1, had - 1))
    booked = and_(before.is_(None), had.is_(None), after.in_(active), has >= 1)
    return case(
        (line.c.what == What.BOOKED, booked),
        (line.c.what == What.PROMOTED, promoted),
        (line.c.what == What.CANCELLED, cancelled),
        else_=reduced,
    )


def _turns() -> Check:
    """Nobody was confirmed while somebody with an earlier position went on waiting."""
    was_waiting = activities.c.status_before == Status.WAITING
    got_in = and_(activities.c.status_after == Status.CONFIRMED, activities.c.what != What.REDUCED)
    queued = and_(activities.c.what == What.BOOKED, activities.c.status_after == Status.WAITING)
    left = and_(was_waiting, activities.c.status_after != Status.WAITING)
    stay = (
        select(
            activities.c.event_id,
            activities.c.position,
            func.min(case((got_in, activities.c.revision))).label("confirmed_at"),
            func.max(case((queued, 1))).label("waited"),
            func.max(case((left, activities.c.revision))).label("left_at"),
        )
        .where(_changes_a_booking)
        .group_by(activities.c.event_id, activities.c.position)
        .subquery("stay")
    )
    until = case((stay.c.waited == 1, func.coalesce(stay.c.left_at, NEVER)), else_=0)
    longest = func.max(until).over(
        partition_by=stay.c.event_id, order_by=stay.c.position, rows=(None, -1)
    )
    turn = select(
        stay.c.event_id, stay.c.position, stay.c.confirmed_at, longest.label("earlier_waited_until")
    ).subquery("turn")
    return Check(
        turn,
        {
            "event": turn.c.event_id,
            "position": turn.c.position,
            "revision": turn.c.confirmed_at,
        },
        (
            Rule(
                "nobody overtakes",
                "by its history no booking was confirmed while an earlier one went on waiting",
                turn.c.earlier_waited_until > turn.c.confirmed_at,
                ("event", "position", "revision"),
            ),
        ),
    )


def _untold() -> Check:
    lines = select(activities.c.id).where(
        activities.c.event_id == bookings.c.event_id,
        activities.c.position == bookings.c.position,
    )
    return Check(
        bookings,
        {"event": bookings.c.event_id, "position": bookings.c.position},
        (
            Rule(
                "every booking is told",
                "every booking has a history",
                not_(lines.exists()),
                ("event", "position"),
            ),
        ),
    )


def _causes() -> Check:
    """Each cause that promotions name, beside what was given up in the same transaction."""
    gave_up = activities.c.what.in_((What.CANCELLED, What.REDUCED))
    names_one = activities.c.cause.is_not(None)
    cause = func.coalesce(activities.c.cause, activities.c.position)
    found = (
        select(
            activities.c.event_id,
            activities.c.revision,
            cause.label("cause"),
            func.min(case((names_one, activities.c.position))).label("promoted"),
            func.max(case((gave_up, 1), else_=0)).label("given_up"),
        )
        .where(_changes_a_booking, or_(names_one, gave_up))
        .group_by(activities.c.event_id, activities.c.revision, cause)
        .subquery("found")
    )
    return Check(
        found,
        {
            "event": found.c.event_id,
            "revision": found.c.revision,
            "position": found.c.promoted,
            "cause": found.c.cause,
        },
        (
            Rule(
                "a promotion has its cause",
                "what a promotion names as its cause happened in the same transaction",
                and_(found.c.promoted.is_not(None), found.c.given_up == 0),
                ("event", "revision", "position", "cause"),
            ),
        ),
    )


def _tickets_held(status: ColumnElement[Any], tickets: ColumnElement[Any]) -> ColumnElement[int]:
    return case((status == Status.CONFIRMED, tickets), else_=0)
