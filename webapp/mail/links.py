"""Where the links of mails lead: pages as they are reached from outside."""

from flask import current_app

from webapp.booking.codes import token_for
from webapp.booking.commands import TermKind
from webapp.config import current_settings
from webapp.storage.rows import BookingRow, EventRow
from webapp.text.formatting import slug


def link(endpoint: str, **values: object) -> str:
    """The address of a page as it is reached from outside; no request is needed."""
    path = current_app.url_map.bind("localhost").build(endpoint, values)
    return current_settings().base_url + path


def event_link(event: EventRow) -> str:
    return link("attendee.event", event_id=event.id, slug=slug(event.name) or None)


def booking_link(reference: str) -> str:
    return link("attendee.booking", reference=reference)


def keep_link(booking: BookingRow, asks: TermKind) -> str:
    """Where the attendee answers; for an address with the token that only this mail has."""
    if asks is not TermKind.ADDRESS:
        return link("keep.ask", reference=booking.reference)
    token = token_for(booking.event_id, booking.position, purpose=asks, reference=booking.reference)
    return link("keep.ask", reference=booking.reference, token=token)
