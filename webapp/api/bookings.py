"""Book, cancel, look at and change bookings."""

from flask import Response, g

from webapp import clock
from webapp.accounts.services import Level
from webapp.api import booking_shapes as shapes
from webapp.api.auth import Unauthorized
from webapp.api.blueprint import bp
from webapp.api.openapi import documented
from webapp.api.wire import idempotency_key
from webapp.booking.commands import Actor, BookTickets, Outcome, Status, attendee, organizer
from webapp.booking.corrections import correct_booking
from webapp.booking.foresight import refuse_as_newcomer
from webapp.booking.giving import give_ticket
from webapp.booking.links import ask_for_new_link, replace_link_of
from webapp.booking.queries import find_booking, find_event, locate, locate_any
from webapp.booking.services import (
    book_tickets,
    cancel_booking,
    change_tickets,
    keep_booking,
    take_free,
)
from webapp.booking.terms import asks_addresses
from webapp.booking.ticket_types import as_kept, text_of
from webapp.config import current_settings
from webapp.errors import AlreadyBooked, InvalidInput, Problem
from webapp.mail.facts import send_links
from webapp.web.booking_schemas import (
    BookingChange,
    BookRequest,
    CancelRequest,
    KeepRequest,
    TakeRequest,
    wants_of_items,
)
from webapp.web.json_bodies import answer, read_json
from webapp.web.rate_limits import CodeTry, FreeTickets, admit_new_address, network
from webapp.web.schemas import Receiver, attendee_id_of, from_json


@bp.post("/events/book")
@documented(
    who="either",
    level=Level.BOOK,
    body=BookRequest,
    answer=shapes.Booked,
    status=201,
    other_answers={202: shapes.Asked},
    errors=(404, 409, 422),
    idempotent=True,
)
def book() -> Response:
    """Book tickets.

    Confirmed while there is room and nobody waits, else put on the waiting list. That ends with the
    event's start: where booking goes on after it, what finds no room is refused (sold_out).

    Unless the event's organizer asks, a userId with an @ has to be an e-mail address, which is told
    of the booking, and email can only repeat it: so an address has one booking. Whatever its case,
    it is one attendee. The booking's mails and calendar entries are in its language, or in that of
    the installation where it names none.

    One client books a limited number of an event's tickets in 15 minutes (BOOKINGS_FREELY); beyond
    that it is told to come back later (429). Organizers are not counted.

    With pastSale the event's organizer books although booking is closed or not yet open, the event
    is a draft or runs; not once it is over or cancelled. Before the start that is behind whoever
    waits, and with the first booking after it all lapse who still wait.

    Of an event with ticket types items says which; tickets alone are of the one type that is on
    sale. A code unlocks hidden types: one that is no use is unknown_code, whatever the reason, and
    after 20 of those in 15 minutes a client is told to come back later (429).

    Where the event asksAddress and its organizer does not book, the userId has to be an address,
    and the answer is 202 without a reference, the same whether or not the address has a booking.
    """
    asked = from_json(BookRequest, read_json())
    actor = actor_for(asked.eventId)
    by_stranger = not actor.is_organizer
    attendee_id, email = attendee_id_of(asked.userId, checked=by_stranger), asked.email
    is_named_by_address = by_stranger and "@" in attendee_id
    if by_stranger and asked.pastSale:
        raise InvalidInput({"pastSale": Problem("organizers_only")})
    # Nobody books in the name of an address that does not hear of it, nor twice with one address.
    if by_stranger and email not in (None, attendee_id):
        raise InvalidInput({"email": Problem("another_address")})
    if is_named_by_address:
        email = attendee_id
    key = idempotency_key("book", asked)
    wants = wants_of_items(asked.items)
    try:
        with (
            CodeTry(asked.code if by_stranger else None),
            FreeTickets(asked.eventId, asked.tickets if by_stranger else 0, key) as free,
        ):
            # What the address has to answer for is not booked freely.
            if free.are_too_many and not asks_addresses(find_event(asked.eventId), clock.now()):
                free.refuse_if_too_many()
            outcome = book_tickets(
                asked.eventId,
                attendee_id=attendee_id,
                tickets=asked.tickets,
                wants=wants,
                code=asked.code,
                name=asked.name,
                email=email,
                language=asked.language,
                actor=actor,
                key=key,
                past_sale=bool(asked.pastSale),
            )
            if outcome.repeated or outcome.asked:
                free.take_back()
    except AlreadyBooked as error:
        if is_named_by_address:
            send_links(attendee_id, first=(asked.eventId, error.position), network=network())
        event, now = find_event(asked.eventId), clock.now()
        if not by_stranger or not asks_addresses(event, now):
            raise
        code = as_kept(asked.code or "") or None
        refuse_as_newcomer(event, BookTickets("", asked.tickets, wants=text_of(wants), code=code))
        return answer(shapes.asked(), 202)
    if outcome.asked:
        return answer(shapes.asked(), 202)
    return answer(shapes.booked(asked.eventId, outcome, user_id=asked.userId), 201)


@bp.post("/events/cancel")
@documented(
    who="either",
    level=Level.BOOK,
    body=CancelRequest,
    answer=shapes.Released,
    errors=(404, 409, 410, 422),
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
        outcome = cancel_booking(
            event_id, position=position, reference=asked.bookingReference, actor=actor, key=key
        )
    else:
        assert asked.eventId is not None
        assert asked.userId is not None
        if g.caller is None:
            raise Unauthorized("reference_or_login_needed")
        actor = organizer(g.caller.id)
        outcome = cancel_booking(
            asked.eventId, attendee_id=attendee_id_of(asked.userId), actor=actor, key=key
        )
    message = "The booking is cancelled."
    return answer(shapes.released(outcome, message=message, actor=actor))


@bp.get("/bookings/<reference>")
@documented(answer=shapes.AttendeeBooking, errors=(404, 410))
def booking(reference: str) -> Response:
    """Read a booking.

    The one that is next in line is told how many tickets it could take now, if it wants more.
    """
    return answer(shapes.attendee_booking(find_booking(reference)))


@bp.patch("/bookings/<reference>")
@documented(
    who="either",
    level=Level.BOOK,
    body=BookingChange,
    answer=shapes.ChangedBooking,
    errors=(404, 409, 410, 422),
    idempotent=True,
)
def change(reference: str) -> Response:
    """Change the number of tickets, or correct a name or an address.

    Tickets are sent in a call of their own; where there are ticket types, as the items that the
    booking is to have. Those given back go to the next in line at once; more
    are had while nobody waits and so many are free, else the booking stays as it is. A name counts
    at once. A new email is asked by a mail to it, and counts once the button behind that mail was
    pressed.
    """
    asked = from_json(BookingChange, read_json())
    found = find_booking(reference)
    event_id, position = found.event.id, found.booking.position
    actor = actor_for(event_id)
    key = idempotency_key("change", asked, position=position)
    if asked.tickets is not None:
        more = 0 if actor.is_organizer else asked.tickets - found.booking.tickets
        with FreeTickets(event_id, more, key) as free:
            free.refuse_if_too_many()
            outcome = change_tickets(
                event_id,
                position=position,
                tickets=asked.tickets,
                wants=wants_of_items(asked.items),
                reference=reference,
                actor=actor,
                key=key,
            )
            if outcome.repeated:
                free.take_back()
        message = f"The booking is for {outcome.tickets} tickets now."
        if outcome.tickets == 1:
            message = "The booking is for 1 ticket now."
        return answer(shapes.changed_booking(outcome, message=message, actor=actor))
    if asked.email is not None:
        admit_new_address(f"{event_id}/{position}")
    made = correct_booking(
        event_id,
        position=position,
        name=asked.name,
        email=asked.email,
        reference=reference,
        actor=actor,
        key=key,
    )
    told = [f"The {field} is corrected." for field in made.changed]
    if made.asks_address:
        told.append("The new email counts once the button behind the mail to it was pressed.")
    row = find_booking(reference).booking
    outcome = Outcome(position, reference, Status(row.status), row.tickets, wants=row.wants)
    message = " ".join(told) or "It is so already."
    return answer(shapes.changed_booking(outcome, message=message, actor=actor))


@bp.post("/bookings/<reference>/take")
@documented(
    who="either",
    level=Level.BOOK,
    body=TakeRequest,
    answer=shapes.ChangedBooking,
    errors=(404, 409, 410, 422),
    idempotent=True,
)
def take(reference: str) -> Response:
    """Take what is free now.

    The booking that is next in line is confirmed with fewer tickets than it waits for, and gives up
    the others. It stays as it is unless it is next and so many are free at that moment.
    """
    asked = from_json(TakeRequest, read_json())
    event_id, position = locate(reference)
    actor = actor_for(event_id)
    outcome = take_free(
        event_id,
        position=position,
        tickets=asked.tickets or 0,
        wants=wants_of_items(asked.items),
        reference=reference,
        actor=actor,
        key=idempotency_key("take", asked, position=position),
    )
    message = "The booking is confirmed."
    return answer(shapes.changed_booking(outcome, message=message, actor=actor))


@bp.post("/bookings/<reference>/give")
@documented(
    who="either",
    level=Level.BOOK,
    body=Receiver,
    answer=shapes.Given,
    other_answers={202: shapes.Accepted},
    errors=(404, 409, 410, 422),
    idempotent=True,
)
def give(reference: str) -> Response:
    """Give a confirmed booking to somebody else.

    Name, email, userId (which becomes the email), reference and ticket code are others from then
    on, and the old reference and code are void; the receiver is mailed the new ones. Only the
    organizer is answered with the new reference, and whoever gives where no mails are sent. Where
    the event asksAddress the receiver is asked first (202), and the booking stays as it is until
    the button in that mail was pressed; an organizer's gift is not asked. The start of the event
    ends it for attendees.
    """
    asked = from_json(Receiver, read_json())
    event_id, position = locate_any(reference)
    actor = actor_for(event_id)
    key = idempotency_key("give", asked, position=position)
    if not actor.is_organizer:
        admit_new_address(f"{event_id}/{position}")
    try:
        gift = give_ticket(
            event_id,
            position=position,
            name=asked.name,
            email=asked.email,
            reference=reference,
            actor=actor,
            key=key,
        )
    except AlreadyBooked as error:
        send_links(asked.email, first=(event_id, error.position), network=actor.network)
        raise
    if gift.is_asked:
        return answer({"message": "The email is asked by a mail to it."}, 202)
    is_told = actor.is_organizer or current_settings().mail_url is None
    return answer(shapes.given(gift.reference if is_told else None))


@bp.post("/bookings/<reference>/replace")
@documented(
    who="either", level=Level.BOOK, answer=shapes.Accepted, status=202, errors=(404, 409, 410)
)
def replace_link(reference: str) -> Response:
    """Ask for a new reference and ticket code.

    The booking's email gets a mail, whose button replaces them. For the event's organizer they are
    replaced at once, and the new ones are mailed.
    """
    event_id, position = locate(reference)
    actor = actor_for(event_id)
    if actor.is_organizer:
        replace_link_of(event_id, position=position, actor=actor, reference=reference)
        return answer({"message": "The link is replaced; the new one is mailed."}, 202)
    ask_for_new_link(event_id, position=position, reference=reference, network=network())
    return answer({"message": "If the booking has an email, a mail is on its way to it."}, 202)


@bp.post("/bookings/<reference>/keep")
@documented(
    who="either",
    level=Level.BOOK,
    body=KeepRequest,
    answer=shapes.Kept,
    errors=(403, 404, 409, 410),
)
def keep(reference: str) -> Response:
    """Answer what the attendee is asked.

    Whether the address is theirs is answered with the token that is only in the mail to it, or by
    the event's organizer; whether they are still coming by the reference alone. Again is harmless.
    """
    asked = from_json(KeepRequest, read_json())
    event_id, position = locate(reference)
    outcome = keep_booking(
        event_id,
        position=position,
        reference=reference,
        token=asked.token,
        actor=actor_for(event_id),
    )
    return answer(shapes.kept(outcome))


def actor_for(event_id: int) -> Actor:
    """Who asks: the organizer, if the event is theirs; for all other events they are anybody.

    Raises `EventNotFound` when somebody is logged in and there is no such event.
    """
    if g.caller is None:
        return attendee(network())
    owner = find_event(event_id, with_drafts=True).organizer_id
    return organizer(owner) if owner == g.caller.id else attendee(network())
