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
from webapp.booking.foresight import refuse_change
from webapp.booking.guests import shown_id
from webapp.booking.inventory import inventory_of
from webapp.booking.listing import Line, wants_any_of
from webapp.booking.open_questions import answers_of, may_have_asked, open_questions, question_of
from webapp.booking.ranks import rank_of, ranks_of
from webapp.booking.standstill import standstills
from webapp.door.attendance import arrivals_of
from webapp.events.own_lists import types_at_a_glance
from webapp.pages import forms
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, cursor_argument, kept_list, me
from webapp.pages.organizer.by_type import (
    WantedByForm,
    narrowed_type,
    rows_to_change,
    tickets_told,
    words_told,
)
from webapp.pages.organizer.events import EVENT
from webapp.pages.organizer.wording import goes_to_now, moved_up, next_in_line, pass_names
from webapp.pages.wishes import told_at_rows
from webapp.storage.columns import MAX_NAME
from webapp.web.htmx import fragment, move_to, show, wants_fragment
from webapp.web.language import gettext as _
from webapp.web.language import ngettext
from webapp.web.paging import page_of

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
        types_taken=types_at_a_glance([g.event]).get(event_id),
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
    takes = queries.takeable_now(queries.BookingView(found, g.event, rank))
    return show(
        "organizer/booking.html",
        event=g.event,
        booking=found,
        rank=rank,
        takes=takes,
        free=takes.tickets,
        more=more if takes_tickets(found.status) else 0,
        type_rows=rows_to_change(found),
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
    wanted = WantedByForm()
    found = queries.booking_at(g.event, position, actor=me())
    command = ChangeTickets(position, wanted.tickets, past_sale=True, wants=wanted.text)
    if forms.must_be_sure(wanted.tickets, found):
        if wanted.wants:
            with told_at_rows(event_id):
                refuse_change(g.event, command, actor=me())
        return show(
            "organizer/confirm_change_booking.html",
            event=g.event,
            booking=found,
            keeps=wanted.tickets,
            wants=wanted.text,
            fields=wanted.fields,
            goes_to=goes_to_now(command),
            next_in_line=next_in_line(command),
        )
    with told_at_rows(event_id):
        outcome = bookings.change_tickets(
            event_id,
            position=position,
            tickets=wanted.tickets,
            wants=wanted.wants,
            actor=me(),
            past_sale=True,
            key=wanted.key("change", position),
        )
    if outcome.repeated:
        changed = ngettext(
            "The booking is for %(num)s ticket.",
            "The booking is for %(num)s tickets.",
            wanted.tickets,
        )
    elif outcome.wants:
        changed = _("Changed to %(tickets)s.", tickets=words_told(outcome.wants))
    else:
        changed = ngettext(
            "Changed to %(num)s ticket.", "Changed to %(num)s tickets.", wanted.tickets
        )
    flash(" ".join([changed, moved_up(outcome.promoted)]).strip())
    return move_to(
        url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
    )


@bp.post(f"{BOOKING}/take")
@form_on("organizer.booking")
def take_free(event_id: int, position: int) -> ResponseReturnValue:
    """Give somebody who waits what is free now, in place of all that they wait for."""
    wanted = WantedByForm()
    outcome = bookings.take_free(
        event_id,
        position=position,
        tickets=wanted.tickets,
        wants=wanted.wants,
        actor=me(),
        key=wanted.key("take", position),
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
        goes_to=goes_to_now(CancelBooking(position)),
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
    kind = narrowed_type()
    read = partial(
        queries.booking_lines,
        g.event,
        actor=me(),
        status="" if status == ASKED else status,
        asked=status == ASKED,
        only=[wants_any_of(kind)] if kind else (),
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
        "kind": kind,
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
            tickets_told(wants, tickets),
            status,
            is_active(status),
            admitted,
            ranks.get(position),
            questions.get(position),
        )
        for position, attendee_id, name, email, tickets, status, admitted, wants in page
    ]


def ranks_on(event_id: int, page: Sequence[Line]) -> dict[int, int]:
    """The ranks of the waiting bookings on a page."""
    waiting = [row.position for row in page if row.status == Status.WAITING]
    return ranks_of(event_id, waiting) if waiting else {}
