"""What the API shows, field by field, so that a new column never leaks.

The shapes are the contract: the type checker holds the functions to them, and the OpenAPI
document is generated from them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired, cast

from typing_extensions import TypedDict

from webapp import clock
from webapp.booking.commands import Actor, Outcome, Status
from webapp.booking.inventory import available
from webapp.booking.queries import BookingView, free_now
from webapp.booking.ticket_types import wants_of
from webapp.storage.rows import BookingRow, EventRow
from webapp.web.schemas import EventFields


class EventStatus(TypedDict):
    """How an event stands. Until it starts, `availableTickets` is 0 while somebody waits."""

    eventId: int
    eventName: str
    totalTickets: int
    availableTickets: int
    bookedTickets: int
    waitingListCount: int
    status: str
    startsAt: str | None


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


class Item(TypedDict):
    """Tickets of a type, which is named by its number in the event."""

    type: int
    tickets: int


class Booked(TypedDict):
    """What became of a request to book; `userId` has the type in which it was sent.

    `items` is there where the event has ticket types, here and in each booking.
    """

    status: str
    message: str
    bookingReference: str
    eventId: int
    userId: int | str
    tickets: int
    items: NotRequired[list[Item]]
    waitingListPosition: NotRequired[int]


class Asked(TypedDict):
    """The address has to answer by mail. It is told alone whether it had a booking before."""

    status: Literal["asked"]
    message: str


class Kept(TypedDict):
    """A booking whose attendee has answered; nothing changes where nothing was asked."""

    message: str
    bookingReference: str
    status: str
    tickets: int
    items: NotRequired[list[Item]]


class Released(TypedDict):
    """A booking cancelled or changed.

    `promoted` are the references of the bookings that moved up, for the event's organizer; how many
    there are, for everybody else.
    """

    message: str
    bookingReference: str
    tickets: int
    promoted: list[str] | int


class ChangedBooking(Released):
    """A booking as it is after a change."""

    items: NotRequired[list[Item]]


class Given(TypedDict):
    """A booking that is somebody else's now; its reference where it is told."""

    message: str
    bookingReference: str | None


class Accepted(TypedDict):
    """What was asked for is on its way."""

    message: str


class BookingDetails(TypedDict):
    """A booking as its attendee and its organizer see it; `userId` is always text here."""

    bookingReference: str
    eventId: int
    userId: str
    status: str
    tickets: int
    name: str
    email: str | None
    createdAt: str
    items: NotRequired[list[Item]]
    waitingListPosition: NotRequired[int]
    ticketsFreeNow: NotRequired[int]


class AttendeeBooking(BookingDetails):
    """A booking with the name of its event.

    `ticketsFreeNow` is how many of its tickets the booking could take at once, if it is next in
    line. `answerBy` is until when its attendee has to answer what they were asked, or the booking
    lapses.
    """

    eventName: str
    answerBy: str | None


class OrganizerBooking(BookingDetails):
    """A booking as its event's organizer sees it; `ticketCode` is what a door scans or types."""

    ticketCode: str


class EventPage(TypedDict):
    events: list[EventDetails]
    nextCursor: str | None


class BookingPage(TypedDict):
    bookings: list[OrganizerBooking]
    nextCursor: str | None


def event_status(event: EventRow) -> EventStatus:
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


def event_details(event: EventRow) -> EventDetails:
    return {
        **event_status(event),
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
    event: EventRow, *, promoted: list[str], warnings: dict[str, str]
) -> ChangedEvent:
    shown: ChangedEvent = {
        **event_details(event),
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


def booked(event_id: int, outcome: Outcome, *, user_id: int | str) -> Booked:
    shown: Booked = {
        "status": outcome.status.value,
        "message": "The booking is confirmed.",
        "bookingReference": outcome.reference,
        "eventId": event_id,
        "userId": user_id,
        "tickets": outcome.tickets,
    }
    if outcome.wants:
        shown["items"] = items_of(outcome.wants)
    if outcome.status is Status.WAITING and outcome.rank is not None:
        # Of another type some may be left.
        why = "These tickets are not free now" if outcome.wants else "No ticket is left"
        shown["message"] = f"{why}: number {outcome.rank} on the waiting list."
        shown["waitingListPosition"] = outcome.rank
    return shown


def asked() -> Asked:
    return {
        "status": "asked",
        "message": (
            "We have mailed the address: the place is kept once the button behind the link in that"
            " mail is pressed, within 30 minutes."
        ),
    }


def kept(outcome: Outcome) -> Kept:
    shown: Kept = {
        "message": "The booking is kept.",
        "bookingReference": outcome.reference,
        "status": outcome.status.value,
        "tickets": outcome.tickets,
    }
    if outcome.wants:
        shown["items"] = items_of(outcome.wants)
    return shown


def released(outcome: Outcome, *, message: str, actor: Actor) -> Released:
    promoted = list(outcome.promoted.values())
    return {
        "message": message,
        "bookingReference": outcome.reference,
        "tickets": outcome.tickets,
        "promoted": promoted if actor.is_organizer else len(promoted),
    }


def changed_booking(outcome: Outcome, *, message: str, actor: Actor) -> ChangedBooking:
    shown = cast(ChangedBooking, released(outcome, message=message, actor=actor))
    if outcome.wants:
        shown["items"] = items_of(outcome.wants)
    return shown


def given(reference: str | None) -> Given:
    return {"message": "The booking is theirs now.", "bookingReference": reference}


def booking_details(
    booking: BookingRow, *, rank: int | None = None, free: int = 0
) -> BookingDetails:
    shown: BookingDetails = {
        "bookingReference": booking.reference,
        "eventId": booking.event_id,
        "userId": booking.attendee_id,
        "status": booking.status,
        "tickets": booking.tickets,
        "name": booking.name,
        "email": booking.email,
        "createdAt": utc(booking.created_at) or "",
    }
    if booking.wants:
        shown["items"] = items_of(booking.wants)
    if rank is not None:
        shown["waitingListPosition"] = rank
    if free:
        shown["ticketsFreeNow"] = free
    return shown


def organizer_booking(booking: BookingRow, *, rank: int | None = None) -> OrganizerBooking:
    return {**booking_details(booking, rank=rank), "ticketCode": booking.ticket_code}


def attendee_booking(found: BookingView) -> AttendeeBooking:
    return {
        **booking_details(found.booking, rank=found.rank, free=free_now(found)),
        "eventName": found.event.name,
        "answerBy": utc(found.question.answer_by) if found.question else None,
    }


def items_of(wants: str) -> list[Item]:
    """What a booking wants, types ascending."""
    return [{"type": number, "tickets": count} for number, count in wants_of(wants).items()]


def editable_fields(event: EventRow) -> Mapping[str, Any]:
    """An event as it would be sent to make it again; what a change leaves out stays as it is."""
    editable = EventFields.model_fields.keys() - {"status"}
    return {name: value for name, value in event_details(event).items() if name in editable}


def utc(moment: datetime | None) -> str | None:
    """An aware UTC time as RFC 3339 writes it."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
