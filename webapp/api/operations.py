"""The table of calls: what each is for, takes and answers. The document is made of it."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from webapp.api import representations as shapes
from webapp.api.events import BookingListing, EventListing, Listing
from webapp.web.schemas import BookRequest, CancelRequest, EventFields, FewerTickets


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call. `who` may use it: anybody, the organizer, or either with a different answer."""

    summary: str
    detail: str = ""
    who: str = "anybody"
    body: type[BaseModel] | None = None
    # Every field may be left out.
    partial: bool = False
    query: type[BaseModel] | None = None
    status: int = 200
    shape: Any = None
    errors: tuple[int, ...] = ()
    once: bool = False
    cached: bool = False


OPERATIONS = {
    "api.initialize": Operation(
        summary="Make an event",
        detail="With eventName and totalTickets alone it is published and open at once. A time"
        " without an offset is in the event's time zone.",
        who="organizer",
        body=EventFields,
        status=201,
        shape=shapes.EventDetails,
        errors=(422,),
        once=True,
    ),
    "api.book": Operation(
        summary="Book tickets",
        detail="Confirmed while there is room and nobody waits, else put on the waiting list."
        " Unless the event's organizer asks, a userId with an @ has to be an e-mail address, which"
        " is told of the booking; email can then only repeat it. Whatever its case, it is one"
        " attendee.",
        who="either",
        body=BookRequest,
        status=201,
        shape=shapes.Booked,
        errors=(404, 409, 422),
        once=True,
    ),
    "api.cancel": Operation(
        summary="Cancel a booking",
        detail="Its tickets go to the next in line at once. Send the bookingReference alone, or as"
        " the event's organizer userId and eventId. A second cancel is harmless.",
        who="either",
        body=CancelRequest,
        shape=shapes.Released,
        errors=(404, 409, 422),
        once=True,
    ),
    "api.status": Operation(
        summary="How an event stands", shape=shapes.EventStatus, errors=(404,), cached=True
    ),
    "api.upcoming": Operation(
        summary="Upcoming events",
        detail="Published and not started, soonest first; those without a date come last.",
        query=EventListing,
        shape=shapes.EventPage,
        errors=(400,),
    ),
    "api.event": Operation(
        summary="Read an event",
        detail="A draft is shown to its organizer only.",
        who="either",
        shape=shapes.EventDetails,
        errors=(404,),
        cached=True,
    ),
    "api.edit": Operation(
        summary="Change an event",
        detail="Send what changes. More totalTickets promote the waiting at once; fewer than are"
        " confirmed are refused.",
        who="organizer",
        body=EventFields,
        partial=True,
        shape=shapes.ChangedEvent,
        errors=(404, 409),
    ),
    "api.publish": Operation(
        summary="Publish an event",
        who="organizer",
        shape=shapes.ChangedEvent,
        errors=(404, 409),
    ),
    "api.unpublish": Operation(
        summary="Make an event a draft again",
        detail="Only while it has no bookings.",
        who="organizer",
        shape=shapes.ChangedEvent,
        errors=(404, 409),
    ),
    "api.cancel_event": Operation(
        summary="Cancel an event and all its bookings",
        detail="A second cancel is harmless.",
        who="organizer",
        shape=shapes.ChangedEvent,
        errors=(404,),
    ),
    "api.own": Operation(
        summary="Your own events",
        detail="Drafts included, newest first.",
        who="organizer",
        query=Listing,
        shape=shapes.EventPage,
        errors=(400,),
    ),
    "api.bookings": Operation(
        summary="An event's bookings",
        detail="In the order in which they were accepted.",
        who="organizer",
        query=BookingListing,
        shape=shapes.BookingPage,
        errors=(400, 404),
    ),
    "api.waiting": Operation(
        summary="An event's waiting list",
        detail="The next in line comes first.",
        who="organizer",
        query=Listing,
        shape=shapes.BookingPage,
        errors=(400, 404),
    ),
    "api.booking": Operation(summary="Read a booking", shape=shapes.AttendeeBooking, errors=(404,)),
    "api.reduce": Operation(
        summary="Keep fewer tickets",
        detail="The tickets given back go to the next in line at once.",
        who="either",
        body=FewerTickets,
        shape=shapes.Released,
        errors=(404, 409, 422),
        once=True,
    ),
    "api.document": Operation(summary="This document", shape=dict[str, Any], cached=True),
}
