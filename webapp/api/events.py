"""Make, read and change events, and read what an organizer may read of them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from flask import Response, g
from pydantic import Field

from webapp import clock
from webapp.accounts.services import Level
from webapp.api import booking_shapes
from webapp.api import event_shapes as shapes
from webapp.api.auth import required_account
from webapp.api.blueprint import bp
from webapp.api.openapi import documented
from webapp.api.wire import idempotency_key, page, read_query
from webapp.booking.commands import organizer
from webapp.booking.queries import event_bookings, find_event, is_hidden
from webapp.booking.ranks import ranks_of
from webapp.booking.type_queries import TypedEvent, availability_of, read_types
from webapp.errors import EventNotFound, InvalidInput, Problem
from webapp.events import services as events
from webapp.events.dates import warnings_of
from webapp.events.queries import own_event, own_events, upcoming_events
from webapp.events.removal import delete_event
from webapp.events.services import EventDetails
from webapp.storage.columns import MAX_NAME
from webapp.storage.rows import EventRow
from webapp.text.languages import ENGLISH
from webapp.text.sentences import problem_sentence
from webapp.web.fields import PlainDigits
from webapp.web.json_bodies import answer, answer_if_changed, read_json
from webapp.web.paging import number_in, page_of
from webapp.web.schemas import Cancellation, EventEdit, EventFields, Input, from_json, placed

EVENT = "/events/<id:event_id>"


class Listing(Input):
    """Which part of a list is wanted; `cursor` is the `nextCursor` of the page before."""

    cursor: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=100), PlainDigits] = 50


class EventListing(Listing):
    search: Annotated[str, Field(max_length=MAX_NAME)] = ""


class BookingListing(EventListing):
    status: Literal["", "confirmed", "waiting", "cancelled", "lapsed", "held"] = ""


@bp.post("/events/initialize")
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=EventFields,
    answer=shapes.MadeEvent,
    status=201,
    errors=(422,),
    idempotent=True,
)
def initialize() -> Response:
    """Make an event.

    With eventName and totalTickets alone it is published and open at once. A time without an
    offset is in the event's time zone. Booking closes at the start, or at salesCloseAt, which may
    lie behind that; the waiting list ends with the start. Where an event is published that nobody
    can book any more, warnings name the field that may be a slip.
    """
    account = required_account()
    fields = from_json(EventFields, read_json())
    event_id = events.create_event(
        fields.details(),
        actor=organizer(account.id),
        published=fields.status == "published",
        key=idempotency_key("initialize", fields),
    )
    warnings: dict[str, str] = {}
    if any(moment and moment <= clock.now() for moment in (fields.startsAt, fields.salesCloseAt)):
        made = own_event(event_id, organizer_id=account.id)
        # Of the moment at which it was made, for who asks again.
        warnings = warnings_told(made, made.created_at)
    shown = shapes.new_event(event_id, fields, warnings=warnings)
    return answer(shown, 201, location=f"/api/events/{event_id}")


@bp.get("/events/status/<id:event_id>")
@documented(answer=shapes.EventStatus, errors=(404,), cached=True)
def status(event_id: int) -> Response:
    """How an event stands."""
    found = find_event(event_id)
    return answer_if_changed(shapes.event_status(found, typed(found)))


@bp.get("/events")
@documented(query=EventListing, answer=shapes.EventPage, errors=(400,))
def upcoming() -> Response:
    """Upcoming events.

    Published and not over, soonest first: so those that run come first. Those without a date come
    last.
    """
    asked = read_query(EventListing)
    after = start_and_id(asked.cursor) if asked.cursor else None
    read = partial(upcoming_events, search=asked.search, after=after)
    rows, cursor = page_of(read, asked.limit, cursor_after)
    return page("events", events_shown(rows), next_cursor=cursor)


@bp.get("/organizer/events")
@documented(who="organizer", query=Listing, answer=shapes.EventPage, errors=(400,))
def own() -> Response:
    """Your own events. Drafts included, newest first."""
    account = required_account()
    asked = read_query(Listing)
    before = number(asked.cursor) if asked.cursor else None
    read = partial(own_events, account.id, before=before)
    rows, cursor = page_of(read, asked.limit, lambda row: str(row.id))
    return page("events", events_shown(rows), next_cursor=cursor)


@bp.get(EVENT)
@documented(who="either", answer=shapes.EventDetails, errors=(404,), cached=True)
def event(event_id: int) -> Response:
    """Read an event. A draft is shown to its organizer only."""
    found = find_event(event_id, with_drafts=True)
    mine = g.caller is not None and found.organizer_id == g.caller.id
    if not mine and is_hidden(found):
        raise EventNotFound
    return answer_if_changed(shapes.event_details(found, typed(found)))


@bp.patch(EVENT)
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=EventEdit,
    partial=True,
    answer=shapes.ChangedEvent,
    errors=(404, 409),
)
def edit(event_id: int) -> Response:
    """Change an event.

    Send what changes. More totalTickets promote the waiting at once; fewer than are confirmed are
    refused. Attendees are mailed another name, place or time only if tellAttendees is true.
    """
    account = required_account()
    change = read_json()

    def changed(event: EventRow) -> EventDetails:
        if isinstance(change, dict) and "status" in change:
            raise InvalidInput({"status": Problem("status_by_calls")})
        whole = {**shapes.editable_fields(event), **change} if isinstance(change, dict) else change
        return from_json(EventEdit, whole).details()

    tells = isinstance(change, dict) and change.get("tellAttendees") is True
    promoted = events.edit_event(event_id, changed, actor=organizer(account.id), tells=tells)
    return show_changed(event_id, account.id, promoted)


@bp.post(f"{EVENT}/publish")
@documented(who="organizer", level=Level.MANAGE, answer=shapes.ChangedEvent, errors=(404, 409))
def publish(event_id: int) -> Response:
    """Publish an event."""
    account = required_account()
    events.publish_event(event_id, actor=organizer(account.id))
    return show_changed(event_id, account.id)


@bp.post(f"{EVENT}/unpublish")
@documented(who="organizer", level=Level.MANAGE, answer=shapes.ChangedEvent, errors=(404, 409))
def unpublish(event_id: int) -> Response:
    """Make an event a draft again. Only while it has no bookings."""
    account = required_account()
    events.unpublish_event(event_id, actor=organizer(account.id))
    return show_changed(event_id, account.id)


@bp.post(f"{EVENT}/cancel")
@documented(
    who="organizer",
    level=Level.MANAGE,
    body=Cancellation,
    may_be_empty=True,
    answer=shapes.ChangedEvent,
    errors=(404,),
)
def cancel_event(event_id: int) -> Response:
    """Cancel an event and all its bookings.

    The reason, if one is sent, is shown to everybody and mailed to who has a booking. A second
    cancel is harmless, and leaves the reason as it is. The body may be left out.
    """
    account = required_account()
    asked = from_json(Cancellation, read_json(or_nothing=True))
    events.cancel_event(event_id, actor=organizer(account.id), reason=asked.reason)
    return show_changed(event_id, account.id)


@bp.delete(EVENT)
@documented(who="organizer", level=Level.MANAGE, answer=booking_shapes.Accepted, errors=(404, 409))
def delete(event_id: int) -> Response:
    """Delete an event that never had a booking. One with bookings can be cancelled."""
    delete_event(event_id, actor=organizer(required_account().id))
    return answer({"message": "The event is deleted."})


@bp.get(f"{EVENT}/bookings")
@documented(
    who="organizer", query=BookingListing, answer=booking_shapes.BookingPage, errors=(400, 404)
)
def bookings(event_id: int) -> Response:
    """An event's bookings. In the order in which they were accepted.

    Each with its ticketCode, whatever its status: only a confirmed one lets anybody in.
    """
    account = required_account()
    own = own_event(event_id, organizer_id=account.id)
    asked = read_query(BookingListing)
    read = partial(
        event_bookings,
        own,
        actor=organizer(account.id),
        status=asked.status,
        search=asked.search,
        after=number(asked.cursor) if asked.cursor else 0,
    )
    rows, cursor = page_of(read, asked.limit, lambda row: str(row.position))
    return page(
        "bookings", [booking_shapes.organizer_booking(row) for row in rows], next_cursor=cursor
    )


@bp.get(f"{EVENT}/waiting")
@documented(who="organizer", query=Listing, answer=booking_shapes.BookingPage, errors=(400, 404))
def waiting(event_id: int) -> Response:
    """An event's waiting list. The next in line comes first."""
    account = required_account()
    own = own_event(event_id, organizer_id=account.id)
    asked = read_query(Listing)
    after = number(asked.cursor) if asked.cursor else 0
    actor = organizer(account.id)
    read = partial(event_bookings, own, actor=actor, status="waiting", after=after)
    rows, cursor = page_of(read, asked.limit, lambda row: str(row.position))
    ranks = ranks_of(event_id, [row.position for row in rows])
    # One that moved up in between stands here no more.
    shown = [
        booking_shapes.organizer_booking(row, rank=ranks[row.position])
        for row in rows
        if row.position in ranks
    ]
    return page("bookings", shown, next_cursor=cursor)


def show_changed(
    event_id: int, organizer_id: int, promoted: Mapping[int, str] | None = None
) -> Response:
    now = own_event(event_id, organizer_id=organizer_id)
    told, references = warnings_told(now, clock.now()), list((promoted or {}).values())
    return answer(shapes.changed_event(now, typed(now), promoted=references, warnings=told))


def typed(event: EventRow) -> TypedEvent | None:
    """What an event offers by type; nothing is read for one without types."""
    return read_types(event.id) if event.types else None


def events_shown(rows: Sequence[EventRow]) -> list[shapes.EventDetails]:
    available_now = availability_of(rows)
    return [shapes.event_in_list(row, available_now) for row in rows]


def warnings_told(event: EventRow, at: datetime) -> dict[str, str]:
    """What may be a slip in the dates of an event, in sentences: `{field: sentence}`."""
    problems = warnings_of(event, at)
    return {field: problem_sentence(problem, ENGLISH) for field, problem in problems.items()}


def cursor_after(event: EventRow) -> str:
    """Start and id of the last event of a page, as one word."""
    start = event.starts_at.isoformat() if event.starts_at else ""
    return urlsafe_b64encode(f"{start}~{event.id}".encode()).decode().rstrip("=")


def start_and_id(cursor: str) -> tuple[datetime | None, int]:
    """What `cursor_after` made a word of. Raises `InvalidInput`."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        start, _, event_id = text.partition("~")
        starts_at = datetime.fromisoformat(start) if start else None
        if starts_at is not None and starts_at.utcoffset() is None:
            raise ValueError
        return placed("cursor", starts_at, "UTC"), number(event_id)
    except (ValueError, InvalidInput) as error:
        raise wrong_cursor() from error


def number(cursor: str) -> int:
    """A position or id that a cursor holds. Raises `InvalidInput`."""
    found = number_in(cursor)
    if found is None:
        raise wrong_cursor()
    return found


def wrong_cursor() -> InvalidInput:
    return InvalidInput({"cursor": Problem("cursor")})
