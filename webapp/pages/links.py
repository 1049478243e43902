"""A new link or address for a booking: asking, and the pages behind what is mailed.

Following a link changes nothing, for scanners of mails follow links, too; the button does.
"""

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.booking import corrections, links
from webapp.booking.links import Purpose, Token, read_token
from webapp.booking.queries import find_booking, find_event, locate
from webapp.errors import LinkExpired
from webapp.pages import remembered
from webapp.pages.forms import form_on
from webapp.pages.presentation import sends_mail
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.rate_limits import FIND_FORMS, limited, network

bp = Blueprint("links", __name__)


@bp.get("/bookings/<reference>/new-link")
def confirm_ask(reference: str) -> ResponseReturnValue:
    """Whether the attendee wants a new link; here, so that the booking's page needs no session."""
    found = find_booking(reference)
    return show("links/ask.html", booking=found.booking, event=found.event)


@bp.post("/bookings/<reference>/new-link")
@limited(FIND_FORMS)
@form_on("links.confirm_ask")
def ask(reference: str) -> ResponseReturnValue:
    """Mail a token to the booking's address, and answer the same whether or not there is one."""
    event_id, position = locate(reference)
    links.ask_for_new_link(event_id, position=position, reference=reference, network=network())
    if sends_mail():
        flash(
            _(
                "If this booking has an e-mail address, a mail is on its way to it. The button on"
                " the page behind it makes a new link; this one stops working then."
            )
        )
    else:
        flash(_("No mail server is set up here, so no mail arrives. Ask whoever runs this site."))
    return move_to(url_for("attendee.booking", reference=reference))


@bp.get("/bookings/<reference>/replace")
def confirm_replace(reference: str) -> ResponseReturnValue:
    """The page of the button that replaces the link."""
    found = find_booking(reference)
    _token_for(reference)
    return show("links/replace.html", booking=found.booking, event=found.event, token=_text())


@bp.post("/bookings/<reference>/replace")
@form_on("links.confirm_replace")
def replace(reference: str) -> ResponseReturnValue:
    """Replace the link; who pressed the button goes on with the new one."""
    new = links.replace_link(_token_for(reference), reference=reference)
    remembered.replace(reference, new)
    flash(
        _(
            "This is your new link. The one before does not work any more. We mail you the new one"
            " as well."
        )
    )
    return move_to(url_for("attendee.booking", reference=new))


@bp.get("/bookings/address")
def confirm_address() -> ResponseReturnValue:
    """The page of the button that gives a booking the address to which the link was mailed."""
    return _show_address(is_done=False)


@bp.post("/bookings/address")
@form_on("links.confirm_address")
def set_address() -> ResponseReturnValue:
    """Give the booking the new address; its link goes there by mail."""
    corrections.set_address(read_token(Purpose.NEW_ADDRESS, _text()))
    return _show_address(is_done=True)


def _show_address(*, is_done: bool) -> ResponseReturnValue:
    said = read_token(Purpose.NEW_ADDRESS, _text())
    event = find_event(said.event_id, with_drafts=True)
    return show(
        "links/address.html", event=event, address=said.address, token=_text(), is_done=is_done
    )


def _text() -> str:
    """The token as it came: with the link of the mail, or with the form behind it."""
    return request.values.get("token", "")


def _token_for(reference: str) -> Token:
    """What the token says of the booking. Raises `LinkExpired`, `BookingNotFound`, ...."""
    place = locate(reference)
    said = read_token(Purpose.NEW_LINK, _text())
    if place != (said.event_id, said.position):
        raise LinkExpired
    return said
