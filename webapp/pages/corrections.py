"""Name and address of a booking are corrected, and a ticket is given to somebody else.

Each is asked on a page of its own, so that the booking's page needs no session. What a booking
says of itself can be read and changed by whoever has its link; an address only counts, and a
ticket only goes to somebody whose address is asked, once the button behind a mail to it was
pressed.
"""

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp import clock
from webapp.accounts.contacts import contact_of
from webapp.booking import giving
from webapp.booking.commands import attendee, is_active
from webapp.booking.corrections import correct_booking
from webapp.booking.links import Purpose, read_token
from webapp.booking.queries import BookingView, find_booking, find_event, find_gift, locate_any
from webapp.booking.terms import asks_addresses
from webapp.errors import AlreadyBooked, LinkReplaced
from webapp.mail.facts import send_links
from webapp.pages import forms, remembered
from webapp.pages.forms import form_on
from webapp.pages.presentation import absolute_url, sends_mail
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.rate_limits import FIND_FORMS, admit_new_address, limited, network
from webapp.web.schemas import Correction, Receiver, from_form

bp = Blueprint("corrections", __name__)
BOOKING = "/bookings/<reference>"


@bp.get(f"{BOOKING}/correct")
def correct(reference: str) -> ResponseReturnValue:
    """The form for a booking's name and address."""
    found = find_booking(reference)
    if not is_active(found.booking.status):
        return redirect(url_for("attendee.booking", reference=reference), code=303)
    return show("corrections/correct.html", **_shown(found))


@bp.post(f"{BOOKING}/correct")
@limited(FIND_FORMS)
@form_on("corrections.correct")
def save(reference: str) -> ResponseReturnValue:
    """Correct the name at once; ask a new address by mail, whatever else it may be booked with."""
    form = from_form(Correction, request.form)
    found = find_booking(reference)
    event_id, position = found.event.id, found.booking.position
    email = form.email if sends_mail() else None
    if email not in (None, found.booking.email):
        admit_new_address(f"{event_id}/{position}")
    made = correct_booking(
        event_id,
        position=position,
        name=form.name,
        email=email,
        reference=reference,
        actor=attendee(network()),
        key=forms.idempotency_key("correct", caller="page", position=position, **form.model_dump()),
    )
    if made.changed:
        flash(_("The name is corrected."))
    if made.asks_address:
        flash(
            _(
                "We have mailed %(address)s. Once the button on the page behind that mail was"
                " pressed, we write there; until then everything stays as it is.",
                address=email,
            )
        )
    if not (made.changed or made.asks_address):
        flash(_("It is so already."))
    return move_to(url_for("attendee.booking", reference=reference))


@bp.get(f"{BOOKING}/give")
def give(reference: str) -> ResponseReturnValue:
    """The form that gives a ticket to somebody else."""
    found = find_booking(reference)
    if not may_give(found):
        return redirect(url_for("attendee.booking", reference=reference), code=303)
    return show("corrections/give.html", **_shown(found), receiver=None)


@bp.post(f"{BOOKING}/give")
@limited(FIND_FORMS)
@form_on("corrections.give")
def give_away(reference: str) -> ResponseReturnValue:
    """Ask once more, then give the ticket away or ask the receiver; again has the same end."""
    form = from_form(Receiver, request.form)
    event_id, position = locate_any(reference)
    if request.form.get("sure") != "yes":
        found = find_booking(reference)
        return show("corrections/give.html", **_shown(found), receiver=form)
    values = form.model_dump()
    key = forms.idempotency_key("give", caller="page", position=position, **values)
    admit_new_address(f"{event_id}/{position}")
    try:
        gift = giving.give_ticket(
            event_id,
            position=position,
            **values,
            reference=reference,
            actor=attendee(network()),
            key=key,
        )
    except AlreadyBooked as error:
        send_links(form.email, first=(event_id, error.position), network=network())
        raise
    except LinkReplaced:
        return move_to(url_for("corrections.given", reference=reference))
    if gift.is_asked:
        flash(
            _(
                "We have mailed %(address)s. The ticket is theirs once they press the button on the"
                " page behind that mail, within a day; until then it stays yours.",
                address=form.email,
            )
        )
        return move_to(url_for("attendee.booking", reference=reference))
    remembered.forget(reference)
    if not sends_mail():
        flash(
            _(
                "No mails are sent from here, so pass the new link on yourself: %(link)s",
                link=absolute_url(url_for("attendee.booking", reference=gift.reference)),
            )
        )
    return move_to(url_for("corrections.given", reference=reference))


@bp.get(f"{BOOKING}/given")
def given(reference: str) -> ResponseReturnValue:
    """Where a ticket went, for whoever has the link that it had before."""
    gift = find_gift(reference)
    return show(
        "corrections/given.html",
        event=gift.event,
        gift=gift,
        contact=contact_of(gift.event.organizer_id),
    )


@bp.get("/bookings/take-over")
def confirm_take_over() -> ResponseReturnValue:
    """The page of the button that takes a ticket over; following the link changes nothing."""
    said = read_token(Purpose.TICKET_OFFER, request.values.get("token", ""))
    event = find_event(said.event_id, with_drafts=True)
    token = request.values.get("token", "")
    return show("corrections/take_over.html", event=event, address=said.address, token=token)


@bp.post("/bookings/take-over")
@form_on("corrections.confirm_take_over")
def take_over() -> ResponseReturnValue:
    """Take the ticket over, with a link of one's own."""
    said = read_token(Purpose.TICKET_OFFER, request.form.get("token", ""))
    reference = giving.take_over(said, network=network())
    remembered.remember(reference)
    flash(_("The ticket is yours. Keep the address of this page."))
    return move_to(url_for("attendee.booking", reference=reference))


def may_give(found: BookingView) -> bool:
    """Whether a booking's ticket can be given to somebody else now."""
    return giving.may_give(found.booking, found.event, found.question, clock.now())


def _shown(found: BookingView) -> dict[str, Any]:
    booking, event = found.booking, found.event
    return {
        "booking": booking,
        "event": event,
        "contact": contact_of(event.organizer_id),
        "asks": asks_addresses(event, clock.now()),
        "may_give": may_give(found),
    }
