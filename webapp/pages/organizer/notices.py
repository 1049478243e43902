"""Mails to the organizer: where to, and about what."""

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import InvalidInput
from webapp.htmx import move_to, show
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, organizer_id
from webapp.schemas import FindBookings, from_form
from webapp.services import notices as notices_service


@bp.get("/notices")
def notices() -> ResponseReturnValue:
    """What the organizer is written about."""
    return show("organizer/notices.html", notices=notices_service.notices_of(organizer_id()))


@bp.post("/notices")
@form_on("organizer.notices")
def set_notices() -> ResponseReturnValue:
    """Save it; without an address nothing is sent."""
    given = request.form.get("email", "").strip()
    wishes = {name: request.form.get(name) == "yes" for name in ("wants_sold_out", "wants_summary")}
    email = from_form(FindBookings, request.form).email if given else None
    if email is None and any(wishes.values()):
        raise InvalidInput({"email": "Fill in the address to write to."})
    notices_service.set_notices(organizer_id(), email=email, **wishes)
    flash("Saved.")
    return move_to(url_for("organizer.notices"))
