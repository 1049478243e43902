"""Book, cancel, look at and reduce bookings."""

from flask import Response, g

from webapp.api import representations as shapes
from webapp.api.auth import Unauthorized
from webapp.api.blueprint import bp
from webapp.api.openapi import documented
from webapp.api.wire import answer, idempotency_key, read_json
from webapp.booking.commands import Actor, attendee, organizer
from webapp.booking.queries import find_booking, find_event, locate
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.errors import AlreadyBooked, InvalidInput, Problem
from webapp.mail.facts import send_links
from webapp.web.rate_limits import network
from webapp.web.schemas import BookRequest, CancelRequest, FewerTickets, attendee_id_of, from_json


@bp.post("/events/book")
@documented(
    who="either",
    body=BookRequest,
    answer=shapes.Booked,
    status=201,
    errors=(404, 409, 422),
    idempotent=True,
)
def book() -> Response:
    """Book tickets.

    Confirmed while there is room and nobody waits, else put on the waiting list. Unless the event's
    organizer asks, a userId with an @ has to be an e-mail address, which is told of the booking;
    email can then only repeat it. Whatever its case, it is one attendee. The booking's mails and
    calendar entries are in its language, or in that of the installation where it names none.
    """
    asked = from_json(BookRequest, read_json())
    actor = actor_for(asked.eventId)
    by_stranger = not actor.is_organizer
    attendee_id, email = attendee_id_of(asked.userId, checked=by_stranger), asked.email
    is_named_by_address = by_stranger and "@" in attendee_id
    if is_named_by_address:
        # Nobody books in the name of an address that does not hear of it.
        if email not in (None, attendee_id):
            raise InvalidInput({"email": Problem("another_address")})
        email = attendee_id
    try:
        outcome = book_tickets(
            asked.eventId,
            attendee_id=attendee_id,
            tickets=asked.tickets,
            name=asked.name,
            email=email,
            language=asked.language,
            actor=actor,
            key=idempotency_key("book", asked),
        )
    except AlreadyBooked as error:
        if is_named_by_address:
            send_links(attendee_id, first=(asked.eventId, error.position), network=network())
        raise
    return answer(shapes.booked(asked.eventId, outcome, user_id=asked.userId), 201)


@bp.post("/events/cancel")
@documented(
    who="either",
    body=CancelRequest,
    answer=shapes.Released,
    errors=(404, 409, 422),
    idempotent=True,
)
def cancel() -> Response:
    """Cancel a booking.

    Its tickets go to the next in line at once. Send the bookingReference alone, or as the event's
    organizer userId and eventId. A second cancel is harmless.
    """
    asked = from_json(CancelRequest, read_json())
    key = idempotency_key("cancel", asked)
    if asked.bookingReference is not None:
        event_id, position = locate(asked.bookingReference)
        actor = actor_for(event_id)
        outcome = cancel_booking(event_id, position=position, actor=actor, key=key)
    else:
        assert asked.eventId is not None
        assert asked.userId is not None
        if g.caller is None:
            raise Unauthorized("reference_or_login_needed")
        actor = organizer(g.caller.id)
        outcome = cancel_booking(
            asked.eventId, attendee_id=attendee_id_of(asked.userId), actor=actor, key=key
        )
    return answer(shapes.released(outcome, message="The booking is cancelled.", actor=actor))


@bp.get("/bookings/<reference>")
@documented(answer=shapes.AttendeeBooking, errors=(404,))
def booking(reference: str) -> Response:
    """Read a booking."""
    return answer(shapes.attendee_booking(find_booking(reference)))


@bp.patch("/bookings/<reference>")
@documented(
    who="either", body=FewerTickets, answer=shapes.Released, errors=(404, 409, 422), idempotent=True
)
def reduce(reference: str) -> Response:
    """Keep fewer tickets. The tickets given back go to the next in line at once."""
    asked = from_json(FewerTickets, read_json())
    event_id, position = locate(reference)
    actor = actor_for(event_id)
    outcome = change_tickets(
        event_id,
        position=position,
        tickets=asked.tickets,
        actor=actor,
        key=idempotency_key("change", asked, position=position),
    )
    message = f"The booking keeps {outcome.tickets} of its tickets."
    return answer(shapes.released(outcome, message=message, actor=actor))


def actor_for(event_id: int) -> Actor:
    """Who asks: the organizer, if the event is theirs; for all other events they are anybody.

    Raises `EventNotFound` when somebody is logged in and there is no such event.
    """
    if g.caller is None:
        return attendee(network())
    owner = find_event(event_id, with_drafts=True).organizer_id
    return organizer(owner) if owner == g.caller.id else attendee(network())
