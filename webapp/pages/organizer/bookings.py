"""The bookings of an organizer's event: the list, one of them, adding, changing, cancelling."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape

from webapp import clock
from webapp.booking import queries
from webapp.booking import services as bookings
from webapp.booking.commands import (
    CancelBooking,
    ChangeTickets,
    Status,
    is_active,
    takes_tickets,
)
from webapp.booking.guests import shown_id
from webapp.booking.inventory import inventory_of
from webapp.booking.listing import Line
from webapp.booking.open_questions import answers_of, may_have_asked, open_questions, question_of
from webapp.booking.ranks import rank_of, ranks_of
from webapp.booking.standstill import standstills
from webapp.door.attendance import arrivals_of
from webapp.pages import forms
from webapp.pages.forms import form_on
from webapp.pages.offer import goes_to
from webapp.pages.organizer import bp, cursor_argument, kept_list, me
from webapp.pages.organizer.events import EVENT
from webapp.pages.organizer.wording import moved_up, next_in_line, pass_names
from webapp.storage.columns import MAX_NAME
from webapp.web.htmx import fragment, move_to, show, wants_fragment
from webapp.web.language import gettext as _
from webapp.web.language import ngettext
from webapp.web.paging import page_of
from webapp.web.schemas import WantedTickets, from_form

PAGE = 50
# Beside the statuses, what the list can be narrowed to: bookings with an open question.
ASKED = "asked"
BOOKING = f"{EVENT}/bookings/<int(max=2147483647):position>"


@bp.get(EVENT)
def event(event_id: int) -> ResponseReturnValue:
    """One event: its figures, its bookings and its waiting list in order."""
    return show(
        "organizer/event.html",
        block="main" if "refused_form" in g else "bookings",
        event=g.event,
        standstill=standstills([g.event], actor=me()).get(event_id),
        answers=answers_of(g.event, actor=me()),
        **_listed(event_id),
    )


@bp.get(f"{EVENT}/bookings")
def list_bookings(event_id: int) -> ResponseReturnValue:
    """The list of bookings, for a page that is open."""
    if not wants_fragment():
        return redirect(url_for("organizer.event", event_id=event_id), code=303)
    listed = _listed(event_id)
    return fragment("organizer/event.html", "bookings", event=g.event, is_news=True, **listed)


@bp.get(BOOKING)
def booking(event_id: int, position: int) -> ResponseReturnValue:
    """One booking with its link and its history."""
    found = queries.booking_at(g.event, position, actor=me())
    waits, now = found.status == Status.WAITING, clock.now()
    rank = rank_of(event_id, position) if waits else None
    more = inventory_of(g.event, now).more_for(found.tickets, me())
    lines = queries.history(g.event, actor=me(), position=position)
    arrivals = arrivals_of(event_id, [position] if found.admitted else [])
    return show(
        "organizer/booking.html",
        event=g.event,
        booking=found,
        rank=rank,
        free=queries.free_now(queries.BookingView(found, g.event, rank)),
        more=more if takes_tickets(found.status) else 0,
        question=question_of(g.event, found),
        lines=lines,
        arrival=arrivals.get(position),
        pass_names=pass_names(event_id, (line.actor for line in lines)),
        me=str(me()),
    )


@bp.post(BOOKING)
@form_on("organizer.booking")
def change_booking(event_id: int, position: int) -> ResponseReturnValue:
    """Give a booking another number of tickets; ask once more before any are given back."""
    form = from_form(WantedTickets, request.form)
    found = queries.booking_at(g.event, position, actor=me())
    if forms.must_be_sure(form.tickets, found):
        return show(
            "organizer/confirm_change_booking.html",
            event=g.event,
            booking=found,
            keeps=form.tickets,
            goes_to=goes_to(g.event, clock.now()),
            next_in_line=next_in_line(ChangeTickets(position, form.tickets)),
        )
    caller = str(me())
    outcome = bookings.change_tickets(
        event_id,
        position=position,
        tickets=form.tickets,
        actor=me(),
        past_sale=True,
        key=forms.idempotency_key("change", caller=caller, position=position, tickets=form.tickets),
    )
    changed = ngettext("Changed to %(num)s ticket.", "Changed to %(num)s tickets.", form.tickets)
    flash(" ".join([changed, moved_up(outcome.promoted)]).strip())
    return move_to(
        url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
    )


@bp.post(f"{BOOKING}/take")
@form_on("organizer.booking")
def take_free(event_id: int, position: int) -> ResponseReturnValue:
    """Give the head of the waiting list what is free now, in place of all that it waits for."""
    form = from_form(WantedTickets, request.form)
    caller = str(me())
    outcome = bookings.take_free(
        event_id,
        position=position,
        tickets=form.tickets,
        actor=me(),
        key=forms.idempotency_key("take", caller=caller, position=position, tickets=form.tickets),
    )
    flash(moved_up(outcome.promoted))
    return move_to(
        url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
    )


@bp.post(f"{BOOKING}/keep")
@form_on("organizer.booking")
def keep_booking(event_id: int, position: int) -> ResponseReturnValue:
    """Answer for an attendee what they were asked."""
    found = queries.booking_at(g.event, position, actor=me())
    bookings.keep_booking(event_id, position=position, reference=found.reference, actor=me())
    flash(_("The booking is kept. Nobody has to answer any more."))
    return move_to(
        url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
    )


@bp.get(f"{BOOKING}/cancel")
def confirm_cancel_booking(event_id: int, position: int) -> ResponseReturnValue:
    """Ask once more before a booking is cancelled."""
    found = queries.booking_at(g.event, position, actor=me())
    if not is_active(found.status):
        return move_to(
            url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
        )
    return show(
        "organizer/confirm_cancel_booking.html",
        event=g.event,
        booking=found,
        goes_to=goes_to(g.event, clock.now()),
        next_in_line=next_in_line(CancelBooking(position)),
    )


@bp.post(f"{BOOKING}/cancel")
@form_on("organizer.confirm_cancel_booking")
def cancel_booking(event_id: int, position: int) -> ResponseReturnValue:
    """Cancel a booking; its tickets go to the next in line at once."""
    outcome = bookings.cancel_booking(event_id, position=position, actor=me())
    flash(" ".join([_("The booking is cancelled."), moved_up(outcome.promoted)]).strip())
    return move_to(url_for("organizer.event", event_id=event_id, **kept_list()))


def _listed(event_id: int) -> dict[str, Any]:
    """The bookings that are asked for, a page of them."""
    status = request.args.get("status", "")
    status = status if status in (*Status, ASKED) else ""
    search = request.args.get("search", "").strip()[:MAX_NAME]
    after = cursor_argument("after") or 0
    read = partial(
        queries.booking_lines,
        g.event,
        actor=me(),
        status="" if status == ASKED else status,
        asked=status == ASKED,
        search=search,
        after=after,
    )
    page, next_after = page_of(read, PAGE, lambda booking: booking.position)
    kept = kept_list()
    return {
        # Nothing is held yet.
        "statuses": [
            *(name for name in Status if name is not Status.HELD),
            *([ASKED] if status == ASKED or may_have_asked(g.event) else []),
        ],
        "rows": _rows_of(event_id, page),
        # For the links of each row; the address begins before it.
        "kept": escape(f"?{urlencode(kept)}" if kept else ""),
        "status": status,
        "search": search,
        "is_continued": after > 0,
        "next_after": next_after,
    }


def _rows_of(event_id: int, page: Sequence[Line]) -> list[tuple[Any, ...]]:
    """What templates/organizer/_rows.html takes apart, without a look-up for each value."""
    questions = open_questions(g.event, [line.position for line in page])
    ranks = ranks_on(event_id, page)
    base = url_for("organizer.event", event_id=event_id) + "/bookings/"
    return [
        (
            f"{base}{position}",
            position,
            name or attendee_id,
            email or shown_id(attendee_id),
            tickets,
            status,
            is_active(status),
            admitted,
            ranks.get(position),
            questions.get(position),
        )
        for position, attendee_id, name, email, tickets, status, admitted in page
    ]


def ranks_on(event_id: int, page: Sequence[Line]) -> dict[int, int]:
    """The ranks of the waiting bookings on a page."""
    waiting = [row.position for row in page if row.status == Status.WAITING]
    return ranks_of(event_id, waiting) if waiting else {}
