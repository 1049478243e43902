"""An organizer adds people by hand, one after the other."""

from typing import Annotated

from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import BeforeValidator

from webapp import clock
from webapp.booking import queries
from webapp.booking import services as bookings
from webapp.booking.commands import Status, is_active
from webapp.booking.guests import new_guest_id
from webapp.booking.inventory import inventory_of
from webapp.booking.ranks import rank_of
from webapp.booking.refusals import error_of, why_closed
from webapp.errors import AlreadyBooked, BookingNotFound, DomainError
from webapp.pages import forms
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, cursor_argument, me
from webapp.pages.organizer.events import EVENT
from webapp.storage.rows import BookingRow, EventRow
from webapp.text.sentences import sentence_of
from webapp.web.fields import Email, RequiredLine, Tickets
from webapp.web.htmx import move_to, show
from webapp.web.language import language
from webapp.web.schemas import Input, from_form


class Guest(Input):
    """Somebody whom an organizer books; without an address nothing is mailed."""

    name: RequiredLine
    email: Annotated[Email | None, BeforeValidator(lambda value: value or None)] = None
    tickets: Tickets = 1


class AttendeeHasBooking(DomainError):
    """Tells the organizer which booking stands in the way."""

    code = AlreadyBooked.code

    def __init__(self, *, position: int) -> None:
        super().__init__("position", position=position)


@bp.get(f"{EVENT}/bookings/new")
def new_booking(event_id: int) -> ResponseReturnValue:
    """The form to book for somebody, and who was added just now."""
    added = _added()
    waits = added is not None and added.status == Status.WAITING
    return show(
        "organizer/new_booking.html",
        event=g.event,
        doors=Doors(g.event),
        added=added,
        rank=rank_of(event_id, added.position) if added and waits else None,
        tells=g.event.status != "draft",
    )


@bp.post(f"{EVENT}/bookings/new")
@form_on("organizer.new_booking")
def add_booking(event_id: int) -> ResponseReturnValue:
    """Book for somebody by the same rules as for everybody, though past the doors of sale."""
    form = from_form(Guest, request.form)
    try:
        outcome = bookings.book_tickets(
            event_id,
            attendee_id=form.email or new_guest_id(),
            tickets=form.tickets,
            name=form.name,
            email=form.email,
            actor=me(),
            key=forms.idempotency_key("book", caller=str(me()), **form.model_dump()),
            past_sale=True,
            is_told=request.form.get("tells") == "yes",
        )
    except AlreadyBooked as error:
        raise AttendeeHasBooking(position=error.position) from error
    return move_to(url_for("organizer.new_booking", event_id=event_id, added=outcome.position))


def _added() -> BookingRow | None:
    """The booking that was made just now, as the address of the page says."""
    position = cursor_argument("added")
    if position is None:
        return None
    try:
        found = queries.booking_at(g.event, position, actor=me())
    except BookingNotFound:
        return None
    return found if is_active(found.status) else None


class Doors:
    """What an organizer can book now: `left` tickets at once, else `place` in the waiting list.

    `most` is how many one booking may have, and `ending` how many lapse with the first sale, as the
    event has begun. `refusal` says in a sentence why nothing can be had; `closed` why nobody else
    can have anything.
    """

    def __init__(self, event: EventRow) -> None:
        now = clock.now()
        here = inventory_of(event, now)
        self.left, self.most = here.available, here.most
        self.place = here.waiting + 1 if here.has_place_in_list else None
        self.ending = 0 if here.promotes else here.waiting
        self.closed = sentence_of(why_closed(event, now), language()) if here.closure else ""
        self.refusal = ""
        if here.is_closed_to(me(), past_sale=True):
            self.refusal = self.closed
        elif not self.left and self.place is None:
            refused = error_of(here.nothing_for_newcomer("", only_now=False), event, now)
            self.refusal = sentence_of(refused, language())
