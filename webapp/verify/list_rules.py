"""What the history tells of the doors of sale: who books when, and how the start ends the list."""

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from webapp.booking.commands import ATTENDEE, TAKING_TICKETS, ActivityKind, Status
from webapp.storage.tables import activities, events
from webapp.verify.checks import Broken, Findings, stream

RULES = {
    "nobody joins the list after the start": (
        "no booking was put on the waiting list of an event that had started"
    ),
    "only a sale ends the list": (
        "who lapsed with the list waited when another booking got tickets, after the event's start"
    ),
    "attendees book while booking is open": (
        "an attendee got or raised a booking between the opening and the closing of booking, and of"
        " an event that was not a draft"
    ),
}


def check_lists(connection: Connection) -> list[Broken]:
    """Every rule of ended lists that does not hold."""
    findings = Findings.of(RULES)
    moved, sale = activities.alias("moved"), activities.alias("sale")

    def has_moved(*dates: str) -> ColumnElement[bool]:
        """Whether one of them is another one since: what it was then is not told any more."""
        return exists().where(
            moved.c.event_id == activities.c.event_id,
            moved.c.position.is_(None),
            moved.c.revision > activities.c.revision,
            or_(*(moved.c.details[date].is_not(None) for date in dates)),
        )

    start_has_moved = has_moved("starts_at")
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
    at, closes = activities.c.at, events.c.sales_close_at
    before_the_opening = and_(at < events.c.sales_open_at, ~has_moved("sales_open_at"))
    after_the_closing = and_(
        or_(at >= closes, and_(closes.is_(None), at >= events.c.starts_at)),
        ~has_moved("sales_close_at", "starts_at"),
    )
    past_the_doors = (
        select(*named)
        .join(events, events.c.id == activities.c.event_id)
        .where(
            activities.c.what.in_((ActivityKind.BOOKED, ActivityKind.RAISED)),
            activities.c.actor == str(ATTENDEE),
            or_(events.c.status == "draft", before_the_opening, after_the_closing),
        )
    )
    for rule, query in zip(RULES, (joined, ended, past_the_doors), strict=True):
        for event_id, position, revision in stream(connection, query):
            findings.note(rule, event=event_id, position=position, revision=revision)
    return findings.broken()
