"""What the API shows of events, field by field, so that a new column never leaks.

The shapes are the contract: the type checker holds the functions to them, and the OpenAPI
document is generated from them.
"""

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict

from webapp import clock
from webapp.api.type_shapes import TypeStatus, type_statuses, utc
from webapp.booking.inventory import available
from webapp.booking.type_queries import TypedEvent
from webapp.storage.rows import EventRow
from webapp.web.schemas import EventFields


class EventStatus(TypedDict):
    """How an event stands.

    Until it starts, `availableTickets` is 0 while somebody waits. Of an event with ticket types it
    is what newcomers could have of those that everybody sees, `ticketTypes`: less, more often than
    not, than `bookedTickets` leave of `totalTickets`.
    """

    eventId: int
    eventName: str
    totalTickets: int
    availableTickets: int
    bookedTickets: int
    waitingListCount: int
    status: str
    startsAt: str | None
    ticketTypes: NotRequired[list[TypeStatus]]


class EventDetails(EventStatus):
    """All of an event that is public. Times are UTC; `timeZone` is where the event is."""

    id: int
    description: str
    location: str
    timeZone: str
    endsAt: str | None
    salesOpenAt: str | None
    salesCloseAt: str | None
    cancelUntil: str | None
    maxTicketsPerBooking: int
    waitingListLimit: int | None
    asksAddress: bool
    stillComingDays: int | None
    stillComingLapses: bool
    cancelReason: str | None


class MadeEvent(EventDetails):
    """A new event; `warnings` tell of fields that may be a slip: `{field: sentence}`."""

    warnings: NotRequired[dict[str, str]]


class ChangedEvent(MadeEvent):
    """An event after a change; `promoted` are the bookings that a larger capacity confirmed."""

    promoted: list[str]


class EventPage(TypedDict):
    events: list[EventDetails]
    nextCursor: str | None


def event_status(event: EventRow, typed: TypedEvent | None = None) -> EventStatus:
    """`typed` is the same event as `read_types` has it, if it has types."""
    if typed is not None:
        return {
            "eventId": event.id,
            "eventName": event.name,
            "totalTickets": typed.event.capacity,
            "availableTickets": typed.available,
            "bookedTickets": typed.event.confirmed,
            "waitingListCount": typed.event.waiting,
            "status": typed.event.status,
            "startsAt": utc(typed.event.starts_at),
            "ticketTypes": type_statuses(typed),
        }
    return {
        "eventId": event.id,
        "eventName": event.name,
        "totalTickets": event.capacity,
        "availableTickets": available(event, clock.now()),
        "bookedTickets": event.confirmed,
        "waitingListCount": event.waiting,
        "status": event.status,
        "startsAt": utc(event.starts_at),
    }


def event_in_list(event: EventRow, available_now: Mapping[int, int]) -> EventDetails:
    """`available_now` is what `availability_of` tells."""
    return {**event_details(event), "availableTickets": available_now[event.id]}


def event_details(event: EventRow, typed: TypedEvent | None = None) -> EventDetails:
    return {
        **event_status(event, typed),
        "id": event.id,
        "description": event.description,
        "location": event.location,
        "timeZone": event.time_zone,
        "endsAt": utc(event.ends_at),
        "salesOpenAt": utc(event.sales_open_at),
        "salesCloseAt": utc(event.sales_close_at),
        "cancelUntil": utc(event.cancel_until),
        "maxTicketsPerBooking": event.max_tickets_per_booking,
        "waitingListLimit": event.waiting_list_limit,
        "asksAddress": bool(event.asks_address),
        "stillComingDays": event.still_coming_days,
        "stillComingLapses": bool(event.still_coming_lapses),
        "cancelReason": event.cancel_reason,
    }


def changed_event(
    event: EventRow,
    typed: TypedEvent | None = None,
    *,
    promoted: list[str],
    warnings: dict[str, str],
) -> ChangedEvent:
    shown: ChangedEvent = {
        **event_details(event, typed),
        "promoted": promoted,
        "warnings": warnings,
    }
    if not warnings:
        del shown["warnings"]
    return shown


def new_event(event_id: int, fields: EventFields, *, warnings: dict[str, str]) -> Mapping[str, Any]:
    """An event as it was made; a repeated request tells the same whatever was booked since."""
    told = {"warnings": warnings} if warnings else {}
    figures = {
        "id": event_id,
        "eventId": event_id,
        "eventName": fields.eventName,
        "totalTickets": fields.totalTickets,
        "availableTickets": fields.totalTickets,
        "bookedTickets": 0,
        "waitingListCount": 0,
        "status": fields.status,
        "cancelReason": None,
    }
    made = fields.model_dump(mode="json", include=set(EventDetails.__annotations__))
    return figures | made | told


def editable_fields(event: EventRow) -> Mapping[str, Any]:
    """An event as it would be sent to make it again; what a change leaves out stays as it is."""
    editable = EventFields.model_fields.keys() - {"status"}
    return {name: value for name, value in event_details(event).items() if name in editable}
