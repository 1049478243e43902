"""An organizer adds people by hand, one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import BeforeValidator

from webapp import clock
from webapp.booking import queries
from webapp.booking import services as bookings
from webapp.booking.commands import Outcome, Status, is_active
from webapp.booking.guests import new_guest_id
from webapp.booking.inventory import inventory_of
from webapp.booking.lists import Listed, expect_list
from webapp.booking.ranks import rank_of
from webapp.booking.refusals import error_of, why_closed
from webapp.booking.ticket_types import Wants, text_of
from webapp.booking.type_queries import read_types
from webapp.errors import (
    AlreadyBooked,
    BookingNotFound,
    DomainError,
    InvalidInput,
    NotFree,
    Problem,
    SoldOut,
)
from webapp.pages import forms, types
from webapp.pages.choice import ANY
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, cursor_argument, me
from webapp.pages.organizer.by_type import rows_to_book
from webapp.pages.organizer.events import EVENT
from webapp.pages.wishes import told_at_rows
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


class GuestWithTickets(Guest):
    """The same where tickets are all alike."""

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
        would_wait=g.get("would_wait"),
    )


@bp.post(f"{EVENT}/bookings/new")
@form_on("organizer.new_booking")
def add_booking(event_id: int) -> ResponseReturnValue:
    """Book for somebody by the same rules as for everybody, though past the doors of sale."""
    is_typed = types.has_rows(request.form)
    form, wants = _guest_by_type() if is_typed else (from_form(GuestWithTickets, request.form), {})
    content = form.model_dump()
    promised = request.form.get("waits", "") in (text_of(wants), ANY)
    try:
        with told_at_rows(event_id), _told_that_it_waits(form, wants):
            outcome = bookings.book_tickets(
                event_id,
                attendee_id=form.email or new_guest_id(),
                tickets=content.get("tickets", 1),
                wants=wants,
                name=form.name,
                email=form.email,
                actor=me(),
                key=forms.idempotency_key(
                    "book",
                    caller=str(me()),
                    **content,
                    **({"items": text_of(wants)} if wants else {}),
                ),
                past_sale=True,
                only_now=is_typed and not promised,
                is_told=request.form.get("tells") == "yes",
            )
    except AlreadyBooked as error:
        raise AttendeeHasBooking(position=error.position) from error
    return move_to(url_for("organizer.new_booking", event_id=event_id, added=outcome.position))


def _guest_by_type() -> tuple[Guest, dict[int, int]]:
    """Who is booked and for which tickets. Raises `InvalidInput` for all that is wrong at once."""
    problems: dict[str, Problem] = {}
    try:
        guest = from_form(Guest, request.form)
    except InvalidInput as error:
        problems.update(error.problems)
    try:
        wants = types.wanted_from_form(request.form)
    except InvalidInput as error:
        problems.update(error.problems)
    if problems:
        raise InvalidInput(problems)
    return guest, wants


@contextmanager
def _told_that_it_waits(guest: Guest, wants: Wants) -> Iterator[None]:
    """Before somebody joins the waiting list, of which the page has not told, tell of it."""
    try:
        yield
    except (NotFree, SoldOut) as error:
        outcome = _expected(guest, wants) if wants else None
        if not isinstance(outcome, Outcome):
            raise outcome or error from error
        if outcome.status is not Status.WAITING:
            raise
        g.would_wait = outcome
        raise NotFree("others_would_wait") from error


def _expected(guest: Guest, wants: Wants) -> Outcome | DomainError:
    """What booking somebody would lead to as things are."""
    one = Listed(guest.name, guest.email, sum(wants.values()), text_of(wants))
    [outcome] = expect_list(g.event, [one], actor=me()).outcomes
    return outcome


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

    Where there are types, `rows` are they, and what is left is of whatever type. `most` is how many
    one booking may have, and `ending` how many lapse with the first sale, as the
    event has begun. `refusal` says in a sentence why nothing can be had; `closed` why nobody else
    can have anything.
    """

    def __init__(self, event: EventRow) -> None:
        now = clock.now()
        typed = read_types(event.id) if event.types else None
        here = typed.inventory if typed else inventory_of(event, now)
        self.rows = rows_to_book(typed) if typed else []
        self.left, self.most = here.available, here.most
        if typed:
            self.left = min(here.free, sum(row.left for row in self.rows))
        self.place = here.waiting + 1 if here.has_place_in_list else None
        self.ending = 0 if here.promotes else here.waiting
        self.closed = sentence_of(why_closed(event, now), language()) if here.closure else ""
        self.refusal = ""
        if here.is_closed_to(me(), past_sale=True):
            self.refusal = self.closed
        elif not self.left and self.place is None:
            refused = error_of(here.nothing_for_newcomer("", only_now=False), event, now)
            self.refusal = sentence_of(refused, language())
