"""One's bookings: those made on this device are listed, the links of others come by mail."""

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.booking.queries import list_bookings
from webapp.booking.ticket_types import words_of
from webapp.booking.type_queries import names_of
from webapp.mail.facts import send_links
from webapp.pages import remembered
from webapp.pages.forms import form_on
from webapp.pages.presentation import sends_mail
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.rate_limits import FIND_FORMS, limited, network
from webapp.web.schemas import FindBookings, from_form

bp = Blueprint("find", __name__)


@bp.get("/bookings")
def bookings() -> ResponseReturnValue:
    """The bookings made on this device, and the form to ask for the links of all others."""
    found = list_bookings(remembered.references())
    remembered.keep([one.booking.reference for one in found])
    words = [words_of(one.booking.wants, names_of(one.event)) for one in found]
    return show("find/bookings.html", found=[*zip(found, words, strict=True)])


@bp.post("/bookings/forget")
@form_on("find.bookings")
def forget() -> ResponseReturnValue:
    """Remember no bookings on this device; they stay what they are."""
    remembered.keep([])
    flash(_("Nothing is remembered on this device now. The bookings themselves are as they were."))
    return move_to(url_for("find.bookings"))


@bp.post("/bookings")
@limited(FIND_FORMS)
@form_on("find.bookings")
def send() -> ResponseReturnValue:
    """Mail the links, and answer the same whether or not there are any."""
    email = from_form(FindBookings, request.form).email
    send_links(email, network=network())
    if sends_mail():
        flash(
            _(
                "If there are bookings with this address, a mail with their links is on its way to"
                " it."
            )
        )
    else:
        flash(_("No mail server is set up here, so no mail arrives. Ask whoever runs this site."))
    return move_to(url_for("find.bookings"))
