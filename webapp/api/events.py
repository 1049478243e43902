"""Make, read and change events, and read what an organizer may read of them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from flask import Response, g, request
from pydantic import Field
from sqlalchemy import Row

from webapp.api.auth import required_account
from webapp.api.blueprint import bp
from webapp.api.representations import (
    booking_details,
    changed_event,
    editable_fields,
    event_details,
    event_status,
    new_event,
)
from webapp.api.wire import answer, answer_if_changed, one_time, page, read_json
from webapp.errors import EventNotFound, InvalidInput
from webapp.models import MAX_NAME
from webapp.schemas import MAX_ID, EventFields, Input, from_form, from_json
from webapp.services import events
from webapp.services.availability import find_event, ranks_of
from webapp.services.bookings import references_of
from webapp.services.events import Details
from webapp.services.lookup import event_bookings

EVENT = f"/events/<int(min=1, max={MAX_ID}):event_id>"


class Listing(Input):
    """Which part of a list is wanted; `cursor` is the `nextCursor` of the page before."""

    cursor: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class EventListing(Listing):
    search: Annotated[str, Field(max_length=MAX_NAME)] = ""


class BookingListing(EventListing):
    status: Literal["", "confirmed", "waiting", "cancelled", "lapsed", "held"] = ""


@bp.post("/events/initialize")
def initialize() -> Response:
    account = required_account()
    fields = from_json(EventFields, read_json())
    event_id = events.create_event(
        fields.details(),
        organizer_id=account.id,
        published=fields.status == "published",
        once=one_time("initialize", fields),
    )
    return answer(new_event(event_id, fields), 201, location=f"/api/events/{event_id}")


@bp.get(f"/events/status/<int(min=1, max={MAX_ID}):event_id>")
def status(event_id: int) -> Response:
    return answer_if_changed(event_status(find_event(event_id)))


@bp.get("/events")
def upcoming() -> Response:
    asked = from_form(EventListing, request.args)
    after = start_and_id(asked.cursor) if asked.cursor else None
    rows = events.upcoming_events(search=asked.search, after=after, limit=asked.limit + 1)
    return event_page(rows, asked.limit)


@bp.get("/organizer/events")
def own() -> Response:
    account = required_account()
    asked = from_form(Listing, request.args)
    before = number(asked.cursor) if asked.cursor else None
    rows = events.own_events(account.id, before=before, limit=asked.limit + 1)
    cursor = str(rows[asked.limit - 1].id) if len(rows) > asked.limit else None
    return page("events", [event_details(row) for row in rows[: asked.limit]], next_cursor=cursor)


@bp.get(EVENT)
def event(event_id: int) -> Response:
    found = find_event(event_id, with_drafts=True)
    mine = g.caller is not None and found.organizer_id == g.caller.id
    if found.status == "draft" and not mine:
        raise EventNotFound
    return answer_if_changed(event_details(found))


@bp.patch(EVENT)
def edit(event_id: int) -> Response:
    account = required_account()
    change = read_json()

    def changed(event: Row[Any]) -> Details:
        if isinstance(change, dict) and "status" in change:
            raise InvalidInput({"status": "Use the calls publish, unpublish and cancel."})
        whole = {**editable_fields(event), **change} if isinstance(change, dict) else change
        return from_json(EventFields, whole).details()

    promoted = events.edit_event(event_id, changed, organizer_id=account.id)
    return show_changed(event_id, account.id, promoted)


@bp.post(f"{EVENT}/publish")
def publish(event_id: int) -> Response:
    account = required_account()
    events.publish_event(event_id, organizer_id=account.id)
    return show_changed(event_id, account.id)


@bp.post(f"{EVENT}/unpublish")
def unpublish(event_id: int) -> Response:
    account = required_account()
    events.unpublish_event(event_id, organizer_id=account.id)
    return show_changed(event_id, account.id)


@bp.post(f"{EVENT}/cancel")
def cancel_event(event_id: int) -> Response:
    account = required_account()
    events.cancel_event(event_id, organizer_id=account.id)
    return show_changed(event_id, account.id)


@bp.get(f"{EVENT}/bookings")
def bookings(event_id: int) -> Response:
    account = required_account()
    own = events.own_event(event_id, organizer_id=account.id)
    asked = from_form(BookingListing, request.args)
    rows = event_bookings(
        own,
        organizer_id=account.id,
        status=asked.status,
        search=asked.search,
        after=number(asked.cursor) if asked.cursor else 0,
        limit=asked.limit + 1,
    )
    shown = [booking_details(row, rank=None) for row in rows[: asked.limit]]
    return page("bookings", shown, next_cursor=next_position(rows, asked.limit))


@bp.get(f"{EVENT}/waiting")
def waiting(event_id: int) -> Response:
    account = required_account()
    own = events.own_event(event_id, organizer_id=account.id)
    asked = from_form(Listing, request.args)
    rows = event_bookings(
        own,
        organizer_id=account.id,
        status="waiting",
        after=number(asked.cursor) if asked.cursor else 0,
        limit=asked.limit + 1,
    )
    ranks = ranks_of(event_id, [row.position for row in rows])
    # One that moved up in between stands here no more.
    shown = [
        booking_details(row, rank=ranks[row.position])
        for row in rows[: asked.limit]
        if row.position in ranks
    ]
    return page("bookings", shown, next_cursor=next_position(rows, asked.limit))


def show_changed(event_id: int, organizer_id: int, promoted: Sequence[int] = ()) -> Response:
    now = events.own_event(event_id, organizer_id=organizer_id)
    references = references_of(now, promoted, organizer_id=organizer_id) if promoted else {}
    return answer(changed_event(now, promoted=list(references.values())))


def event_page(rows: Sequence[Row[Any]], limit: int) -> Response:
    last = rows[limit - 1] if len(rows) > limit else None
    shown = [event_details(row) for row in rows[:limit]]
    return page("events", shown, next_cursor=cursor_after(last) if last is not None else None)


def next_position(rows: Sequence[Row[Any]], limit: int) -> str | None:
    return str(rows[limit - 1].position) if len(rows) > limit else None


def cursor_after(event: Row[Any]) -> str:
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
        return starts_at, number(event_id)
    except ValueError as error:
        raise wrong_cursor() from error


def number(cursor: str) -> int:
    """A position or id that a cursor holds. Raises `InvalidInput`."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise wrong_cursor()
    return int(cursor)


def wrong_cursor() -> InvalidInput:
    return InvalidInput({"cursor": "Use the nextCursor of the page before."})
