"""One's bookings: those made on this device are listed, the links of others come by mail."""

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.budgets import mail_links
from webapp.extensions import limiter
from webapp.htmx import move_to, show
from webapp.pages import remembered
from webapp.pages.forms import form_on
from webapp.schemas import FindBookings, from_form
from webapp.services.lookup import list_bookings

bp = Blueprint("find", __name__)

ASKS_PER_CLIENT = "10 per 15 minutes"


@bp.get("/bookings")
def bookings() -> ResponseReturnValue:
    """The bookings made on this device, and the form to ask for the links of all others."""
    found = list_bookings(remembered.references())
    remembered.keep([one.booking.reference for one in found])
    return show("find/bookings.html", found=found)


@bp.post("/bookings/forget")
@form_on("find.bookings")
def forget() -> ResponseReturnValue:
    """Remember no bookings on this device; they stay what they are."""
    remembered.keep([])
    flash("Nothing is remembered on this device now. The bookings themselves are as they were.")
    return move_to(url_for("find.bookings"))


@bp.post("/bookings")
@limiter.limit(ASKS_PER_CLIENT)
@form_on("find.bookings")
def send() -> ResponseReturnValue:
    """Mail the links, and answer the same whether or not there are any."""
    mail_links(from_form(FindBookings, request.form).email)
    flash("If there are bookings with this address, a mail with their links is on its way to it.")
    return move_to(url_for("find.bookings"))
