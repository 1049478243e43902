"""What the rows of events and bookings have to say about each other, as queries.

A check reads a set of rows once and holds several rules against each. The queries are plain SQL
of MySQL 8, MariaDB 10.11 and SQLite 3.40, without a loop over events or bookings.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    distinct,
    false,
    func,
    not_,
    or_,
    select,
)

from webapp.booking.commands import TAKING_TICKETS, ActivityKind, Status
from webapp.booking.terms import GRACE
from webapp.storage.outbox import KEPT
from webapp.storage.tables import (
    activities,
    bookings,
    deliveries,
    events,
    pictures,
    terms,
    used_keys,
)
from webapp.verify.checks import Check, Rule, single_rule
from webapp.verify.code_rules import gifts, replacements
from webapp.verify.door_rules import door_checks
from webapp.verify.type_rules import type_checks


def state_checks(now: datetime) -> list[Check]:
    """What must hold at each commit; `now` decides where promotion has ended with the start."""
    return [
        _figures(now),
        _repeated("one booking at a position", bookings.c.position),
        _repeated("one active booking per attendee", bookings.c.attendee_id, active=True),
        _repeated("references are unique", bookings.c.reference, across_events=True),
        _repeated("ticket codes are unique", bookings.c.ticket_code, across_events=True),
        _answers(),
        _untold(),
        _causes(),
        _next_lapses(now),
        _ends_of_terms(),
        replacements(),
        gifts(),
        _pictures(),
        _summaries(now),
        *door_checks(),
        *type_checks(),
    ]


def _figures(now: datetime) -> Check:
    """What the event row says against its bookings, and where the line of the list runs."""
    is_confirmed = bookings.c.status.in_(TAKING_TICKETS)
    is_waiting = bookings.c.status == Status.WAITING
    held = (
        select(
            bookings.c.event_id,
            func.count().label("bookings"),
            func.max(bookings.c.position).label("last"),
            func.sum(case((is_confirmed, bookings.c.tickets), else_=0)).label("confirmed"),
            func.sum(case((is_waiting, 1), else_=0)).label("waiting"),
            func.max(case((is_confirmed, bookings.c.position))).label("last_confirmed"),
            func.min(case((is_waiting, bookings.c.position))).label("head"),
            func.max(case((is_waiting, bookings.c.tickets))).label("largest"),
        )
        .group_by(bookings.c.event_id)
        .subquery("held")
    )
    told = (
        select(
            activities.c.event_id,
            func.max(activities.c.revision).label("revision"),
            func.count(distinct(activities.c.revision)).label("revisions"),
        )
        .group_by(activities.c.event_id)
        .subquery("told")
    )
    head = bookings.alias("head")
    rows = (
        events.outerjoin(held, held.c.event_id == events.c.id)
        .outerjoin(told, told.c.event_id == events.c.id)
        .outerjoin(head, and_(head.c.event_id == events.c.id, head.c.position == held.c.head))
        .outerjoin(
            terms,
            and_(terms.c.event_id == head.c.event_id, terms.c.position == head.c.position),
        )
    )
    # It is not promoted any more, and lapses in the next batch or the one after that.
    lapses = and_(terms.c.is_open.is_(True), terms.c.lapses_at <= now - GRACE)
    confirmed, waiting = func.coalesce(held.c.confirmed, 0), func.coalesce(held.c.waiting, 0)
    promotes = and_(
        events.c.status != "cancelled",
        or_(events.c.starts_at.is_(None), events.c.starts_at > now),
    )
    return Check(
        rows,
        {
            "event": events.c.id,
            "status": events.c.status,
            "capacity": events.c.capacity,
            "confirmed": events.c.confirmed,
            "confirmed_tickets": confirmed,
            "waiting": events.c.waiting,
            "waiting_bookings": waiting,
            "next_position": events.c.next_position,
            "bookings": func.coalesce(held.c.bookings, 0),
            "last_position": held.c.last,
            "last_confirmed": held.c.last_confirmed,
            "head": held.c.head,
            "head_tickets": head.c.tickets,
            "largest_waiting": held.c.largest,
            "revision": events.c.revision,
            "last_revision": told.c.revision,
            "revisions": told.c.revisions,
        },
        (
            Rule(
                "confirmed is the sum",
                "an event's `confirmed` is the sum of the tickets that its bookings take",
                events.c.confirmed != confirmed,
                ("event", "confirmed", "confirmed_tickets"),
            ),
            Rule(
                "never oversold",
                "the tickets that bookings take are no more than the capacity",
                confirmed > events.c.capacity,
                ("event", "capacity", "confirmed_tickets"),
            ),
            Rule(
                "waiting is the count",
                "an event's `waiting` is the number of its waiting bookings",
                events.c.waiting != waiting,
                ("event", "waiting", "waiting_bookings"),
            ),
            Rule(
                "next position is new",
                "the next position lies beyond every position given",
                events.c.next_position <= func.coalesce(held.c.last, 0),
                ("event", "next_position", "last_position"),
            ),
            Rule(
                "every position has its booking",
                "a booking is kept for every position ever given",
                events.c.next_position - 1 != func.coalesce(held.c.bookings, 0),
                ("event", "next_position", "bookings"),
            ),
            Rule(
                "confirmed before waiting",
                "every confirmed position lies before every waiting one, where there are no types",
                and_(events.c.types == 0, held.c.last_confirmed > held.c.head),
                ("event", "last_confirmed", "head"),
            ),
            Rule(
                "the head does not fit",
                "while promotion runs, the head of the waiting list needs more than is free, where"
                " there are no types",
                and_(
                    events.c.types == 0,
                    promotes,
                    head.c.tickets <= events.c.capacity - confirmed,
                    not_(func.coalesce(lapses, false())),
                ),
                ("event", "capacity", "confirmed_tickets", "head", "head_tickets"),
            ),
            Rule(
                "capacity holds the largest party",
                "the capacity is no less than the largest waiting party",
                held.c.largest > events.c.capacity,
                ("event", "capacity", "largest_waiting"),
            ),
            Rule(
                "a cancelled event is empty",
                "a cancelled event holds no active booking",
                and_(events.c.status == "cancelled", confirmed + waiting > 0),
                ("event", "confirmed_tickets", "waiting_bookings"),
            ),
            Rule(
                "every revision is told",
                "the history of an event tells each revision from 1 to its last",
                or_(
                    told.c.revision.is_(None),
                    told.c.revision != events.c.revision,
                    told.c.revisions != events.c.revision,
                ),
                ("event", "revision", "last_revision", "revisions"),
            ),
        ),
    )


def _repeated(
    name: str, column: ColumnElement[Any], *, active: bool = False, across_events: bool = False
) -> Check:
    """A value that only one booking may have, of its event or of all."""
    by = (column,) if across_events else (bookings.c.event_id, column)
    query = select(
        *by,
        func.min(bookings.c.event_id).label("event"),
        func.min(bookings.c.position).label("first"),
        func.max(bookings.c.position).label("last"),
        func.count().label("times"),
    ).group_by(*by)
    if active:
        query = query.where(bookings.c.active == 1)
    found = query.having(func.count() > 1).subquery("found")
    # References and ticket codes are secrets, so the rows are named by their positions.
    return single_rule(
        name,
        f"no two bookings share what must differ: {name}",
        found.c.times > 1,
        found,
        {label: found.c[label] for label in ("event", "first", "last", "times")},
    )


def _answers() -> Check:
    """An answer that is kept under a one-time key must be about a booking that exists."""
    position = used_keys.c.answer["position"].as_integer()
    rows = used_keys.outerjoin(
        bookings,
        and_(bookings.c.event_id == used_keys.c.event_id, bookings.c.position == position),
    )
    return single_rule(
        "remembered answers are true",
        "an answer kept under a one-time key names a booking that exists",
        and_(position.is_not(None), bookings.c.position.is_(None)),
        rows,
        {
            "event": used_keys.c.event_id,
            "operation": used_keys.c.operation,
            "position": position,
        },
    )


def _untold() -> Check:
    lines = select(activities.c.id).where(
        activities.c.event_id == bookings.c.event_id,
        activities.c.position == bookings.c.position,
    )
    return single_rule(
        "every booking is told",
        "every booking has a history",
        not_(lines.exists()),
        bookings,
        {"event": bookings.c.event_id, "position": bookings.c.position},
    )


def _causes() -> Check:
    """Each cause that promotions name, beside what was given up in the same transaction."""
    gave_up = activities.c.what.in_((ActivityKind.CANCELLED, ActivityKind.REDUCED))
    names_one = and_(activities.c.cause.is_not(None), activities.c.what == ActivityKind.PROMOTED)
    cause = case((names_one, activities.c.cause), else_=activities.c.position)
    found = (
        select(
            activities.c.event_id,
            activities.c.revision,
            cause.label("cause"),
            func.min(case((names_one, activities.c.position))).label("promoted"),
            func.max(case((gave_up, 1), else_=0)).label("given_up"),
        )
        .where(or_(names_one, gave_up))
        .group_by(activities.c.event_id, activities.c.revision, cause)
        .subquery("found")
    )
    return single_rule(
        "a promotion has its cause",
        "what a promotion names as its cause happened in the same transaction",
        and_(found.c.promoted.is_not(None), found.c.given_up == 0),
        found,
        {
            "event": found.c.event_id,
            "revision": found.c.revision,
            "position": found.c.promoted,
            "cause": found.c.cause,
        },
    )


_of_booking = and_(terms.c.event_id == bookings.c.event_id, terms.c.position == bookings.c.position)
_is_running = and_(terms.c.is_open.is_(True), bookings.c.active == 1)


def _next_lapses(now: datetime) -> Check:
    """Events that have not started, with the earliest of their open terms."""
    earliest = (
        select(terms.c.event_id, func.min(terms.c.lapses_at).label("lapses_at"))
        .join(bookings, _of_booking)
        .where(_is_running)
        .group_by(terms.c.event_id)
        .subquery("earliest")
    )
    is_later = or_(events.c.next_lapse_at.is_(None), events.c.next_lapse_at > earliest.c.lapses_at)
    to_come = or_(events.c.starts_at.is_(None), events.c.starts_at > now)
    return single_rule(
        "the next lapse is known",
        "an event's `next_lapse_at` is no later than its earliest open term",
        and_(earliest.c.lapses_at.is_not(None), is_later, to_come),
        events.join(earliest, earliest.c.event_id == events.c.id),
        {
            "event": events.c.id,
            "next_lapse_at": events.c.next_lapse_at,
            "earliest": earliest.c.lapses_at,
        },
    )


def _ends_of_terms() -> Check:
    return single_rule(
        "no term outlives the start",
        "no open term ends after the start of its event",
        and_(_is_running, terms.c.lapses_at > events.c.starts_at),
        terms.join(bookings, _of_booking).join(events, events.c.id == terms.c.event_id),
        {
            "event": terms.c.event_id,
            "position": terms.c.position,
            "lapses_at": terms.c.lapses_at,
            "starts_at": events.c.starts_at,
        },
    )


def _pictures() -> Check:
    named, kept = events.c.picture.is_not(None), pictures.c.event_id.is_not(None)
    return single_rule(
        "a named picture is kept",
        "an event that names a picture has one, and no other event has",
        named != kept,
        events.outerjoin(pictures, pictures.c.event_id == events.c.id),
        {"event": events.c.id},
    )


def _summaries(now: datetime) -> Check:
    """What was told by another mail; one is forgotten 30 days after it was sent."""
    summary = deliveries.alias("summary")
    tells = and_(
        summary.c.id == deliveries.c.summary_id,
        summary.c.what == "summed_up",
        summary.c.recipient == deliveries.c.recipient,
    )
    return single_rule(
        "what is summed up is told",
        "a mail that was not sent by itself names a summary to the same address",
        and_(
            deliveries.c.summary_id.is_not(None),
            deliveries.c.next_try_at > now - KEPT + timedelta(days=1),
            summary.c.id.is_(None),
        ),
        deliveries.outerjoin(summary, tells),
        {"delivery": deliveries.c.id, "event": deliveries.c.event_id},
    )
