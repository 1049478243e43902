"""What attendees see: the events, one event with its form, and their own booking."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from webapp import clock
from webapp.accounts.contacts import contact_of
from webapp.booking import services as bookings
from webapp.booking.commands import (
    Status,
    attendee,
    is_active,
)
from webapp.booking.queries import (
    find_booking,
    find_event,
    locate,
)
from webapp.booking.terms import asks_addresses, may_ask
from webapp.booking.ticket_types import words_of
from webapp.booking.type_queries import availability_of, names_of
from webapp.config import current_settings
from webapp.errors import AlreadyBooked, DomainError, EventNotFound
from webapp.events.queries import as_if_published, events_after, own_event, upcoming_events
from webapp.mail.facts import send_links
from webapp.mail.ical import calendar_file
from webapp.pages import forms, remembered
from webapp.pages.choice import choice_of
from webapp.pages.forms import form_on
from webapp.pages.kept_booking import show_booking
from webapp.pages.offer import Offers, offer_of, without_figures
from webapp.pages.presentation import absolute_url, event_path, sends_mail
from webapp.pages.standing import given_back, standing_of
from webapp.pages.wishes import Wish, tickets_wanted, told_at_rows, wish_of_form
from webapp.storage.columns import MAX_NAME
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import EventRow
from webapp.text import formatting
from webapp.text.formatting import local
from webapp.text.languages import language_of
from webapp.web.compression import pack
from webapp.web.htmx import fragment, move_to, show, show_anew, wants_fragment
from webapp.web.kept_pages import show_kept
from webapp.web.language import chosen_language, language, ngettext
from webapp.web.language import gettext as _
from webapp.web.paging import page_of, place_in, place_of
from webapp.web.rate_limits import BOOKING_FORMS, FreeTickets, limited, network
from webapp.web.security import current_login

bp = Blueprint("attendee", __name__)


PAGE = 24
EVENT = "/events/<id:event_id>"
# The blocks of an event's page that show how many tickets are left, or how many wait.
LIVE = ("to_book", "standing", "book_label")


class AddressHasBooking(DomainError):
    """Told on a page, where anybody can type anybody's address: it gives nothing away."""

    code = AlreadyBooked.code

    def __init__(self, *, is_mailed: bool = True) -> None:
        super().__init__("address" if is_mailed else "address_untold")


@bp.get("/")
def events() -> ResponseReturnValue:
    """The events that are not over, soonest first."""
    search = request.args.get("search", "").strip()[:MAX_NAME]
    after = place_in(request.args.get("after", ""))
    read = partial(upcoming_events, search=search, after=after)
    page, next_cursor = page_of(read, PAGE, place_of)
    lefts = availability_of([event for event in page if event.types])
    response = show_kept(
        "attendee/events.html",
        block="events",
        page=tuple(page),
        by_month=_by_month,
        search=search,
        is_continued=after is not None,
        next_cursor=next_cursor,
        offer_of=Offers(tuple((e.id, offer_of(e, available=lefts.get(e.id))) for e in page)),
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return pack(response)


@bp.get(EVENT, defaults={"slug": ""})
@bp.get(f"{EVENT}-<slug>")
def event(event_id: int, slug: str) -> ResponseReturnValue:
    """One event: what it is, what is left, and the form to book."""
    try:
        found = find_event(event_id)
    except EventNotFound:
        return _preview(event_id)
    if request.method != "POST" and slug != formatting.slug(found.name):
        return redirect(_with_code(event_path(found)), code=301)
    context = _on_offer(found, had_form=request.method == "POST")
    if context["choice"]:
        # What a code shows is for who has it.
        draw = show if context["choice"].code else show_kept
        return draw("attendee/event.html", **context)
    # A hot event has other figures at each look.
    lasting = {"event": without_figures(found), "offer": context["offer"].without_figures}
    return show_kept("attendee/event.html", live=LIVE, lasting=lasting, **context)


def _with_code(path: str) -> str:
    """The same with the code of the link that was followed, which may unlock ticket types."""
    code = request.args.get("code")
    return f"{path}?{urlencode({'code': code})}" if code else path


@bp.get(f"{EVENT}/availability")
def availability(event_id: int) -> ResponseReturnValue:
    """What is left, for a page that is open."""
    found = find_event(event_id)
    if not wants_fragment():
        return redirect(_with_code(event_path(found)), code=303)
    had_form = request.args.get("form") != "no"
    context = _on_offer(found, had_form=had_form)
    # Booking has opened or closed meanwhile: the form has to come, or to go.
    if context["has_form"] is not had_form:
        return show_anew("attendee/event.html", **context, is_news=True)
    return fragment("attendee/event.html", "availability", **context)


@bp.post(EVENT, defaults={"slug": ""})
@bp.post(f"{EVENT}-<slug>")
@limited(BOOKING_FORMS)
@form_on("attendee.event")
def book(event_id: int, slug: str) -> ResponseReturnValue:
    """Book tickets, or join the waiting list."""
    wish = wish_of_form(event_id)
    key = forms.idempotency_key("book", caller="page", **wish.content)
    with wish.told(event_id):
        return _book(event_id, wish, key)


def _book(event_id: int, wish: Wish, key: IdempotencyKey | None) -> ResponseReturnValue:
    must_answer = False
    try:
        with FreeTickets(event_id, wish.tickets, key) as free:
            if free.are_too_many:
                must_answer = may_ask(find_event(event_id), clock.now())
                if not must_answer:
                    free.refuse_if_too_many()
            outcome = bookings.book_tickets(
                event_id,
                attendee_id=wish.email,
                tickets=wish.tickets,
                name=wish.name,
                email=wish.email,
                language=chosen_language(),
                actor=attendee(network()),
                key=key,
                must_answer=must_answer,
                **wish.of_types,
            )
            if outcome.repeated or outcome.asked:
                free.take_back()
    except AlreadyBooked as error:
        send_links(wish.email, first=(event_id, error.position), network=network())
        event, now = find_event(event_id), clock.now()
        if not must_answer and not asks_addresses(event, now):
            raise AddressHasBooking(is_mailed=sends_mail()) from error
        wish.refuse_as_newcomer(event_id)
        return move_to(url_for("attendee.asked", event_id=event_id))
    if outcome.asked:
        return move_to(url_for("attendee.asked", event_id=event_id))
    remembered.remember(outcome.reference)
    if outcome.status is Status.WAITING:
        flash(_("You are on the waiting list. Keep the address of this page: it is your booking."))
    else:
        flash(_("It is booked. Keep the address of this page: it is your ticket."))
    return move_to(url_for("attendee.booking", reference=outcome.reference))


@bp.get(f"{EVENT}/asked")
def asked(event_id: int) -> ResponseReturnValue:
    """What comes next where the address has to answer: the same for everybody."""
    return show("attendee/asked.html", event=find_event(event_id))


@bp.get("/bookings/<reference>")
def booking(reference: str) -> ResponseReturnValue:
    """An attendee's own booking: the ticket, or the place in the waiting list."""
    return show_booking(standing_of(find_booking(reference)))


@bp.get("/bookings/<reference>/standing")
def standing(reference: str) -> ResponseReturnValue:
    """Where a booking stands, for a page that is open while it waits."""
    found = find_booking(reference)
    if not wants_fragment():
        return redirect(url_for("attendee.booking", reference=reference), code=303)
    if found.booking.status == Status.WAITING:
        return fragment("attendee/booking.html", "standing", **standing_of(found))
    # It waits no longer: the whole booking looks different now.
    return show_anew("attendee/booking.html", **standing_of(found, is_news=True))


@bp.get("/bookings/<reference>/calendar.ics")
def calendar(reference: str) -> ResponseReturnValue:
    """The event of a ticket as a file for calendars; after a cancel it takes the entry away."""
    found = find_booking(reference)
    event = found.event
    if event.starts_at is None or found.booking.status == Status.WAITING:
        raise NotFound
    reads = language_of(found.booking.language, default=current_settings().language)
    file = calendar_file(
        event,
        position=found.booking.position,
        cancelled=not is_active(found.booking.status),
        language=reads,
        url=absolute_url(event_path(event)),
        settings=current_settings(),
        now=clock.now(),
        contact=contact_of(event.organizer_id),
        holder=found.booking.times_given or 0,
        tickets=words_of(found.booking.wants, names_of(event)),
    )
    response = Response(file, mimetype="text/calendar")
    word = reads.pgettext("file", "event")
    name = f"{formatting.slug(event.name) or f'{word}-{event.id}'}.ics"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@bp.post("/bookings/<reference>")
@form_on("attendee.booking")
def change(reference: str) -> ResponseReturnValue:
    """Give a booking another number of tickets; ask once more before any are given back."""
    found = find_booking(reference)
    event_id, position = found.event.id, found.booking.position
    with told_at_rows(event_id):
        tickets, by_type, content = tickets_wanted(request.form)
        if forms.must_be_sure(tickets, found.booking):
            shown = standing_of(found)
            if shown["may_change"]:
                shown["given"] = given_back(found, by_type["wants"]) if by_type else None
                return show("attendee/confirm_change.html", **shown, keeps=tickets, **by_type)
        key = forms.idempotency_key("change", caller="page", position=position, **content)
        with FreeTickets(event_id, tickets - found.booking.tickets, key) as free:
            free.refuse_if_too_many()
            outcome = bookings.change_tickets(
                event_id,
                position=position,
                tickets=tickets,
                reference=reference,
                actor=attendee(network()),
                key=key,
                **by_type,
            )
            if outcome.repeated:
                free.take_back()
    if outcome.repeated:
        flash(
            ngettext(
                "The booking is for %(num)s ticket.", "The booking is for %(num)s tickets.", tickets
            )
        )
    else:
        flash(
            ngettext(
                "Changed: the booking is now for %(num)s ticket.",
                "Changed: the booking is now for %(num)s tickets.",
                tickets,
            )
        )
    return move_to(url_for("attendee.booking", reference=reference))


@bp.post("/bookings/<reference>/take")
@form_on("attendee.booking")
def take(reference: str) -> ResponseReturnValue:
    """Take what is free now, in place of waiting for more."""
    event_id, position = locate(reference)
    with told_at_rows(event_id):
        tickets, by_type, content = tickets_wanted(request.form)
        bookings.take_free(
            event_id,
            position=position,
            tickets=tickets,
            reference=reference,
            actor=attendee(network()),
            key=forms.idempotency_key("take", caller="page", position=position, **content),
            **by_type,
        )
    flash(ngettext("%(num)s ticket is yours now.", "%(num)s tickets are yours now.", tickets))
    return move_to(url_for("attendee.booking", reference=reference))


@bp.get("/bookings/<reference>/cancel")
def confirm_cancel(reference: str) -> ResponseReturnValue:
    """Ask once more before a booking is cancelled."""
    found = find_booking(reference)
    if not is_active(found.booking.status):
        return redirect(url_for("attendee.booking", reference=reference), code=303)
    given = given_back(found, {}) if found.event.types else None
    shown = {**standing_of(found), "rank": found.rank, "given": given}
    return show("attendee/confirm_cancel.html", **shown)


@bp.post("/bookings/<reference>/cancel")
@form_on("attendee.confirm_cancel")
def cancel(reference: str) -> ResponseReturnValue:
    """Cancel a booking; its tickets go to the next in line at once."""
    event_id, position = locate(reference)
    actor = attendee(network())
    bookings.cancel_booking(event_id, position=position, reference=reference, actor=actor)
    remembered.forget(reference)
    flash(_("Your booking is cancelled."))
    return move_to(url_for("attendee.booking", reference=reference))


def _preview(event_id: int) -> Response:
    """A draft as everybody will see it, for its owner alone. Raises `EventNotFound`."""
    login = current_login()
    if login is None:
        raise EventNotFound
    draft = own_event(event_id, organizer_id=login.organizer_id)
    if draft.status != "draft":
        raise EventNotFound
    context = _on_offer(as_if_published(draft), had_form=False)
    # Never one of the pages that are kept for all.
    return show("attendee/event.html", **context, is_preview=True)


def _on_offer(event: EventRow, *, had_form: bool) -> dict[str, Any]:
    """What the page of an event shows; `wanted` are the tickets that the form asks for so far."""
    choice = choice_of(event, request.values) if event.types else None
    offer = offer_of(event, available=choice.available if choice else None)
    sent = request.args if request.method == "GET" else request.values
    wanted = sent.get("tickets", 1, type=int)
    return {
        "event": event,
        "offer": offer,
        "choice": choice,
        "wanted": min(max(1, wanted), offer.most),
        "is_too_many": wanted > offer.most,
        "coming": tuple(events_after(event)) if offer.is_over else (),
        # Who has filled in the form when the last ticket goes keeps it: somebody may still cancel.
        # Before the opening it is there to be filled in; its button opens by the page's clock.
        "has_form": (choice is None or choice.is_open)
        and (not offer.refusal or bool(offer.opens_at) or (offer.is_full and had_form)),
        "asks": asks_addresses(event, clock.now()),
        "contact": contact_of(event.organizer_id),
    }


def _by_month(events: Sequence[EventRow]) -> list[tuple[str, list[EventRow]]]:
    """Events under the name of their month, in their own order."""
    reads = language()

    def month(event: EventRow) -> str:
        if event.starts_at is None:
            return reads.gettext("Date to be announced")
        return formatting.month(local(event.starts_at, event.time_zone), reads)

    return [(name, list(group)) for name, group in groupby(events, key=month)]
