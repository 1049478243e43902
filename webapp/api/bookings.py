"""Book, cancel, look at and reduce bookings."""

from flask import Response, g

from webapp.api.auth import refuse
from webapp.api.blueprint import bp
from webapp.api.representations import attendee_booking, booked, released
from webapp.api.wire import answer, one_time, read_json
from webapp.budgets import mail_links
from webapp.errors import AlreadyBooked, InvalidInput
from webapp.schemas import (
    BookRequest,
    CancelRequest,
    FewerTickets,
    attendee_id_of,
    from_json,
)
from webapp.services.availability import find_event
from webapp.services.bookings import book_tickets, cancel_booking, change_tickets
from webapp.services.lookup import find_booking, position_of


@bp.post("/events/book")
def book() -> Response:
    asked = from_json(BookRequest, read_json())
    organizer_id = organizer_of(asked.eventId)
    by_stranger = organizer_id is None
    attendee_id, email = attendee_id_of(asked.userId, checked=by_stranger), asked.email
    is_named_by_address = by_stranger and "@" in attendee_id
    if is_named_by_address:
        # Nobody books in the name of an address that does not hear of it.
        if email not in (None, attendee_id):
            raise InvalidInput({"email": "Leave it out, or repeat the address of userId."})
        email = attendee_id
    try:
        receipt = book_tickets(
            asked.eventId,
            attendee_id=attendee_id,
            tickets=asked.tickets,
            name=asked.name,
            email=email,
            organizer_id=organizer_id,
            once=one_time("book", asked),
        )
    except AlreadyBooked as error:
        if is_named_by_address:
            mail_links(attendee_id, first=(asked.eventId, error.position))
        raise
    return answer(booked(receipt, user_id=asked.userId), 201)


@bp.post("/events/cancel")
def cancel() -> Response:
    asked = from_json(CancelRequest, read_json())
    once = one_time("cancel", asked)
    if asked.bookingReference is not None:
        event_id, position = position_of(asked.bookingReference)
        organizer_id = organizer_of(event_id)
        release = cancel_booking(event_id, position=position, organizer_id=organizer_id, once=once)
    else:
        assert asked.eventId is not None
        assert asked.userId is not None
        if g.caller is None:
            refuse("Send the booking's bookingReference, or log in as the event's organizer.")
        organizer_id = g.caller.id
        release = cancel_booking(
            asked.eventId,
            attendee_id=attendee_id_of(asked.userId),
            organizer_id=organizer_id,
            once=once,
        )
    shown = released(
        release, message="The booking is cancelled.", for_organizer=organizer_id is not None
    )
    return answer(shown)


@bp.get("/bookings/<reference>")
def booking(reference: str) -> Response:
    return answer(attendee_booking(find_booking(reference)))


@bp.patch("/bookings/<reference>")
def reduce(reference: str) -> Response:
    asked = from_json(FewerTickets, read_json())
    event_id, position = position_of(reference)
    organizer_id = organizer_of(event_id)
    release = change_tickets(
        event_id,
        position=position,
        tickets=asked.tickets,
        organizer_id=organizer_id,
        once=one_time("change", asked, position=position),
    )
    message = f"The booking keeps {release.tickets} of its tickets."
    return answer(released(release, message=message, for_organizer=organizer_id is not None))


def organizer_of(event_id: int) -> int | None:
    """The id of the organizer who asks, if the event is theirs: to others they are anybody.

    Raises `EventNotFound` when somebody is logged in and there is no such event.
    """
    if g.caller is None:
        return None
    owner = find_event(event_id, with_drafts=True).organizer_id
    return g.caller.id if owner == g.caller.id else None
