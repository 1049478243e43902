"""An organizer corrects a booking for somebody, or gives its ticket to somebody else."""

from typing import Any

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue

from webapp.booking import queries
from webapp.booking.commands import Status, is_active
from webapp.booking.corrections import correct_booking
from webapp.booking.giving import give_ticket
from webapp.errors import AlreadyBooked
from webapp.pages import forms
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, kept_list, me
from webapp.pages.organizer.bookings import BOOKING, AttendeeHasBooking
from webapp.pages.presentation import sends_mail
from webapp.storage.idempotency import IdempotencyKey
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.schemas import Correction, Receiver, from_form


@bp.get(f"{BOOKING}/correct")
def correct(event_id: int, position: int) -> ResponseReturnValue:
    """The form for a booking's name and address."""
    found = queries.booking_at(g.event, position, actor=me())
    if not is_active(found.status):
        return _back(event_id, position)
    return show("organizer/correct_booking.html", event=g.event, booking=found, gives=False)


@bp.post(f"{BOOKING}/correct")
@form_on("organizer.correct")
def save_correction(event_id: int, position: int) -> ResponseReturnValue:
    """Correct the name at once, and ask a new address by mail."""
    form = from_form(Correction, request.form)
    made = correct_booking(
        event_id,
        position=position,
        name=form.name,
        email=form.email if sends_mail() else None,
        actor=me(),
        key=_key("correct", position, form.model_dump()),
    )
    if made.changed:
        flash(_("The name is corrected."))
    if made.asks_address:
        flash(
            _(
                "We have mailed %(address)s. Once the button on the page behind that mail was"
                " pressed, we write there; until then everything stays as it is.",
                address=form.email,
            )
        )
    if not (made.changed or made.asks_address):
        flash(_("It is so already."))
    return _back(event_id, position)


@bp.get(f"{BOOKING}/give")
def give(event_id: int, position: int) -> ResponseReturnValue:
    """The form that gives a ticket to somebody else."""
    found = queries.booking_at(g.event, position, actor=me())
    if found.status != Status.CONFIRMED:
        return _back(event_id, position)
    return show("organizer/correct_booking.html", event=g.event, booking=found, gives=True)


@bp.post(f"{BOOKING}/give")
@form_on("organizer.give")
def give_away(event_id: int, position: int) -> ResponseReturnValue:
    """Give the ticket to somebody else at once."""
    values = from_form(Receiver, request.form).model_dump()
    key = _key("give", position, values)
    try:
        give_ticket(event_id, position=position, actor=me(), key=key, **values)
    except AlreadyBooked as error:
        raise AttendeeHasBooking(position=error.position) from error
    flash(_("%(name)s has the ticket now. The link and the code before are void.", **values))
    return _back(event_id, position)


def _key(operation: str, position: int, values: dict[str, Any]) -> IdempotencyKey | None:
    return forms.idempotency_key(operation, caller=str(me()), position=position, **values)


def _back(event_id: int, position: int) -> ResponseReturnValue:
    return move_to(
        url_for("organizer.booking", event_id=event_id, position=position, **kept_list())
    )
