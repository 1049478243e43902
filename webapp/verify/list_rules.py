"""What the history tells of the waiting list once its event has started: it ends with a sale."""

from sqlalchemy import Connection, and_, exists, or_, select

from webapp.booking.commands import TAKING_TICKETS, ActivityKind, Status
from webapp.storage.tables import activities, events
from webapp.verify.checks import Broken, Findings, stream

RULES = {
    "nobody joins the list after the start": (
        "no booking was put on the waiting list of an event that had started"
    ),
    "only a sale ends the list": (
        "who lapsed with the list waited when another booking got tickets, after the event's start"
    ),
}


def check_lists(connection: Connection) -> list[Broken]:
    """Every rule of ended lists that does not hold."""
    findings = Findings.of(RULES)
    moved, sale = activities.alias("moved"), activities.alias("sale")
    # What was the start then is not told any more.
    start_has_moved = exists().where(
        moved.c.event_id == activities.c.event_id,
        moved.c.position.is_(None),
        moved.c.revision > activities.c.revision,
        moved.c.details["starts_at"].is_not(None),
    )
    was_sold = exists().where(
        sale.c.event_id == activities.c.event_id,
        sale.c.revision == activities.c.revision,
        sale.c.position == activities.c.cause,
        sale.c.what.in_((ActivityKind.BOOKED, ActivityKind.RAISED)),
        sale.c.status_after.in_(TAKING_TICKETS),
    )
    named = (activities.c.event_id, activities.c.position, activities.c.revision)
    joined = (
        select(*named)
        .join(events, events.c.id == activities.c.event_id)
        .where(
            activities.c.what == ActivityKind.BOOKED,
            activities.c.status_after == Status.WAITING,
            activities.c.at >= events.c.starts_at,
            ~start_has_moved,
        )
    )
    before_the_start = and_(
        or_(events.c.starts_at.is_(None), activities.c.at < events.c.starts_at), ~start_has_moved
    )
    ended = (
        select(*named)
        .join(events, events.c.id == activities.c.event_id)
        .where(
            activities.c.what == ActivityKind.LAPSED,
            activities.c.cause.is_not(None),
            or_(activities.c.status_before != Status.WAITING, ~was_sold, before_the_start),
        )
    )
    for rule, query in zip(RULES, (joined, ended), strict=True):
        for event_id, position, revision in stream(connection, query):
            findings.note(rule, event=event_id, position=position, revision=revision)
    return findings.broken()
