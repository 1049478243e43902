"""Lost links: an address gets those of its bookings by mail, and the page tells nobody anything."""

import hashlib

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.extensions import limiter
from webapp.htmx import move_to, show
from webapp.limits import Budget
from webapp.pages.forms import form_on
from webapp.schemas import FindBookings, from_form
from webapp.services import news

bp = Blueprint("find", __name__)

ASKS_PER_CLIENT = "10 per 15 minutes"
MAILS_PER_ADDRESS = "3 per hour"


@bp.get("/bookings")
def bookings() -> ResponseReturnValue:
    """Ask for the links of one's bookings."""
    return show("find/bookings.html")


@bp.post("/bookings")
@limiter.limit(ASKS_PER_CLIENT)
@form_on("find.bookings")
def send() -> ResponseReturnValue:
    """Mail the links, and answer the same whether or not there are any."""
    mail_links(from_form(FindBookings, request.form).email)
    flash("If there are bookings with this address, a mail with their links is on its way to it.")
    return move_to(url_for("find.bookings"))


def mail_links(email: str) -> None:
    """Have an address sent the links of its bookings, but never so often that it is a nuisance."""
    if limiter.enabled:
        # The address is nobody's business in a storage that others may read.
        name = hashlib.sha256(email.encode()).hexdigest()
        budget = Budget("find/address", MAILS_PER_ADDRESS, storage=limiter.storage)
        if budget.spend(name).left < 0:
            return
    news.send_links(email)
