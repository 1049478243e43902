"""No more messages of an organizer: the page that the link of such a message leads to."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.booking.queries import find_booking
from webapp.errors import BookingNotFound
from webapp.mail import announcements
from webapp.web.htmx import show

bp = Blueprint("unsubscribe", __name__)


@bp.get("/bookings/<reference>/messages")
def ask(reference: str) -> ResponseReturnValue:
    """Ask before anything is done: scanners of mails follow links, too."""
    found = find_booking(reference)
    return show("unsubscribe/ask.html", booking=found.booking, event=found.event, done=False)


@bp.post("/bookings/<reference>/messages")
def stop(reference: str) -> ResponseReturnValue:
    """Send no more messages to the address of the booking.

    Mail programs send this form by themselves (RFC 8058) and cannot have a token; the reference
    stands for one.
    """
    found = find_booking(reference)
    if not announcements.stop_messages(reference):
        raise BookingNotFound
    return show("unsubscribe/ask.html", booking=found.booking, event=found.event, done=True)
