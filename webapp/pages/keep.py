"""What an attendee is asked, answered: the page behind the link of the mail that asks."""

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.booking import services as bookings
from webapp.booking.commands import Status, TermKind, attendee, is_active
from webapp.booking.queries import BookingView, find_booking, locate
from webapp.mail.facts import send_links
from webapp.pages import remembered
from webapp.pages.forms import form_on
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.language import ngettext
from webapp.web.rate_limits import network

bp = Blueprint("keep", __name__, url_prefix="/bookings/<reference>")


@bp.get("/keep")
def ask(reference: str) -> ResponseReturnValue:
    """The question with its button; following the link changes nothing."""
    found = find_booking(reference)
    return show(
        "keep/ask.html",
        booking=found.booking,
        event=found.event,
        question=found.question,
        heading=_heading(found),
        # In a form that is shown again it comes with the form.
        token=request.values.get("token", ""),
    )


@bp.post("/keep")
@form_on("keep.ask")
def answer(reference: str) -> ResponseReturnValue:
    """Keep the booking; again is harmless."""
    event_id, position = locate(reference)
    token = request.form.get("token") or None
    outcome = bookings.keep_booking(
        event_id,
        position=position,
        reference=reference,
        token=token,
        actor=attendee(network()),
    )
    remembered.remember(reference)
    if outcome.status is Status.WAITING:
        flash(_("Thank you: your place on the waiting list is kept."))
    else:
        flash(
            ngettext(
                "Thank you: %(num)s ticket is yours.",
                "Thank you: %(num)s tickets are yours.",
                outcome.tickets,
            )
        )
    return move_to(url_for("attendee.booking", reference=reference))


@bp.post("/ask")
@form_on("attendee.booking")
def send_again(reference: str) -> ResponseReturnValue:
    """Mail the question to the address once more; its term goes on."""
    found = find_booking(reference)
    email, question = found.booking.email, found.question
    if email is not None and question is not None and question.kind is TermKind.ADDRESS:
        first = (found.event.id, found.booking.position)
        send_links(email, first=first, network=network())
        flash(_("It is mailed again. Until when you can answer stays the same."))
    return move_to(url_for("attendee.booking", reference=reference))


def _heading(found: BookingView) -> str:
    """The question, or why there is none any more."""
    if found.booking.status == Status.LAPSED:
        return _("This booking has lapsed")
    if not is_active(found.booking.status):
        return _("This booking is cancelled")
    if found.question is None:
        return _("Your place is kept")
    if found.question.kind is TermKind.ADDRESS:
        return _("Keep your place?")
    return _("Are you still coming?")
