"""What the history tells of questions, answers and lapses, against the terms that are kept.

A lapse is judged by the row of its term, which stays, not by how long a term is: the deliverer may
have moved it.
"""

from sqlalchemy import Connection, and_, exists, func, select

from webapp.booking import terms as rules
from webapp.booking.commands import ActivityKind, Status
from webapp.storage.tables import activities, bookings, events, terms
from webapp.verify.checks import Broken, Findings, stream

RULES = {
    "a lapse has its term": "who lapsed had a term with an end, which is closed now",
    "nobody lapses before the term is over": (
        "a lapse comes no sooner than five seconds after the moment that was told"
    ),
    "nobody lapses unasked": "a lapse comes after its question has left",
    "nobody lapses after the start": "no term ends once the event has started",
    "an answer closes the term": "who has answered has no open term with an end",
}

_of_booking = and_(
    terms.c.event_id == activities.c.event_id, terms.c.position == activities.c.position
)


def check_terms(connection: Connection) -> list[Broken]:
    """Every rule of terms that does not hold."""
    findings = Findings.of(RULES)
    _check_lapses(connection, findings)
    _check_answers(connection, findings)
    return findings.broken()


def _check_lapses(connection: Connection, findings: Findings) -> None:
    """Each lapse with its term, and with what the event says of its start."""
    asked, moved = activities.alias("asked"), activities.alias("moved")
    was_asked = exists().where(
        asked.c.event_id == activities.c.event_id,
        asked.c.position == activities.c.position,
        asked.c.what == ActivityKind.ASKED,
        asked.c.revision < activities.c.revision,
    )
    # What was the start then is not told any more.
    start_has_moved = exists().where(
        moved.c.event_id == activities.c.event_id,
        moved.c.position.is_(None),
        moved.c.revision > activities.c.revision,
        moved.c.details["starts_at"].is_not(None),
    )
    query = (
        select(
            activities.c.event_id,
            activities.c.position,
            activities.c.at,
            events.c.starts_at,
            terms.c.lapses_at,
            terms.c.is_open,
            was_asked.label("was_asked"),
            start_has_moved.label("start_has_moved"),
        )
        .join(events, events.c.id == activities.c.event_id)
        .join(terms, _of_booking, isouter=True)
        .where(activities.c.what == ActivityKind.LAPSED, activities.c.cause.is_(None))
    )
    for row in stream(connection, query):
        named = {"event": row.event_id, "position": row.position}
        if row.lapses_at is None or row.is_open:
            findings.note("a lapse has its term", **named)
        elif not rules.is_over(row.lapses_at, row.at):
            told = {"lapsed_at": row.at, "lapses_at": row.lapses_at}
            findings.note("nobody lapses before the term is over", **named, **told)
        if not row.was_asked:
            findings.note("nobody lapses unasked", **named)
        if row.starts_at is not None and row.starts_at <= row.at and not row.start_has_moved:
            moments = {"lapsed_at": row.at, "starts_at": row.starts_at}
            findings.note("nobody lapses after the start", **named, **moments)


def _check_answers(connection: Connection, findings: Findings) -> None:
    """Each open term with an end, and the latest line that tells of it."""
    told = activities.alias("told")
    last = (
        select(func.max(told.c.id))
        .where(
            told.c.event_id == terms.c.event_id,
            told.c.position == terms.c.position,
            told.c.what.in_((ActivityKind.ASKED, ActivityKind.KEPT)),
        )
        .correlate(terms)
        .scalar_subquery()
    )
    of_term = and_(bookings.c.event_id == terms.c.event_id, bookings.c.position == terms.c.position)
    query = (
        select(terms.c.event_id, terms.c.position)
        .join(bookings, of_term)
        .join(activities, and_(_of_booking, activities.c.id == last))
        .where(
            terms.c.is_open.is_(True),
            terms.c.lapses_at.is_not(None),
            bookings.c.status != Status.LAPSED,
            activities.c.what == ActivityKind.KEPT,
        )
    )
    for event_id, position in stream(connection, query):
        findings.note("an answer closes the term", event=event_id, position=position)
