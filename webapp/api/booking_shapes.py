"""What the API shows of bookings, field by field, so that a new column never leaks.

The shapes are the contract, as those of events are.
"""

from typing import Literal, NotRequired, cast

from typing_extensions import TypedDict

from webapp.api.type_shapes import Item, items_of, utc
from webapp.booking.commands import Actor, Outcome, Status
from webapp.booking.queries import BookingView, takeable_now
from webapp.booking.takeable import NOTHING, Takeable
from webapp.storage.rows import BookingRow


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
    itemsFreeNow: NotRequired[list[Item]]


class AttendeeBooking(BookingDetails):
    """A booking with the name of its event.

    `ticketsFreeNow` is how many of its tickets the booking could take at once, if it is next in
    line; where there are ticket types `itemsFreeNow` says of which. `answerBy` is until when its
    attendee has to answer what they were asked, or the booking lapses.
    """

    eventName: str
    answerBy: str | None


class OrganizerBooking(BookingDetails):
    """A booking as its event's organizer sees it; `ticketCode` is what a door scans or types."""

    ticketCode: str


class BookingPage(TypedDict):
    bookings: list[OrganizerBooking]
    nextCursor: str | None


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
    booking: BookingRow, *, rank: int | None = None, free: Takeable = NOTHING
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
        shown["ticketsFreeNow"] = free.tickets
    if free.wants:
        shown["itemsFreeNow"] = items_of(free.wants)
    return shown


def organizer_booking(booking: BookingRow, *, rank: int | None = None) -> OrganizerBooking:
    return {**booking_details(booking, rank=rank), "ticketCode": booking.ticket_code}


def attendee_booking(found: BookingView) -> AttendeeBooking:
    return {
        **booking_details(found.booking, rank=found.rank, free=takeable_now(found)),
        "eventName": found.event.name,
        "answerBy": utc(found.question.answer_by) if found.question else None,
    }
